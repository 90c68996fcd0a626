"""When an object is visited next if nothing marks it due before: the last column of the table of situations
(design, section 4).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from skillmeat_operator.api.v1alpha1.conditions import ConditionStatus
from skillmeat_operator.controller.queue import Result
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.domain.failure import FailureKind, Side
from skillmeat_operator.domain.status.ages import NO_TIME, left
from skillmeat_operator.domain.status.conditions import find
from skillmeat_operator.domain.status.outcome import Outcome, SideOutcome
from skillmeat_operator.domain.timings import Timings

JITTER: Final = 0.1
"""Share of the interval by which visits are moved."""


class Planner:
    """Plans next visits. Changes and readings mark an object due by themselves."""

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        uniform: Callable[[float, float], float],
        timings: Timings,
    ) -> None:
        self._now = now
        self._uniform = uniform
        self._timings = timings

    def after(self, visit: Visit, outcome: Outcome, *others: float | None) -> Result:
        """The result of a visit that came to an outcome.

        Args:
            visit: the visit.
            outcome: what it came to.
            others: seconds after which something else is due; None: nothing.
        """
        moments = [
            visit.interval * self._uniform(1.0, 1 + JITTER),
            *(one for one in others if one is not None),
        ]
        moments += self._side(visit, outcome.source, Side.SOURCE)
        moments += self._side(visit, outcome.catalog, Side.CATALOG)
        return Result.done(after=min(moments))

    def _side(self, visit: Visit, side: SideOutcome | None, which: Side) -> list[float]:
        """Seconds after which a failure is looked at again; readings come back by themselves."""
        if side is None or side.failure is None:
            return []
        match side.failure.kind:
            case FailureKind.TRANSIENT:
                return self._end_of_grace(visit, which)
            case FailureKind.CREDENTIAL:
                return [self._timings.secret_look]
            case FailureKind.SECRET:
                return [self._timings.secret_look if side.stalled else self._timings.missing_retry]
            case _:
                return []

    def _end_of_grace(self, visit: Visit, which: Side) -> list[float]:
        """Ready becomes False when the grace is over, also if nothing else happens at that moment."""
        condition = find(visit.source.status.conditions, which.condition)
        grace = visit.source.spec.outage_grace_period
        if condition is None or condition.status is not ConditionStatus.FALSE:
            return [grace.total_seconds() + 1.0]
        remaining = left(grace, condition.last_transition_time, now=self._now())
        return [remaining.total_seconds() + 1.0] if remaining > NO_TIME else []
