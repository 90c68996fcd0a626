"""The removal guard by itself: thresholds, windows, approvals."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmeat_operator.api.v1alpha1.policies import RemovalPolicy
from skillmeat_operator.domain.decide.guard import GuardVerdict, Losses, judge, removal_id
from skillmeat_operator.domain.snapshot.model import GuardState
from tests.conditions.builders import NOW

NOTHING = GuardState()


def decide(
    current: int,
    *,
    published: int = 10,
    recent: int = 0,
    remaining: int | None = None,
    state: GuardState = NOTHING,
    since: str | None = None,
    approval: str | None = None,
    **policy: object,
) -> GuardVerdict:
    losses = Losses(
        current=frozenset(f"template:skillmeat/t{number}" for number in range(current)),
        recent=recent,
        published=published,
        remaining=published - current if remaining is None else remaining,
    )
    return judge(
        losses,
        policy=RemovalPolicy.model_validate(policy),
        state=state,
        since=since,
        approval=approval,
        now=NOW,
    )


@pytest.mark.parametrize(
    ("verdict", "held"),
    [
        pytest.param(decide(0), False, id="no-loss"),
        pytest.param(decide(3), False, id="up-to-minCount"),
        pytest.param(decide(3, published=4), False, id="up-to-minCount-whatever-the-percentage"),
        pytest.param(decide(5), False, id="exactly-maxPercent"),
        pytest.param(decide(6), True, id="more-than-both"),
        pytest.param(decide(6, maxPercent=60), False, id="a-policy-that-allows-it"),
        pytest.param(decide(6, minCount=6), False, id="a-larger-minCount"),
        pytest.param(decide(1, maxPercent=0, minCount=0), True, id="nothing-may-go"),
        pytest.param(decide(1, published=1), True, id="the-last-one"),
        pytest.param(decide(1, published=1, allowEmpty=True), False, id="the-last-one-may-go"),
        pytest.param(decide(10, allowEmpty=True), True, id="allowEmpty-is-no-leave-for-many"),
        pytest.param(decide(10, allowEmpty=True, maxPercent=100), False, id="all-may-go"),
        pytest.param(decide(3, published=5, remaining=0), True, id="nothing-else-remains"),
        pytest.param(
            decide(2, recent=4, published=6, state=GuardState(window_base=10)), True, id="with-recent"
        ),
        pytest.param(
            decide(1, recent=4, published=6, state=GuardState(window_base=10)), False, id="base-of-window"
        ),
        pytest.param(decide(4, recent=1, published=6), True, id="no-base-known"),
    ],
)
def test_held(verdict: GuardVerdict, held: bool) -> None:
    assert (verdict.held is not None) is held
    assert not verdict.approved


def test_a_hold_is_known_by_its_time_and_refs() -> None:
    verdict = decide(6)
    assert verdict.held is not None
    assert verdict.held.id == removal_id("2026-03-01T12:00:00Z", sorted(verdict.held.refs, reverse=True))
    assert verdict.state == GuardState(
        id=verdict.held.id, since="2026-03-01T12:00:00Z", approved_id=None, window_base=10
    )
    later = decide(6, state=verdict.state, since="2020-01-01T00:00:00Z")
    assert later.held == verdict.held, "a hold keeps its time"


def test_the_time_told_in_status_stands_in_for_a_lost_state() -> None:
    verdict = decide(6, since="2026-02-01T00:00:00Z")
    assert verdict.held is not None
    assert verdict.held.since == "2026-02-01T00:00:00Z"


@pytest.mark.parametrize("broken", ["", "soon", "2026-99-01T00:00:00Z"])
def test_an_unreadable_time_is_replaced(broken: str) -> None:
    verdict = decide(6, state=GuardState(id="x", since=broken), since=broken)
    assert verdict.held is not None
    assert verdict.held.since == "2026-03-01T12:00:00Z"


def test_an_approval_counts_once_and_empties_the_window() -> None:
    verdict = decide(6)
    assert verdict.held is not None
    approved = decide(6, recent=2, state=verdict.state, approval=verdict.held.id)
    assert (approved.held, approved.approved) == (None, True)
    assert approved.state == GuardState(approved_id=verdict.held.id)
    again = decide(6, state=approved.state, since=verdict.held.since, approval=verdict.held.id)
    assert (again.approved, again.held is not None) == (False, True)


def test_the_end_of_a_hold_forgets_it_and_remembers_the_approval() -> None:
    state = GuardState(id="a", since="2026-01-01T00:00:00Z", approved_id="b", window_base=10)
    assert decide(0, state=state).state == GuardState(approved_id="b")
    assert decide(0, recent=1, state=state).state == GuardState(approved_id="b", window_base=10)


counts = st.integers(0, 40)


@settings(max_examples=200, deadline=None)
@given(counts, counts, st.integers(0, 100), counts, st.booleans())
def test_thresholds(current: int, recent: int, percent: int, least: int, may_empty: bool) -> None:
    published = current + 3
    verdict = decide(
        current,
        recent=recent,
        published=published,
        maxPercent=percent,
        minCount=least,
        allowEmpty=may_empty,
    )
    total = current + recent
    many = total > least and 100 * total / published > percent
    assert (verdict.held is not None) == (current > 0 and many)
    if verdict.held is not None:
        assert len(verdict.held.refs) == current
    more = decide(current + 1, recent=recent, published=published, maxPercent=percent, minCount=least)
    if verdict.held is not None:
        assert more.held is not None, "a larger loss is never let go where a smaller one is held"


@settings(max_examples=50, deadline=None)
@given(
    st.sets(st.text(min_size=1, max_size=5), min_size=1), st.sets(st.text(min_size=1, max_size=5), min_size=1)
)
def test_ids_tell_losses_apart(one: set[str], other: set[str]) -> None:
    since, later = "2026-01-01T00:00:00Z", (NOW + timedelta(1)).isoformat()
    distinct = "\n".join(sorted(one)) != "\n".join(sorted(other))
    assert (removal_id(since, one) != removal_id(since, other)) is distinct
    assert removal_id(since, one) != removal_id(later, one)
