"""Keys that differ in case alone (facts/backstage.md, section 12)."""

from __future__ import annotations

from typing import Any

import pytest

from skillmeat_operator.domain.rules.entity_rules import violations
from tests.conditions import builders as a

PAGES = [{"properties": {"Owner": {"type": "string"}}}, {"properties": {"owner": {"type": "string"}}}]
# What SkillMeat 0.74.0 makes of required_variables: ["name", "RepoUrl"].
OWN_FORM = {
    "required": ["name", "RepoUrl", "repoUrl"],
    "properties": {key: {"type": "string"} for key in ("name", "RepoUrl", "repoUrl")},
}


def template(**spec: Any) -> dict[str, Any]:
    plan = a.plan([a.element("t0")])
    entity = dict(plan.published[0].entity or {})
    return {**entity, "spec": {**entity["spec"], **spec}}


def with_metadata(**metadata: Any) -> dict[str, Any]:
    entity = template()
    return {**entity, "metadata": {**entity["metadata"], **metadata}}


def step(**given: Any) -> dict[str, Any]:
    return {"id": "fetch", "action": "skillmeat:fetch", "input": given}


@pytest.mark.parametrize(
    ("spec", "field", "other"),
    [
        (
            {"steps": [step(values={"fooBar": 1, "foobar": 2})]},
            "spec.steps[0].input.values.foobar",
            "spec.steps[0].input.values.fooBar",
        ),
        (
            {"steps": [step(repoUrl="x"), {**step(repoURL="y"), "id": "other"}]},
            "spec.steps[1].input.repoURL",
            "spec.steps[0].input.repoUrl",
        ),
        (
            {"parameters": PAGES},
            "spec.parameters[1].properties.owner.type",
            "spec.parameters[0].properties.Owner.type",
        ),
        (
            {"parameters": OWN_FORM},
            "spec.parameters.properties.repoUrl.type",
            "spec.parameters.properties.RepoUrl.type",
        ),
        ({"steps": [{**step(), "each": ["Foo"]}, {**step(), "each": {"foo": 1}}]}, "each.foo", "each[0]"),
        ({"Type": "service"}, "spec.Type", "spec.type"),
    ],
    ids=["in-one-input", "of-two-steps", "on-two-pages", "of-the-real-server", "a-text-and-a-key", "spec"],
)
def test_what_the_stitcher_refuses_is_invalid_and_both_paths_are_named(
    spec: dict[str, Any], field: str, other: str
) -> None:
    (found,) = violations(template(**spec))
    assert found.field.endswith(field)
    assert f"{other} in case alone" in found.message
    assert not found.repairable


@pytest.mark.parametrize(
    ("metadata", "field", "other"),
    [
        ({"labels": {"team": "a", "Team": "b"}}, "metadata.labels.Team", "metadata.labels.team"),
        ({"Name": "x"}, "metadata.Name", "metadata.name"),
        (
            {"annotations": {"backstage.io/Managed-By-Location": "x"}},
            "metadata.annotations",
            "backstage.io/managed-by-location",
        ),
    ],
    ids=["labels", "beside-the-name", "beside-what-the-portal-adds"],
)
def test_metadata_too(metadata: dict[str, Any], field: str, other: str) -> None:
    (found,) = violations(with_metadata(**metadata))
    assert found.field.startswith(field)
    assert other in found.message


def test_every_pair_is_told_once() -> None:
    twice = [step(fooBar=1, a=1), {**step(foobar=1, A=2), "id": "b"}, {**step(foobar=2, A=3), "id": "c"}]
    assert [one.field for one in violations(template(steps=twice))] == [
        "spec.steps[1].input.foobar",
        "spec.steps[1].input.A",
    ]


@pytest.mark.parametrize(
    "spec",
    [
        {"steps": [step(repoUrl="x"), {**step(repoUrl="y"), "id": "other"}]},
        {"steps": [step(values={"foo": 1, "bar": {"Foo": 2}})]},
        {"steps": [step(values={"fooBar": {}, "foobar": []})]},
        {"parameters": [{"required": ["name", "RepoUrl", "repoUrl"], "properties": {}}]},
    ],
    ids=["equal", "elsewhere", "nothing-below", "in-arrays-of-texts"],
)
def test_what_it_takes_is_valid(spec: dict[str, Any]) -> None:
    assert violations(template(**spec)) == ()


def test_the_others_go_on() -> None:
    crooked = a.element("t1")
    crooked["spec"] = {**crooked["spec"], "parameters": PAGES}
    plan = a.plan([a.element("t0"), crooked])
    assert [one.candidate.key for one in plan.invalid] == [crooked_key(crooked)]
    assert len(plan.published) == 1


def crooked_key(element: dict[str, Any]) -> str:
    return str(element["metadata"]["annotations"]["skillmeat.io/bundle-id"])
