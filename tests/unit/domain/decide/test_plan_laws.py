"""Laws of whatever is decided."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from skillmeat_operator.api.keys import BUNDLE_ID
from skillmeat_operator.domain.decide.bindings import record_key
from skillmeat_operator.domain.decide.candidates import Fate
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.rules.entity_rules import violations
from skillmeat_operator.domain.snapshot.model import HeldReason
from tests.conditions import builders as a

law = settings(max_examples=40, deadline=None)
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
    # Nobody who is published already moves to the ref of what is held.
    ready -= set(after.removal.refs) if after.removal is not None else set()
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
    taken = set(less.removal.refs) if less.removal is not None else set[str]()
    # To a ref that is held nobody moves, and nobody to the ref of who therefore stays.
    while (
        staying := {
            less.by_key[other].ref
            for other in observed_keys & whole.by_key.keys() & less.by_key.keys()
            if whole.by_key[other].ref in taken
        }
        - taken
    ):
        taken |= staying
    for other in observed_keys:
        if other in whole.by_key and whole.by_key[other].ref not in taken:
            assert less.by_key[other] == whole.by_key[other]
