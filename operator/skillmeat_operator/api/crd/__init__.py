"""The CustomResourceDefinitions, made from the models: `python -m skillmeat_operator.api.crd` writes them."""
