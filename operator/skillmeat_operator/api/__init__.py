"""The two custom resources: models of spec and status, conditions and reasons, and the CRDs made from them.

Nothing in this package does I/O. The models are the only source of the CRDs (`skillmeat_operator.api.crd`).
"""
