"""Conditions while a status is derived: times, generations, order."""

from __future__ import annotations

from datetime import timedelta

import pytest

from skillmeat_operator.api.v1alpha1.conditions import CONDITIONS, Condition, ConditionType, Reason
from skillmeat_operator.domain.status.conditions import FALSE, TRUE, UNKNOWN, ConditionSet, find, told
from tests.conditions.builders import NOW

LATER = NOW + timedelta(minutes=5)
READY, STALE = ConditionType.READY, ConditionType.STALE


def condition(kind: str, status: str = "True", generation: int = 1, message: str = "m") -> Condition:
    return Condition(
        type=kind,
        status=status,
        observed_generation=generation,
        last_transition_time=NOW,
        reason="Succeeded",
        message=message,
    )


def test_a_time_moves_with_the_status_and_only_then() -> None:
    previous = [condition(READY), condition(STALE, "False")]
    conditions = ConditionSet(previous, generation=2, now=LATER)
    conditions.set(READY, TRUE, Reason.NO_TEMPLATES, "another message")
    conditions.set(STALE, UNKNOWN, Reason.STALENESS_UNKNOWN, "")
    ready, stale = conditions.result()
    assert (ready.last_transition_time, ready.reason, ready.message) == (
        NOW,
        "NoTemplates",
        "another message",
    )
    assert stale.last_transition_time == LATER


def test_a_status_that_goes_back_and_forth_in_one_derivation_did_not_move() -> None:
    conditions = ConditionSet([condition(READY)], generation=1, now=LATER)
    conditions.set(READY, FALSE, Reason.PROGRESSING, "")
    conditions.set(READY, TRUE, Reason.SUCCEEDED, "")
    assert conditions.result()[0].last_transition_time == NOW


def test_times_are_whole_seconds() -> None:
    conditions = ConditionSet([], generation=1, now=NOW.replace(microsecond=5))
    conditions.set(READY, TRUE, Reason.SUCCEEDED, "")
    assert conditions.result()[0].last_transition_time == NOW


def test_what_is_not_derived_stands_for_its_own_spec_and_is_unknown_of_another() -> None:
    previous = [condition(READY), condition(STALE), condition(ConditionType.STALLED)]
    same = ConditionSet(previous, generation=1, now=LATER)
    assert same.result() == (previous[0], previous[2], previous[1])
    another = ConditionSet(previous, generation=2, now=LATER)
    assert another.current(READY) is None
    assert [(one.type, one.status, one.observed_generation) for one in another.result()] == [
        ("Ready", "Unknown", 2),
        ("Stale", "Unknown", 2),
    ]


def test_a_held_removal_outlives_a_change_of_the_spec_until_it_is_decided() -> None:
    held = ConditionType.REMOVAL_HELD
    conditions = ConditionSet([condition(held)], generation=2, now=LATER)
    assert [(one.type, one.observed_generation) for one in conditions.result()] == [("RemovalHeld", 2)]
    conditions.remove(held)
    assert conditions.result() == ()


def test_everything_is_kept_where_the_spec_is_known_to_be_the_same() -> None:
    conditions = ConditionSet([condition(READY), condition(STALE)], generation=7, now=LATER)
    conditions.set(STALE, FALSE, Reason.UP_TO_DATE, "")
    conditions.keep_all()
    assert [(one.status, one.observed_generation) for one in conditions.result()] == [
        ("True", 7),
        ("False", 7),
    ]


def test_ours_come_in_the_declared_order_and_those_of_others_stay_behind_them_as_they_are() -> None:
    strangers = [condition("Stranger", generation=3), condition("example.com/Other", "Unknown", 0)]
    previous = [strangers[0], *[condition(kind) for kind in reversed(CONDITIONS)], strangers[1]]
    conditions = ConditionSet(previous, generation=1, now=LATER)
    assert [one.type for one in conditions.result()] == [
        *[str(kind) for kind in CONDITIONS],
        "Stranger",
        "example.com/Other",
    ]
    assert list(conditions.result()[-2:]) == strangers


def test_there_is_room_for_ours_whatever_others_have_written() -> None:
    conditions = ConditionSet([condition(f"Stranger{one}") for one in range(32)], generation=1, now=LATER)
    conditions.set(READY, TRUE, Reason.SUCCEEDED, "")
    assert [one.type for one in conditions.result()[:2]] == ["Ready", "Stranger0"]
    assert len(conditions.result()) == 32


def test_a_transition_in_the_future_was_now_at_the_latest() -> None:
    ahead = condition(READY).model_copy(update={"last_transition_time": LATER})
    conditions = ConditionSet([ahead], generation=1, now=NOW)
    assert conditions.result()[0].last_transition_time == NOW
    conditions.set(READY, TRUE, Reason.SUCCEEDED, "")
    assert conditions.result()[0].last_transition_time == NOW


def test_reconciling_and_stalled_exclude_each_other() -> None:
    conditions = ConditionSet([], generation=1, now=NOW)
    conditions.working(Reason.PROGRESSING, "")
    conditions.stuck(Reason.INVALID_SPEC, "")
    assert [one.type for one in conditions.result()] == ["Stalled"]
    conditions.working(Reason.PROGRESSING, "")
    assert [one.type for one in conditions.result()] == ["Reconciling"]
    conditions.at_rest()
    assert conditions.result() == ()


def test_what_was_before_stays_to_be_asked() -> None:
    conditions = ConditionSet([condition(READY)], generation=1, now=LATER)
    conditions.remove(READY)
    assert conditions.current(READY) is None
    assert conditions.previous(READY) == condition(READY)


def test_a_long_message_is_cut() -> None:
    conditions = ConditionSet([], generation=1, now=NOW)
    conditions.set(READY, TRUE, Reason.SUCCEEDED, "x" * 5000)
    assert len(conditions.result()[0].message) == 4096


@pytest.mark.parametrize(
    ("conditions", "generation", "expected"),
    [
        ([], 1, False),
        ([condition(READY)], 1, True),
        ([condition(READY)], 2, False),
        ([condition(READY, "False")], 1, False),
        ([condition(READY, "Unknown")], 1, False),
        ([condition(STALE)], 1, False),
    ],
)
def test_ready_counts_for_its_generation_alone(
    conditions: list[Condition], generation: int, expected: bool
) -> None:
    assert ConditionSet(conditions, generation=generation, now=LATER).was_ready is expected


@pytest.mark.parametrize(
    ("generation", "reason", "expected"),
    [
        pytest.param(1, None, True, id="of-this-generation"),
        pytest.param(2, None, False, id="of-another"),
        pytest.param(1, Reason.SUCCEEDED, True, id="for-this-reason"),
        pytest.param(1, Reason.PROGRESSING, False, id="for-another"),
    ],
)
def test_what_was_told_of_a_generation(generation: int, reason: Reason | None, expected: bool) -> None:
    before = [condition(STALE), condition(READY)]
    found = condition(READY) if expected else None
    assert told(before, READY, generation, reason) == found
    conditions = ConditionSet(before, generation=generation, now=LATER)
    conditions.set(READY, FALSE, Reason.PROGRESSING, "what is derived now changes nothing of it")
    assert conditions.told(READY, reason) == found
    assert told([], READY, 1) is None


def test_ready_stands_beside_neither_of_the_two() -> None:
    conditions = ConditionSet([], generation=1, now=NOW)
    for stalled, other in ((True, "Stalled"), (False, "Reconciling")):
        conditions.fail(Reason.PROGRESSING, "m", stalled=stalled)
        assert [(one.type, one.status) for one in conditions.result()] == [("Ready", FALSE), (other, TRUE)]
    conditions.ready(Reason.SUCCEEDED, "m")
    assert [(one.type, one.status) for one in conditions.result()] == [("Ready", TRUE)]


def test_find() -> None:
    assert find([condition(STALE), condition(READY)], READY) == condition(READY)
    assert find([], READY) is None
