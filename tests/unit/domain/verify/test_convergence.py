"""What the catalog shows of a published set, and when it is looked at or told to read again."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmeat_operator.domain.timings import Timings
from skillmeat_operator.domain.verify.convergence import Convergence
from tests.conditions import builders as a

TIMINGS = Timings()
PLAN = a.plan(a.elements(3))
T0, T1, T2 = PLAN.published
LEFT = a.shown(T0, ref="template:skillmeat/left")


def test_everything_is_shown() -> None:
    state = a.state(PLAN)
    assert (state.converged, state.missing, state.leftovers) == (True, (), ())
    assert state.matching == set(PLAN.expected)
    assert state.uids[T0.ref] == f"uid-of-{T0.ref}"


def test_missing_outdated_and_refused_are_told_apart() -> None:
    shown = [a.shown(T1, content_hash="sha256:old"), a.shown(T2, content_hash="sha256:old", failing=True)]
    state = a.state(PLAN, shown)
    assert state.missing == (T0.ref, T1.ref, T2.ref)
    assert (state.outdated, state.refused) == ({T1.ref, T2.ref}, {T2.ref})
    assert not state.converged


def test_what_shows_the_right_content_is_not_refused() -> None:
    assert a.state(PLAN, [a.shown(one, failing=True) for one in PLAN.published]).refused == frozenset()


def test_somebody_elses_entity_of_the_same_content_does_not_count() -> None:
    state = a.state(PLAN, [a.shown(one, managed_by="c1/another", origin="url:x") for one in PLAN.published])
    assert (len(state.missing), state.uids) == (3, {})


def test_leftovers_and_orphans() -> None:
    orphan = a.shown(T0, ref="template:skillmeat/orphan", uid="u", orphan=True)
    state = a.state(PLAN, [LEFT, orphan, a.shown(T0, orphan=True)])
    assert state.leftovers == ("template:skillmeat/left", "template:skillmeat/orphan")
    assert state.orphans == {"template:skillmeat/orphan": "u"}


@pytest.mark.parametrize(
    ("ref", "left"), [("template:skillmeat/left", True), (T0.ref, False), ("a", False), ("z", False)]
)
def test_still_shows(ref: str, left: bool) -> None:
    assert a.state(PLAN, [LEFT, a.shown(T0)]).still_shows(ref) is left
    assert not a.state(PLAN).still_shows(ref)


def test_the_catalog_is_read_often_at_first_and_then_every_five_seconds() -> None:
    convergence, now, read = Convergence.start(100.0), 100.0, []
    while now < 125.0:
        now = convergence.next_read(now, TIMINGS)
        read.append(now - 100.0)
    assert read == [0.5, 1.0, 2.0, 3.0, 4.0, 9.0, 14.0, 19.0, 24.0, 29.0]


def test_the_deadline_is_looked_at_when_it_comes() -> None:
    convergence = Convergence.start(0.0)
    assert convergence.next_read(57.0, TIMINGS) == 60.0
    assert convergence.next_read(60.0, TIMINGS) == 65.0


def test_the_deadline_counts_from_the_last_progress() -> None:
    convergence = Convergence.start(0.0)
    convergence.note(1, 50.0)
    convergence.note(1, 100.0)
    assert not convergence.given_up(109.0, TIMINGS)
    assert convergence.given_up(110.0, TIMINGS)
    convergence.note(2, 111.0)
    assert not convergence.given_up(112.0, TIMINGS)


def test_refreshes_come_at_five_fifteen_and_thirty_seconds_and_then_every_minute() -> None:
    convergence, sent = Convergence.start(0.0), []
    convergence.note_refresh(0.0)
    for tenth in range(2600):
        now = tenth / 10
        if convergence.refresh_due(now, TIMINGS):
            convergence.note_refresh(now)
            sent.append(now)
    assert sent == [5.0, 15.0, 30.0, 90.0, 150.0, 210.0]


def test_a_late_visit_sends_one_refresh_and_not_all_that_were_due() -> None:
    convergence = Convergence.start(0.0)
    assert convergence.refresh_due(20.0, TIMINGS)
    convergence.note_refresh(20.0)
    assert not convergence.refresh_due(29.0, TIMINGS)
    assert convergence.refresh_due(30.0, TIMINGS)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 40), st.integers(0, 5)), max_size=30))
def test_the_next_reading_is_always_in_the_future_and_never_far(steps: list[tuple[float, int]]) -> None:
    convergence, now = Convergence.start(0.0), 0.0
    for elapsed, matching in steps:
        now += elapsed
        convergence.note(matching, now)
        following = convergence.next_read(now, TIMINGS)
        assert now < following <= now + TIMINGS.verify_every
