"""Each situation of the decide step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from skillmeat_operator.api.keys import CONTENT_HASH, GENERATED_AT, TEMPLATE_STALE
from skillmeat_operator.domain.decide.ownership import Holder
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.rules.entity_rules import violations
from skillmeat_operator.domain.snapshot.model import HeldReason
from skillmeat_operator.domain.template.entity import annotation, content_hash
from tests.conditions import builders as a

ELSEWHERE = Holder(origin="url:http://else.example/catalog.yaml")


def held(plan: Plan) -> dict[str, HeldReason | None]:
    return {one.ref.rpartition("/")[2]: one.held for one in plan.published}


def counts(plan: Plan) -> tuple[int, ...]:
    """discovered, selected, withheld, invalid, conflicting, published, held."""
    refused = (len(plan.invalid), len(plan.conflicting))
    return (plan.discovered, plan.selected, plan.withheld, *refused, len(plan.published), plan.held)


def outside(**changes: Any) -> list[Any]:
    return [a.bundle({"version": "^1.0.0", **changes})]


# situation -> (plan, what is published and why it is held, counts)
SITUATIONS: dict[str, tuple[Callable[[], Plan], dict[str, str | None], tuple[int, ...]]] = {
    "nothing observed, nothing published": (lambda: a.plan([]), {}, (0, 0, 0, 0, 0, 0, 0)),
    "all new": (lambda: a.plan(a.elements(2)), {"t0": None, "t1": None}, (2, 2, 0, 0, 0, 2, 0)),
    "no template": (lambda: a.plan([None, [], "x", {"metadata": {"name": 3}}]), {}, (4, 4, 0, 4, 0, 0, 0)),
    "filtered": (
        lambda: a.plan(a.elements(2), of=a.source({"filters": {"include": [{"names": ["t1"]}]}})),
        {"t1": None},
        (2, 1, 0, 0, 0, 1, 0),
    ),
    "no template and filtered": (
        lambda: a.plan([None, *a.elements(1)], of=a.source({"filters": {"include": [{"names": ["*"]}]}})),
        {"t0": None},
        (2, 1, 0, 0, 0, 1, 0),
    ),
    "published and filtered now": (
        lambda: a.plan(
            a.elements(2),
            of=a.source({"filters": {"exclude": [{"names": ["t1"]}]}}),
            before=a.plan(a.elements(2)),
        ),
        {"t0": None},
        (2, 1, 0, 0, 0, 1, 0),
    ),
    "Declared takes declared bundles only": (
        lambda: a.plan(
            [None, *a.elements(2)], of=a.source({"publishPolicy": "Declared"}), bundles=[a.bundle()]
        ),
        {"t0": None},
        (3, 1, 0, 0, 0, 1, 0),
    ),
    "publish false": (
        lambda: a.plan(a.elements(2), bundles=[a.bundle({"publish": False})], before=a.plan(a.elements(2))),
        {"t1": None},
        (2, 2, 1, 0, 0, 1, 0),
    ),
    "publish false and no template any more": (
        lambda: a.plan(
            [{**a.element("t0"), "kind": "Component"}],
            bundles=[a.bundle({"publish": False})],
            before=a.plan(a.elements(1)),
        ),
        {},
        (1, 1, 1, 0, 0, 0, 0),
    ),
    "invalid and new": (
        lambda: a.plan([a.invalid("t0"), a.element("t1")]),
        {"t1": None},
        (2, 2, 0, 1, 0, 1, 0),
    ),
    "invalid and published": (
        lambda: a.plan([a.invalid("t0")], before=a.plan(a.elements(1))),
        {"t0": "Invalid"},
        (1, 1, 0, 1, 0, 1, 1),
    ),
    "no template and published": (
        lambda: a.plan([{**a.element("t0"), "apiVersion": "x"}], before=a.plan(a.elements(1))),
        {"t0": "Invalid"},
        (1, 1, 0, 1, 0, 1, 1),
    ),
    "invalid under another name keeps its ref": (
        lambda: a.plan(
            [a.element("t0", id="new"), a.invalid("renamed", id="id-t0")], before=a.plan(a.elements(1))
        ),
        {"t0": "Invalid"},
        (2, 2, 0, 2, 0, 1, 1),
    ),
    "outside the range and new": (
        lambda: a.plan([a.element("t0", version="2.0.0")], bundles=outside()),
        {},
        (1, 1, 1, 0, 0, 0, 0),
    ),
    "outside the range and published": (
        lambda: a.plan([a.element("t0", version="2.0.0")], bundles=outside(), before=a.plan(a.elements(1))),
        {"t0": "OutsideRange"},
        (1, 1, 1, 0, 0, 1, 1),
    ),
    "outside the range, as is what is published": (
        lambda: a.plan(
            [a.element("t0", version="2.0.0")],
            bundles=outside(),
            before=a.plan(a.elements(1, version="3.0.0")),
        ),
        {},
        (1, 1, 1, 0, 0, 0, 0),
    ),
    "a range that cannot be read keeps what is published": (
        lambda: a.plan(a.elements(1), bundles=outside(version="1 2 <"), before=a.plan(a.elements(1))),
        {"t0": "OutsideRange"},
        (1, 1, 1, 0, 0, 1, 1),
    ),
    "suspended with the published content": (
        lambda: a.plan(a.elements(1), bundles=[a.bundle({"suspend": True})], before=a.plan(a.elements(1))),
        {"t0": None},
        (1, 1, 0, 0, 0, 1, 0),
    ),
    "suspended with other content": (
        lambda: a.plan(
            a.elements(1, description="New."),
            bundles=[a.bundle({"suspend": True})],
            before=a.plan(a.elements(1)),
        ),
        {"t0": "Suspended"},
        (1, 1, 1, 0, 0, 1, 1),
    ),
    "suspended with invalid content": (
        lambda: a.plan(
            [a.invalid("t0")], bundles=[a.bundle({"suspend": True})], before=a.plan(a.elements(1))
        ),
        {"t0": "Suspended"},
        (1, 1, 1, 0, 0, 1, 1),
    ),
    "suspended and renamed keeps its ref": (
        lambda: a.plan(
            [a.element("t0", id="new"), a.element("renamed", id="id-t0")],
            bundles=[a.bundle({"suspend": True})],
            before=a.plan(a.elements(1)),
        ),
        {"t0": "Suspended"},
        (2, 2, 1, 1, 0, 1, 1),
    ),
    "suspended and gone from the source": (
        lambda: a.plan(
            a.elements(3)[1:], bundles=[a.bundle({"suspend": True})], before=a.plan(a.elements(3))
        ),
        {"t0": "Suspended", "t1": None, "t2": None},
        (2, 2, 0, 0, 0, 3, 1),
    ),
    "suspended and new": (
        lambda: a.plan(a.elements(1), bundles=[a.bundle({"suspend": True})]),
        {},
        (1, 1, 1, 0, 0, 0, 0),
    ),
    "duplicate refs: the first in list order": (
        lambda: a.plan([a.element("t0", id="one"), a.element("T0", id="two")]),
        {"t0": None},
        (2, 2, 0, 1, 0, 1, 0),
    ),
    "duplicate refs: the incumbent": (
        lambda: a.plan(
            [a.element("t0", id="one"), a.element("t0", id="two")],
            before=a.plan([a.element("t0", id="two")]),
        ),
        {"t0": None},
        (2, 2, 0, 1, 0, 1, 0),
    ),
    "renamed to a ref that is taken: the form before stays": (
        lambda: a.plan([a.element("t0"), a.element("t0", id="id-t1")], before=a.plan(a.elements(2))),
        {"t0": None, "t1": "Invalid"},
        (2, 2, 0, 1, 0, 2, 1),
    ),
    "renamed to a taken ref while another takes the former one": (
        lambda: a.plan(
            [a.element("t1", id="new"), a.element("t0"), a.element("t0", id="id-t1")],
            before=a.plan(a.elements(2)),
        ),
        {"t0": None, "t1": None},
        (3, 3, 0, 1, 0, 2, 0),
    ),
    "suspended and gone while another takes its ref": (
        lambda: a.plan(
            [a.element("t0", id="new")], bundles=[a.bundle({"suspend": True})], before=a.plan(a.elements(1))
        ),
        {"t0": "Suspended"},
        (1, 1, 0, 1, 0, 1, 1),
    ),
    "one bundle listed twice": (
        lambda: a.plan([a.element("x", id="same"), a.element("y", id="same")]),
        {"x": None},
        (2, 2, 0, 1, 0, 1, 0),
    ),
    "one bundle listed twice, once invalid": (
        lambda: a.plan([a.element("other", id="id-t0"), a.invalid("t0")], before=a.plan(a.elements(1))),
        {"t0": "Invalid"},
        (2, 2, 0, 2, 0, 1, 1),
    ),
    "conflicting": (
        lambda: a.plan(a.elements(2), holders={a.ref("t1"): ELSEWHERE}),
        {"t0": None},
        (2, 2, 0, 0, 1, 1, 0),
    ),
    "two names exchanged": (
        lambda: a.plan(
            [a.element("t0", id="id-t1"), a.element("t1", id="id-t0")], before=a.plan(a.elements(2))
        ),
        {"t0": None, "t1": None},
        (2, 2, 0, 0, 0, 2, 0),
    ),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_situation(name: str) -> None:
    make, published, counted = SITUATIONS[name]
    plan = make()
    assert held(plan) == published
    assert counts(plan) == counted
    assert plan.removal is None
    assert plan.publishable
    assert all(violations(one.entity) == () for one in plan.published)


def test_the_incumbent_among_duplicates_keeps_its_content() -> None:
    before = a.plan([a.element("t0", id="two")])
    plan = a.plan([a.element("t0", id="one"), a.element("t0", id="two")], before=before)
    assert [one.bundle_id for one in plan.published] == ["two"]
    assert plan.refusals["one"].twin == a.ref("t0")


def test_a_repeated_bundle_is_told_apart_from_a_twin() -> None:
    plan = a.plan([a.element("x", id="same"), a.element("y", id="same")])
    assert [(one.repeated, one.twin) for one in plan.invalid] == [(True, None)]
    assert "same" not in plan.refusals


def test_a_younger_template_bundle_has_no_say() -> None:
    elder = a.bundle({"overrides": {"title": "Elder"}}, name="elder")
    younger = a.bundle({"publish": False}, name="younger", creationTimestamp="2026-02-01T00:00:00Z")
    plan = a.plan(a.elements(1), bundles=[younger, elder])
    assert [one.entity["metadata"]["title"] for one in plan.published] == ["Elder"]


def test_generated_at_stays_while_the_content_does() -> None:
    before = a.plan(a.elements(1, generated="2026-01-01T00:00:00Z"))
    same = a.plan(a.elements(1, generated="2026-02-02T00:00:00Z"), before=before)
    other = a.plan(a.elements(1, generated="2026-02-02T00:00:00Z", description="New."), before=before)
    assert same.records == before.records
    assert [annotation(one.entity, GENERATED_AT) for one in other.published] == ["2026-02-02T00:00:00Z"]


def test_what_is_published_is_sealed() -> None:
    (one,) = a.plan([a.element("t0", annotations={TEMPLATE_STALE: "true"})]).published
    assert annotation(one.entity, CONTENT_HASH) == one.content_hash == content_hash(one.entity)
    assert annotation(one.entity, TEMPLATE_STALE) == "true"
