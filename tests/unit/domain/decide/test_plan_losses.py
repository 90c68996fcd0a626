"""What becomes of losses in a decision: held, acted on, approved, read back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.observation import CatalogEntity
from skillmeat_operator.domain.snapshot.model import GuardState, HeldReason
from tests.conditions import builders as a


def counts(plan: Plan) -> tuple[int, ...]:
    """discovered, selected, withheld, invalid, conflicting, published, held."""
    refused = (len(plan.invalid), len(plan.conflicting))
    return (plan.discovered, plan.selected, plan.withheld, *refused, len(plan.published), plan.held)


def test_few_losses_are_acted_on_and_leave_a_trace() -> None:
    plan = a.plan(a.elements(3), before=a.plan(a.elements(6)))
    assert a.names(plan) == ["t0", "t1", "t2"]
    assert [one.ref for one in plan.records if one.is_tombstone] == [a.ref(f"t{n}") for n in (3, 4, 5)]
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
    assert [one for one in back.records if one.is_tombstone] == []
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
    plan = a.plan([], of=a.source(spec), bundles=bundles, before=held_back, spec_changed=True)
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


def test_an_approval_empties_the_window() -> None:
    first = a.plan(a.elements(7), before=a.plan(a.elements(10)))
    second = a.plan(a.elements(3), before=first)
    assert second.removal is not None
    approved = a.plan(a.elements(3), before=second, approval=second.removal.id)
    assert a.names(approved) == ["t0", "t1", "t2"]
    assert [one for one in approved.records if one.is_tombstone] == []


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
    renamed = [a.element(f"r{n}", id=f"{prefix}id-t{n}") for n in range(6)]
    assert a.names(a.plan(renamed, before=plan)) == [f"r{n}" for n in range(6)]


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
    spoiled = tuple(replace(one, lost_since=broken) if one.is_tombstone else one for one in first.records)
    plan = a.plan([], records=spoiled, guard=GuardState(id="x", since=broken))
    assert plan.removal is not None
    assert plan.removal.since in {"2026-03-01T12:00:00Z", "2026-03-01T12:00:00"}
