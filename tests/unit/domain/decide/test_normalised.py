"""Normalised templates that are shared are those that each CatalogSource would have made by itself."""

from __future__ import annotations

from dataclasses import replace

from skillmeat_operator.api.v1alpha1.policies import EntityDefaults
from skillmeat_operator.domain.decide.normalised import KEPT, NormalisedTemplates
from skillmeat_operator.domain.rules.entity_rules import violations
from skillmeat_operator.domain.template.entity import entity_ref
from skillmeat_operator.domain.template.normalise import NormaliseContext, normalise
from tests.conditions import builders as a

CONTEXT = NormaliseContext(
    catalog_namespace="skillmeat",
    managed_by="cluster/one",
    defaults=None,
    view_base="http://skillmeat.example",
)


def test_each_context_gets_its_own_form() -> None:
    element = a.element("t0")
    templates = NormalisedTemplates()
    for context in (
        CONTEXT,
        replace(CONTEXT, managed_by="cluster/two"),
        replace(CONTEXT, catalog_namespace="other"),
        replace(CONTEXT, view_base="http://another.example"),
        replace(CONTEXT, web_url="http://web.example"),
        replace(CONTEXT, defaults=EntityDefaults(owner="group:default/else", tags=("x",))),
        CONTEXT,
    ):
        found = templates.of(element, context=context)
        assert found.entity == normalise(element, context=context)
        assert found.ref == entity_ref(found.entity)
        assert found.violations == violations(found.entity) == ()


def test_what_the_catalog_would_refuse_is_told_to_each() -> None:
    element = a.element("t0")
    element["metadata"]["tags"] = ["Not Legal"]
    templates = NormalisedTemplates()
    for marker in ("cluster/one", "cluster/two"):
        found = templates.of(element, context=replace(CONTEXT, managed_by=marker))
        assert [one.field for one in found.violations] == ["metadata.tags[0]"]


def test_an_equal_element_of_another_reading_is_looked_at_anew() -> None:
    templates = NormalisedTemplates()
    first = a.element("t0")
    templates.of(first, context=CONTEXT)
    second = a.element("t0")
    second["metadata"]["title"] = "Another"
    assert templates.of(second, context=CONTEXT).entity["metadata"]["title"] == "Another"


def test_more_than_are_kept_are_right_too() -> None:
    templates = NormalisedTemplates()
    elements = [a.element(f"t{number}") for number in range(KEPT + 2)]
    for _ in range(2):
        for element in elements:
            found = templates.of(element, context=CONTEXT)
            assert found.entity["metadata"]["name"] == element["metadata"]["name"]
