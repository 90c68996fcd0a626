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


def expecting(count: int, **changed: str) -> dict[str, str | None]:
    """What is served: ``t0``, ``t1``, …, each with its first content unless another is given."""
    return {f"t{number}": changed.get(f"t{number}", "first") for number in range(count)}


def test_the_deadline_is_looked_at_when_it_comes() -> None:
    convergence = Convergence.start(0.0)
    convergence.note(expecting(1), ["t0"], 0.0)
    assert convergence.next_read(57.0, TIMINGS) == 60.0
    assert convergence.next_read(60.0, TIMINGS) == 65.0


def test_the_deadline_counts_from_what_was_taken_in_last_of_the_same_publication() -> None:
    convergence, served = Convergence.start(0.0), expecting(3)
    convergence.note(served, ["t0", "t1", "t2"], 0.0)
    convergence.note(served, ["t0", "t1"], 50.0)
    convergence.note(served, ["t0", "t1"], 100.0)
    assert convergence.given_up(109.0, TIMINGS) == frozenset()
    assert convergence.given_up(110.0, TIMINGS) == {"t0", "t1"}
    convergence.note(served, ["t0"], 111.0)
    assert convergence.given_up(112.0, TIMINGS) == frozenset()
    assert convergence.progressed == 111.0


def test_five_thousand_that_come_one_by_one_are_all_waited_for() -> None:
    convergence, served = Convergence.start(0.0), expecting(5000)
    for second in range(100):
        convergence.note(served, [f"t{number}" for number in range(second * 50, 5000)], float(second))
        assert convergence.given_up(float(second), TIMINGS) == frozenset()


def test_what_changes_at_each_poll_moves_no_deadline_of_what_is_refused() -> None:
    convergence, told = Convergence.start(0.0), []
    for poll in range(0, 3600, 30):
        served = expecting(2, t1=f"form {poll}")
        convergence.published(served, float(poll))
        convergence.note(served, ["t0", "t1"], poll + 0.5)
        told.append(convergence.given_up(poll + 0.5, TIMINGS))
        convergence.note(served, ["t0"], poll + 4.0)
    assert told[:2] == [frozenset(), frozenset()]
    assert set(told[3:]) == {frozenset({"t0"})}, "the other is on its way"


def test_new_ones_that_are_taken_in_all_the_time_move_no_deadline_of_what_is_refused() -> None:
    convergence = Convergence.start(0.0)
    for poll in range(4):
        served = expecting(2 + poll)
        convergence.note(served, ["t0", f"t{1 + poll}"], poll * 30.0)
        convergence.note(served, ["t0"], poll * 30.0 + 5.0)
    assert convergence.given_up(95.0, TIMINGS) == {"t0"}


def test_what_was_published_before_is_taken_in_first_and_what_came_later_waits_for_it() -> None:
    convergence, served = Convergence.start(0.0), expecting(3)
    convergence.note(served, ["t0", "t1"], 0.0)
    changed = expecting(3, t2="second")
    convergence.note(changed, ["t0", "t1", "t2"], 30.0)
    convergence.note(changed, ["t1", "t2"], 55.0)
    assert convergence.given_up(114.0, TIMINGS) == frozenset()
    assert convergence.given_up(115.0, TIMINGS) == {"t1", "t2"}


def test_another_content_has_a_deadline_of_its_own_from_when_it_is_served() -> None:
    convergence = Convergence.start(0.0)
    convergence.note(expecting(2), ["t0", "t1"], 0.0)
    assert convergence.given_up(70.0, TIMINGS) == {"t0", "t1"}
    mended = expecting(2, t0="mended")
    convergence.published(mended, 70.0)
    assert convergence.given_up(70.5, TIMINGS) == {"t1"}
    convergence.note(mended, ["t0", "t1"], 71.0)
    assert convergence.given_up(130.0, TIMINGS) == {"t1"}
    assert convergence.given_up(131.0, TIMINGS) == {"t0", "t1"}


def test_what_was_shown_and_got_lost_is_missing_anew() -> None:
    convergence, served = Convergence.start(0.0), expecting(2)
    convergence.note(served, ["t0", "t1"], 0.0)
    convergence.note(served, ["t1"], 50.0)
    convergence.note(served, ["t0", "t1"], 100.0)
    assert convergence.given_up(120.0, TIMINGS) == {"t1"}


def test_what_is_not_served_any_more_is_no_progress_and_not_remembered() -> None:
    convergence = Convergence.start(0.0)
    convergence.note(expecting(2), ["t0", "t1"], 0.0)
    convergence.note(expecting(1), ["t0"], 50.0)
    assert convergence.given_up(60.0, TIMINGS) == {"t0"}
    assert convergence.progressed == 0.0


def test_memory_is_bounded_by_what_is_missing_now() -> None:
    convergence = Convergence.start(0.0)
    for poll in range(1000):
        served = expecting(50, **{f"t{poll % 50}": f"form {poll}"})
        convergence.note(served, [f"t{poll % 50}", "t0"], float(poll))
    assert (len(convergence._missing), len(convergence._taken_in)) == (2, 1)


def test_another_publication_is_read_and_refreshed_as_at_first() -> None:
    convergence = Convergence.start(0.0)
    convergence.note_refresh(0.0)
    convergence.note_refresh(30.0)
    convergence.published({}, 100.0)
    assert convergence.next_read(100.0, TIMINGS) == 100.5
    assert convergence.refresh_due(105.0, TIMINGS)


def test_what_another_provider_brings_in_is_read_every_five_seconds_to_the_deadline() -> None:
    convergence = Convergence.elsewhere(0.0)
    convergence.note(expecting(1), ["t0"], 0.0)
    assert [convergence.next_read(now, TIMINGS) for now in (0.0, 5.0, 58.0)] == [5.0, 10.0, 60.0]


@pytest.mark.parametrize(
    ("taken_in", "now", "waits"),
    [
        pytest.param((), 69.9, True, id="within-the-deadline"),
        pytest.param((), 70.0, False, id="a-deadline-after-asking"),
        pytest.param((40.0,), 99.9, True, id="something-was-taken-in"),
        pytest.param((40.0,), 100.0, False, id="and-nothing-since"),
    ],
)
def test_who_asked_waits_for_the_deadline_and_for_what_is_being_taken_in(
    taken_in: tuple[float, ...], now: float, waits: bool
) -> None:
    convergence, served = Convergence.start(10.0), expecting(3)
    convergence.note(served, ["t0", "t1", "t2"], 10.5)
    for at in taken_in:
        convergence.note(served, ["t0", "t1"], at)
    assert convergence.keeps_waiting(10.0, now, TIMINGS) is waits


def test_who_asked_does_not_wait_for_a_template_that_changes_all_the_time() -> None:
    convergence, now = Convergence.start(0.0), 0.0
    while convergence.keeps_waiting(0.0, now, TIMINGS):
        convergence.note(expecting(1, t0=f"form {now}"), ["t0"], now)
        now += 10.0
    assert now == 60.0


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
@given(st.lists(st.tuples(st.floats(0.1, 40), st.sets(st.sampled_from("abcde"))), max_size=30))
def test_the_next_reading_is_always_in_the_future_and_never_far(steps: list[tuple[float, set[str]]]) -> None:
    convergence, now = Convergence.start(0.0), 0.0
    for elapsed, missing in steps:
        now += elapsed
        convergence.note(dict.fromkeys("abcde", "content"), missing, now)
        following = convergence.next_read(now, TIMINGS)
        assert now < following <= now + TIMINGS.verify_every


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0.1, 40), st.sets(st.sampled_from("abcde")), st.sets(st.sampled_from("abcde"))),
        max_size=30,
    )
)
def test_a_ref_is_given_up_only_after_the_deadline_and_always_when_nothing_of_its_age_moves(
    steps: list[tuple[float, set[str], set[str]]],
) -> None:
    """Whatever is published meanwhile: each step may change some contents and shows what is missing."""
    convergence, now = Convergence.start(0.0), 0.0
    served: dict[str, str | None] = dict.fromkeys("abcde", "0")
    since: dict[str, float] = {}
    moved: dict[str, float] = {}
    for step, (elapsed, changed, missing) in enumerate(steps):
        now += elapsed
        for ref in changed:
            served[ref] = str(step)
        taken_in = [ref for ref in since if ref not in missing]
        for ref in "abcde":
            if ref not in missing:
                since.pop(ref, None)
                moved.pop(ref, None)
            elif ref in changed or ref not in since:
                since[ref] = moved[ref] = now
            elif taken_in:
                moved[ref] = now
        convergence.note(served, sorted(missing), now)
        given_up = convergence.given_up(now, TIMINGS)
        assert given_up <= missing
        assert all(now - since[ref] >= TIMINGS.progress_deadline for ref in given_up)
        assert all(ref in given_up for ref in moved if now - moved[ref] >= TIMINGS.progress_deadline)
