"""Keys that differ in case alone (facts/backstage.md, section 12)."""

from __future__ import annotations

from typing import Any

import pytest

from skillmeat_operator.domain.rules.entity_rules import violations
from tests.conditions import builders as a

PAGES = [{"properties": {"Owner": {"type": "string"}}}, {"properties": {"owner": {"type": "string"}}}]


def template(**spec: Any) -> dict[str, Any]:
    plan = a.plan([a.element("t0")])
    entity = dict(plan.published[0].entity or {})
    return {**entity, "spec": {**entity["spec"], **spec}}


def step(**given: Any) -> dict[str, Any]:
    return {"id": "fetch", "action": "skillmeat:fetch", "input": given}


@pytest.mark.parametrize(
    "spec",
    [
        {"steps": [step(values={"fooBar": 1, "foobar": 2})]},
        {"steps": [step(repoUrl="x"), {**step(repoURL="y"), "id": "other"}]},
        {"parameters": PAGES},
        {"parameters": [{"required": ["name", "RepoUrl", "repoUrl"], "properties": {}}]},
    ],
    ids=["in-one-input", "of-two-steps", "on-two-pages", "in-an-array-of-texts"],
)
def test_what_the_stitcher_refuses_is_invalid(spec: dict[str, Any]) -> None:
    found = violations(template(**spec))
    assert [one.repairable for one in found if "case alone" in one.message] == [False]


def test_labels_and_annotations_too() -> None:
    entity = template()
    for part in ("labels", "annotations"):
        metadata = {
            **entity["metadata"],
            part: {**entity["metadata"].get(part, {}), "team": "a", "Team": "b"},
        }
        assert any("case alone" in one.message for one in violations({**entity, "metadata": metadata}))


@pytest.mark.parametrize(
    "spec",
    [
        {"steps": [step(repoUrl="x"), {**step(repoUrl="y"), "id": "other"}]},
        {"steps": [step(values={"foo": 1, "bar": {"Foo": 2}})]},
    ],
    ids=["equal", "elsewhere"],
)
def test_what_it_takes_is_valid(spec: dict[str, Any]) -> None:
    assert violations(template(**spec)) == ()
