"""Building the conditions of one status: transition times, generations and order are kept in one place."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from skillmeat_operator.api.v1alpha1.conditions import (
    CONDITIONS,
    Carried,
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
)

TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN

MOST_CONDITIONS: Final = 32
"""Conditions that a status can hold (the CRDs' bound)."""
_OURS: Final = {str(kind): kind for kind in CONDITIONS}


class ConditionSet:
    """The conditions of one object while its status is derived.

    Starts from the previous conditions. What is not derived anew is carried over where the rule at its
    declaration says so, and is Unknown otherwise (or gone, where it stands only while True). All of ours
    carry the current generation, since a Ready=True beside a condition of an older generation breaks Flux's
    rules (``facts/gitops.md``). Conditions of other types are somebody else's and stay as they are, behind
    ours.
    """

    def __init__(self, previous: Sequence[Condition], *, generation: int, now: datetime) -> None:
        self._generation = generation
        self._now = now.replace(microsecond=0)
        self._previous = {_OURS[one.type]: self._not_ahead(one) for one in previous if one.type in _OURS}
        self._foreign = tuple(one for one in previous if one.type not in _OURS)
        self._derived: dict[ConditionType, Condition | None] = {}

    def previous(self, kind: ConditionType) -> Condition | None:
        """The condition as it was before this derivation."""
        return self._previous.get(kind)

    def told(self, kind: ConditionType, reason: Reason | None = None) -> Condition | None:
        """The condition as it was, if it was told of the present generation (for this reason, if any)."""
        return told(tuple(self._previous.values()), kind, self._generation, reason)

    @property
    def was_ready(self) -> bool:
        """Whether Ready is True already for this generation."""
        ready = self.told(ConditionType.READY)
        return ready is not None and ready.status is TRUE

    def current(self, kind: ConditionType) -> Condition | None:
        """The condition as it stands now: derived, or carried over by its rule."""
        if kind in self._derived:
            return self._derived[kind]
        before = self._previous.get(kind)
        if before is None or not self._is_carried(kind):
            return None
        return before.model_copy(update={"observed_generation": self._generation})

    def set(self, kind: ConditionType, status: ConditionStatus, reason: Reason | str, message: str) -> None:
        """Set a condition; its transition time moves only with its status."""
        before = self._previous.get(kind)
        moved = before is None or before.status != status
        self._derived[kind] = Condition(
            type=kind,
            status=status,
            observed_generation=self._generation,
            last_transition_time=self._now if moved or before is None else before.last_transition_time,
            reason=str(reason),
            message=message[:4096],
        )

    def keep_all(self) -> None:
        """Carry over everything that was said of an earlier generation: to be used only where its spec is
        known to be this one.
        """
        for kind, before in self._previous.items():
            if kind not in self._derived:
                self._derived[kind] = before.model_copy(update={"observed_generation": self._generation})

    def remove(self, kind: ConditionType) -> None:
        """Remove a condition that is present only when True."""
        self._derived[kind] = None

    def working(self, reason: Reason | str, message: str) -> None:
        """Reconciling: work is in progress or tried again."""
        self.remove(ConditionType.STALLED)
        self.set(ConditionType.RECONCILING, TRUE, reason, message)

    def stuck(self, reason: Reason | str, message: str) -> None:
        """Stalled: it does not get better by itself."""
        self.remove(ConditionType.RECONCILING)
        self.set(ConditionType.STALLED, TRUE, reason, message)

    def at_rest(self) -> None:
        """Neither of the two."""
        self.remove(ConditionType.RECONCILING)
        self.remove(ConditionType.STALLED)

    def ready(self, reason: Reason, message: str) -> None:
        """Ready, and at rest."""
        self.at_rest()
        self.set(ConditionType.READY, TRUE, reason, message)

    def fail(self, reason: Reason, message: str, *, stalled: bool) -> None:
        """Not Ready: for good, or while it is tried again."""
        self.set(ConditionType.READY, FALSE, reason, message)
        if stalled:
            self.stuck(reason, message)
        else:
            self.working(reason, message)

    def result(self) -> tuple[Condition, ...]:
        """All conditions: ours in the declared order and of the current generation, then the others."""
        ours = [found for kind in CONDITIONS if (found := self._finished(kind)) is not None]
        return (*ours, *self._foreign[: MOST_CONDITIONS - len(ours)])

    def _finished(self, kind: ConditionType) -> Condition | None:
        stands = self.current(kind)
        known = kind in self._derived or kind not in self._previous
        if stands is not None or known or CONDITIONS[kind].present_only_when_true:
            return stands
        self.set(kind, UNKNOWN, Reason.PROGRESSING, "nothing is known of this for the present spec yet")
        return self._derived[kind]

    def _is_carried(self, kind: ConditionType) -> bool:
        return CONDITIONS[kind].carried is Carried.ALWAYS or self.told(kind) is not None

    def _not_ahead(self, condition: Condition) -> Condition:
        """A transition that a clock ahead of ours wrote was now at the latest: graces count from it."""
        if condition.last_transition_time <= self._now:
            return condition
        return condition.model_copy(update={"last_transition_time": self._now})


def find(conditions: Sequence[Condition], kind: ConditionType) -> Condition | None:
    """The condition of a type, if it is there."""
    return next((condition for condition in conditions if condition.type == kind), None)


def told(
    conditions: Sequence[Condition], kind: ConditionType, generation: int, reason: Reason | None = None
) -> Condition | None:
    """The condition of a type, if it was told of a generation (and for a reason, where one is given)."""
    found = find(conditions, kind)
    if found is None or found.observed_generation != generation:
        return None
    return found if reason is None or found.reason == reason else None
