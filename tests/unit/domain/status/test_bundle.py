"""What a TemplateBundle's status tells besides its conditions (those are judged in ``tests/conditions``)."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.status.bundle import BundleContext, summarise_bundle
from skillmeat_operator.domain.status.outcome import Outcome, SideOutcome
from skillmeat_operator.domain.status.spec_version import SpecVersion
from tests.conditions import builders as a

GRACE = timedelta(minutes=2)


def outcome(plan: Plan, **changes: Any) -> Outcome:
    base = Outcome(source=SideOutcome(), catalog=SideOutcome(), plan=plan, state=a.state(plan))
    return replace(base, **changes)


def status(obj: dict[str, Any], found: Outcome | None) -> dict[str, Any]:
    context = BundleContext(outcome=found, source_exists=True, read_again=False, grace=GRACE, now=a.NOW)
    bundle = TemplateBundle.from_object(obj)
    return summarise_bundle(bundle, context, carried_out=SpecVersion.of(bundle)).to_wire()


def told(observed: list[Any], spec: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Status without conditions, of a bundle that is published already."""
    obj = a.raw_bundle(spec)
    before = a.plan(a.elements(1))
    plan = a.plan(observed, bundles=[TemplateBundle.from_object(obj)], before=before)
    found = status(obj, outcome(plan, **changes))
    return {key: value for key, value in found.items() if key != "conditions"}


PUBLISHED = {
    "observedGeneration": 1,
    "entityRef": "template:skillmeat/t0",
    "bundleId": "id-t0",
    "bundleVersion": "1.0.0",
    "generatedAt": "2026-01-01T00:00:00Z",
    "catalog": {"present": True, "upToDate": True, "uid": "uid-of-template:skillmeat/t0"},
}


@pytest.mark.parametrize(
    ("observed", "spec", "expected"),
    [
        pytest.param(a.elements(1), {}, PUBLISHED, id="published"),
        pytest.param(
            a.elements(1, generated="2026-02-02T00:00:00Z"),
            {},
            PUBLISHED,
            id="generated-at-moves-with-content",
        ),
        pytest.param(
            a.elements(1, version="2.0.0"),
            {"version": "^1.0.0"},
            {**PUBLISHED, "availableVersion": "2.0.0"},
            id="an-older-version-is-kept",
        ),
        pytest.param(
            a.elements(1, annotations={"skillmeat.io/template-stale": "true"}),
            {},
            {**PUBLISHED, "stale": True},
            id="stale",
        ),
        pytest.param(
            a.elements(1, version="2.0.0"),
            {"publish": False},
            {
                "observedGeneration": 1,
                "availableVersion": "2.0.0",
                "catalog": {"present": False, "upToDate": False},
            },
            id="taken-out",
        ),
        pytest.param([], {}, PUBLISHED, id="held-while-gone"),
        pytest.param([a.invalid("t0")], {}, PUBLISHED, id="held-while-invalid"),
    ],
)
def test_told(observed: list[Any], spec: dict[str, Any], expected: dict[str, Any]) -> None:
    assert told(observed, spec) == expected


def test_facts_wait_for_the_catalog() -> None:
    on_its_way = frozenset({a.ref("t0")})
    assert told(a.elements(1), converging=on_its_way) == {"observedGeneration": 1}
    assert told(a.elements(1), state=None) == {"observedGeneration": 1}


def test_an_entity_with_other_content_is_there_and_not_up_to_date() -> None:
    plan = a.plan(a.elements(1), bundles=[a.bundle()])
    state = a.state(plan, [a.shown(plan.published[0], content_hash="sha256:old")])
    found = status(a.raw_bundle(), outcome(plan, state=state))
    assert found["catalog"] == {"present": True, "upToDate": False, "uid": "uid-of-template:skillmeat/t0"}


def test_a_younger_twin_tells_nothing_of_what_the_elder_publishes() -> None:
    younger = a.raw_bundle(name="younger", creationTimestamp="2026-02-01T00:00:00Z")
    plan = a.plan(a.elements(1), bundles=[a.bundle(), TemplateBundle.from_object(younger)])
    found = status(younger, outcome(plan))
    assert "entityRef" not in found
    assert [one["reason"] for one in found["conditions"] if one["type"] == "Ready"] == [
        "DuplicateDeclaration"
    ]


def test_the_time_of_a_status_does_not_grow_with_the_source() -> None:
    """A hundred statuses from one outcome of 2,000 templates, of which none is in the catalog yet."""
    observed = a.elements(2000)
    plan = a.plan(observed, bundles=[a.bundle()])
    found = outcome(plan, state=a.state(plan, []))
    bundle = a.raw_bundle()
    began = time.process_time()
    for _ in range(100):
        status(bundle, found)
    assert time.process_time() - began < 0.5


ORPHAN = {"sourceRef": {"name": "nowhere"}, "bundleRef": {"id": "id-t0"}}


def orphaned(obj: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The object with the status of one that has no CatalogSource, so many seconds later."""
    now = a.NOW + timedelta(seconds=seconds)
    context = BundleContext(outcome=None, source_exists=False, read_again=True, grace=GRACE, now=now)
    bundle = TemplateBundle.from_object(obj)
    told = summarise_bundle(bundle, context, carried_out=SpecVersion.of(bundle)).to_wire()
    return {**obj, "status": told}


def doing(obj: dict[str, Any]) -> str:
    [one] = [
        each["type"] for each in obj["status"]["conditions"] if each["type"] in {"Reconciling", "Stalled"}
    ]
    return str(one)


def changed(obj: dict[str, Any], generation: int) -> dict[str, Any]:
    return {**obj, "metadata": {**obj["metadata"], "generation": generation}}


def test_what_is_missing_is_awaited_for_its_grace_and_no_longer() -> None:
    obj = orphaned(a.raw_bundle(ORPHAN), 0)
    assert [doing(orphaned(obj, after)) for after in (0, 119, 120)] == [
        "Reconciling",
        "Reconciling",
        "Stalled",
    ]


def test_another_spec_of_one_that_was_given_up_is_awaited_anew() -> None:
    obj = orphaned(orphaned(a.raw_bundle(ORPHAN), 0), 120)
    obj = orphaned(changed(obj, 2), 1000)
    assert [doing(orphaned(obj, 1000 + after)) for after in (0, 119, 120)] == [
        "Reconciling",
        "Reconciling",
        "Stalled",
    ]


def test_looking_twice_at_the_same_moment_tells_the_same() -> None:
    obj = orphaned(a.raw_bundle(ORPHAN), 0)
    obj = orphaned(changed(obj, 2), 121)
    assert orphaned(obj, 121)["status"] == obj["status"]
