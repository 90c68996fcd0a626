"""Building the conditions of one status: transition times, generations and order are kept in one place."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from skillmeat_operator.api.v1alpha1.conditions import (
    CONDITIONS,
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
)

TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN


class ConditionSet:
    """The conditions of one object while its status is derived.

    Starts from the previous conditions. Every condition that stays gets the current generation, since a
    Ready=True beside a condition of an older generation breaks Flux's rules (``facts/gitops.md``).
    """

    def __init__(self, previous: Sequence[Condition], *, generation: int, now: datetime) -> None:
        self._previous = {condition.type: condition for condition in previous}
        self._current = {
            condition.type: condition
            for condition in previous
            if condition.type in {str(one) for one in CONDITIONS}
        }
        self._generation = generation
        self._now = now.replace(microsecond=0)

    def previous(self, kind: ConditionType) -> Condition | None:
        """The condition as it was before this derivation."""
        return self._previous.get(kind)

    def is_of_now(self, condition: Condition) -> bool:
        """Whether a condition was derived for the present generation."""
        return condition.observed_generation == self._generation

    def current(self, kind: ConditionType) -> Condition | None:
        """The condition as it stands now."""
        return self._current.get(kind)

    def set(self, kind: ConditionType, status: ConditionStatus, reason: Reason | str, message: str) -> None:
        """Set a condition; its transition time moves only with its status."""
        before = self._previous.get(kind)
        moved = before is None or before.status != status
        self._current[kind] = Condition(
            type=kind,
            status=status,
            observed_generation=self._generation,
            last_transition_time=self._now if moved or before is None else before.last_transition_time,
            reason=str(reason),
            message=message[:4096],
        )

    def remove(self, kind: ConditionType) -> None:
        """Remove a condition that is present only when True."""
        self._current.pop(kind, None)

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

    def result(self) -> tuple[Condition, ...]:
        """All conditions in the declared order, stamped with the current generation."""
        return tuple(
            self._current[kind].model_copy(update={"observed_generation": self._generation})
            for kind in CONDITIONS
            if kind in self._current
        )


def find(conditions: Sequence[Condition], kind: ConditionType) -> Condition | None:
    """The condition of a type, if it is there."""
    return next((condition for condition in conditions if condition.type == kind), None)


def ready_for(conditions: Sequence[Condition], generation: int) -> bool:
    """Whether Ready is True already for this generation."""
    ready = find(conditions, ConditionType.READY)
    return ready is not None and ready.status is TRUE and ready.observed_generation == generation
