"""Each situation of the decide step, and laws of whatever is decided."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmeat_operator.api.names import BUNDLE_ID, CONTENT_HASH, GENERATED_AT, TEMPLATE_STALE
from skillmeat_operator.domain.candidates import Fate
from skillmeat_operator.domain.entity import annotation, content_hash
from skillmeat_operator.domain.observation import CatalogEntity
from skillmeat_operator.domain.ownership import Holder
from skillmeat_operator.domain.plan import Plan, record_key
from skillmeat_operator.domain.rules import violations
from skillmeat_operator.domain.snapshot import GuardState, HeldReason
from tests.conditions import builders as a

law = settings(max_examples=40, deadline=None)
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


# The removal guard.


def test_few_losses_are_acted_on_and_leave_a_trace() -> None:
    plan = a.plan(a.elements(3), before=a.plan(a.elements(6)))
    assert a.names(plan) == ["t0", "t1", "t2"]
    assert [one.ref for one in plan.records if one.entity is None] == [a.ref(f"t{n}") for n in (3, 4, 5)]
    assert (plan.guard.window_base, plan.removal) == (6, None)


def test_many_losses_are_held_entity_by_entity() -> None:
    before = a.plan(a.elements(10))
    plan = a.plan([*a.elements(4), a.element("new")], before=before)
    assert plan.removal is not None
    assert plan.removal.refs == tuple(a.ref(f"t{n}") for n in range(4, 10))
    assert sorted(a.names(plan)) == sorted([*a.names(before), "new"])
    assert {one.held for one in plan.published if one.ref in plan.removal.refs} == {HeldReason.LOST}
    assert counts(plan) == (5, 5, 0, 0, 0, 11, 6)


def test_losses_of_an_hour_count_together() -> None:
    first = a.plan(a.elements(7), before=a.plan(a.elements(10)))
    soon = a.NOW + timedelta(minutes=59)
    assert a.plan(a.elements(4), before=first, now=soon).removal is not None
    late = a.NOW + timedelta(minutes=61)
    assert a.plan(a.elements(4), before=first, now=late).removal is None


def test_what_came_back_counts_no_longer() -> None:
    first = a.plan(a.elements(7), before=a.plan(a.elements(10)))
    back = a.plan(a.elements(10), before=first)
    assert [one for one in back.records if one.entity is None] == []
    assert a.plan(a.elements(7), before=back).removal is None


def test_an_empty_list_empties_nothing() -> None:
    before = a.plan(a.elements(1))
    plan = a.plan([], before=before)
    assert plan.removal is not None
    assert [one.entity for one in plan.published] == [one.entity for one in before.published]
    allowed = a.plan([], before=before, of=a.source({"removalPolicy": {"allowEmpty": True}}))
    assert (allowed.removal, a.names(allowed)) == (None, [])


def test_a_hold_ends_by_itself() -> None:
    plan = a.plan([], before=a.plan(a.elements(6)))
    back = a.plan(a.elements(6), before=plan)
    assert (back.removal, back.guard.id, back.held) == (None, None, 0)


def test_a_rename_is_no_loss() -> None:
    renamed = [a.element(f"r{n}", id=f"id-t{n}") for n in range(6)]
    plan = a.plan(renamed, before=a.plan(a.elements(6)))
    assert (plan.removal, plan.held) == (None, 0)
    assert a.names(plan) == [f"r{n}" for n in range(6)]


def test_bundles_made_anew_under_the_same_names_are_no_loss() -> None:
    anew = [a.element(f"t{n}", id=f"anew-{n}") for n in range(6)]
    plan = a.plan(anew, before=a.plan(a.elements(6)))
    assert (plan.removal, plan.held, len(plan.published)) == (None, 0, 6)


def test_templates_without_bundle_id_are_known_by_name() -> None:
    nameless = a.elements(6, id=None)
    plan = a.plan(nameless[:2], before=a.plan(nameless))
    assert plan.removal is not None
    assert plan.removal.refs == tuple(a.ref(f"t{n}") for n in range(2, 6))


@pytest.mark.parametrize(
    ("spec", "bundles"),
    [
        pytest.param({"filters": {"exclude": [{"names": ["t*"]}]}}, [], id="filters"),
        pytest.param({"publishPolicy": "Declared"}, [], id="deleted-template-bundles"),
        pytest.param(
            {},
            [a.bundle({"publish": False, "bundleRef": {"id": f"id-t{n}"}}, name=f"tb{n}") for n in range(6)],
            id="publish-false",
        ),
        pytest.param(
            {},
            [a.bundle({"version": "^7", "bundleRef": {"id": f"id-t{n}"}}, name=f"tb{n}") for n in range(6)],
            id="ranges",
        ),
    ],
)
def test_what_is_asked_for_is_no_loss_while_a_removal_is_held(
    spec: dict[str, Any], bundles: list[Any]
) -> None:
    held_back = a.plan([], before=a.plan(a.elements(6)))
    plan = a.plan([], of=a.source(spec), bundles=bundles, before=held_back)
    assert (plan.removal, a.names(plan)) == (None, [])


def test_the_right_approval_approves_once() -> None:
    plan = a.plan([], before=a.plan(a.elements(6)))
    assert plan.removal is not None
    wrong = a.plan([], before=plan, approval="0" * 16)
    assert wrong.removal == plan.removal
    right = a.plan([], before=plan, approval=plan.removal.id)
    assert (right.approved, right.records) == (True, ())
    again = a.plan([], before=a.plan(a.elements(6), before=right), approval=plan.removal.id)
    assert again.removal is not None


def test_an_approval_is_for_these_refs_and_no_others() -> None:
    plan = a.plan(a.elements(1), before=a.plan(a.elements(6)))
    assert plan.removal is not None
    more = a.plan([], before=plan, approval=plan.removal.id)
    assert more.removal is not None
    assert (more.removal.since, more.removal.id != plan.removal.id) == (plan.removal.since, True)


# A lost snapshot.


def in_catalog(plan: Plan, **changes: Any) -> list[CatalogEntity]:
    return [a.shown(record, **changes) for record in plan.published]


def test_with_neither_snapshot_nor_catalog_nothing_is_published() -> None:
    assert not a.plan(a.elements(3), records=None, ours=None).publishable
    assert a.plan(a.elements(3), records=(), ours=None).publishable


def test_without_snapshot_the_catalog_says_what_would_leave() -> None:
    before = a.plan(a.elements(6))
    plan = a.plan([], records=None, ours=in_catalog(before))
    assert plan.removal is not None
    assert plan.removal.refs == plan.unrecovered == tuple(sorted(before.expected))
    assert not plan.publishable


def test_a_few_losses_without_snapshot_are_acted_on() -> None:
    plan = a.plan(a.elements(4), records=None, ours=in_catalog(a.plan(a.elements(6))))
    assert (plan.removal, plan.publishable, a.names(plan)) == (None, True, ["t0", "t1", "t2", "t3"])


@pytest.mark.parametrize("prefix", ["", "bundle:"])
def test_what_was_read_back_is_held_and_known_when_it_returns(prefix: str) -> None:
    listed = [a.element(f"t{n}", id=f"{prefix}id-t{n}") for n in range(6)]
    before = a.plan(listed)
    entities = {one.ref: one.entity for one in before.published}
    plan = a.plan([], records=None, ours=in_catalog(before), recovered=entities)
    assert plan.publishable
    assert {one.ref: one.entity for one in plan.published} == entities
    back = a.plan(listed, before=plan)
    assert (back.removal, back.held, back.published) == (None, 0, before.published)


def test_the_time_of_a_hold_survives_a_lost_snapshot() -> None:
    before = a.plan(a.elements(6))
    since = "2026-02-28T10:00:00Z"
    entities = {one.ref: one.entity for one in before.published}
    plan = a.plan([], records=None, ours=in_catalog(before), recovered=entities, since=since)
    assert plan.removal is not None
    assert plan.removal.since == since


@pytest.mark.parametrize("broken", ["", "yesterday", "2026-03-01T12:00:00"])
def test_times_of_a_snapshot_that_cannot_be_read_stop_nothing(broken: str) -> None:
    first = a.plan(a.elements(3), before=a.plan(a.elements(6)))
    spoiled = tuple(replace(one, lost_since=broken) if one.entity is None else one for one in first.records)
    plan = a.plan([], records=spoiled, guard=GuardState(id="x", since=broken))
    assert plan.removal is not None
    assert plan.removal.since in {"2026-03-01T12:00:00Z", "2026-03-01T12:00:00"}


# Laws.

NAMES = [f"t{n}" for n in range(6)]


@st.composite
def lists(draw: st.DrawFn) -> list[Any]:
    """An observation: any of six templates in any order, some broken, renamed, repeated or no template."""
    listed: list[Any] = []
    for name in draw(st.permutations(NAMES)):
        kind = draw(st.sampled_from(["good", "good", "good", "gone", "gone", "broken", "renamed", "newer"]))
        if kind == "good":
            listed.append(a.element(name))
        elif kind == "newer":
            listed.append(a.element(name, version="2.0.0"))
        elif kind == "broken":
            listed.append(a.invalid(name))
        elif kind == "renamed":
            listed.append(a.element(draw(st.sampled_from([*NAMES, "other"])), id=f"id-{name}"))
    extra = draw(st.sampled_from([[], [], [None], [a.element("t0", id="id-t1")]]))
    return [*listed, *extra]


def declared() -> st.SearchStrategy[list[Any]]:
    one = st.builds(
        lambda name, spec: a.bundle({**spec, "bundleRef": {"id": f"id-{name}"}}, name=f"tb-{name}"),
        st.sampled_from(NAMES),
        st.sampled_from([{"publish": False}, {"suspend": True}, {"version": "^1.0.0"}, {}]),
    )
    return st.lists(one, max_size=3, unique_by=lambda made: made.name)


@law
@given(st.lists(lists(), min_size=1, max_size=4), declared())
def test_whatever_is_listed_the_counts_add_up_and_refs_are_unique(
    histories: list[list[Any]], bundles: list[Any]
) -> None:
    plan: Plan | None = None
    for observed in histories:
        plan = a.plan(observed, bundles=bundles, before=plan)
        accepted = len(plan.published) - plan.held
        refused = len(plan.invalid) + len(plan.conflicting)
        assert plan.selected == accepted + plan.withheld + refused
        assert len(plan.expected) == len(plan.published) == len(plan.by_key)
        assert {record_key(one): one for one in plan.published} == dict(plan.by_key)
        assert [one.ref for one in plan.published] == sorted(plan.expected)
        assert all(violations(one.entity) == () for one in plan.published)


@law
@given(st.lists(lists(), min_size=1, max_size=4), declared())
def test_a_decision_is_a_function_and_changes_nothing_of_what_it_is_given(
    histories: list[list[Any]], bundles: list[Any]
) -> None:
    before = None
    for observed in histories:
        original = copy.deepcopy(observed)
        first = a.plan(observed, bundles=bundles, before=before)
        again = a.plan(copy.deepcopy(observed), bundles=bundles, before=before)
        assert (first.records, first.guard, first.revision) == (again.records, again.guard, again.revision)
        assert observed == original
        settled = a.plan(observed, bundles=bundles, before=first)
        assert settled.published == first.published, "deciding again on the same list changes nothing"
        before = first


@law
@given(lists(), lists(), declared())
def test_held_losses_never_leave_and_everything_else_acts(
    first: list[Any], second: list[Any], bundles: list[Any]
) -> None:
    before = a.plan(first)
    after = a.plan(second, bundles=bundles, before=before)
    if after.removal is not None:
        known = {one.ref: one.entity for one in before.published}
        kept = {one.ref: one for one in after.published}
        for ref in after.removal.refs:
            assert kept[ref].held is HeldReason.LOST
            assert kept[ref].entity == known[ref]
    silenced = {one.spec.bundle_ref.id for one in bundles if not one.spec.publish}
    assert silenced.isdisjoint({one.bundle_id for one in after.published})
    repeated = [one.candidate for one in after.invalid if one.repeated]
    ready = {one.ref for one in after.prepared.candidates if one.fate is Fate.READY and one not in repeated}
    assert ready <= set(after.expected), "what the source has now is there, whatever is held"


@law
@given(lists(), st.data())
def test_removing_one_element_changes_no_other_record(observed: list[Any], data: st.DataObject) -> None:
    single: list[Any] = []
    seen: set[str] = set()
    for one in observed:
        if not isinstance(one, dict):
            continue
        keys = {one["metadata"]["name"], one["metadata"]["annotations"][BUNDLE_ID]}
        if keys.isdisjoint(seen):
            seen |= keys
            single.append(one)
    if not single:
        return
    base = a.plan(a.elements(6))
    whole = a.plan(single, before=base)
    index = data.draw(st.integers(0, len(single) - 1))
    less = a.plan(single[:index] + single[index + 1 :], before=base)
    key = single[index]["metadata"]["annotations"][BUNDLE_ID]
    observed_keys = {one["metadata"]["annotations"][BUNDLE_ID] for one in single} - {key}
    for other in observed_keys:
        if other in whole.by_key:
            assert less.by_key[other] == whole.by_key[other]
