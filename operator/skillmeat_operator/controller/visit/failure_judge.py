"""Whether a failure lasts: it needs a person, or was seen twice, or for longer than its grace."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from skillmeat_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType
from skillmeat_operator.controller.visit.memory import Missing, RefusedCredential
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.domain.failure import Failure, FailureKind
from skillmeat_operator.domain.status.conditions import find
from skillmeat_operator.domain.status.outcome import SideOutcome
from skillmeat_operator.domain.timings import Timings


class FailureJudge:
    """Judges a visit's failures by what the visits before it met; after a restart, by what status says."""

    def __init__(self, *, clock: Callable[[], float], now: Callable[[], datetime], timings: Timings) -> None:
        self._clock = clock
        self._now = now
        self._timings = timings

    def __call__(self, visit: Visit, failure: Failure, *, secrets: str) -> SideOutcome:
        """The outcome of the failure's side; ``secrets`` is the digest of the credential that was used."""
        match failure.kind:
            case FailureKind.TRANSIENT:
                stalled = False
            case FailureKind.CONFIGURATION:
                stalled = True
            case FailureKind.SECRET:
                stalled = self._missing_for(visit, failure) >= self._timings.secret_grace
            case FailureKind.CREDENTIAL:
                stalled = self._refused_twice(visit, failure, secrets)
        return SideOutcome(failure=failure, stalled=stalled)

    def _missing_for(self, visit: Visit, failure: Failure) -> float:
        """Seconds for which it has been missing without a break."""
        now = self._clock()
        missing = visit.memory.missing.get(failure.side)
        generation = visit.source.generation
        if missing is None or (missing.reason, missing.generation) != (failure.reason, generation):
            before = self._told_for(visit, failure) if missing is None else 0.0
            missing = Missing(reason=failure.reason, generation=generation, first=now - before)
            visit.memory.missing[failure.side] = missing
        return now - missing.first

    def _told_for(self, visit: Visit, failure: Failure) -> float:
        """Seconds for which status has told of it: the operator was restarted meanwhile."""
        told = find(visit.source.status.conditions, failure.side.condition)
        if (
            told is None
            or told.status is not ConditionStatus.FALSE
            or (told.reason, told.observed_generation) != (failure.reason, visit.source.generation)
        ):
            return 0.0
        return (self._now() - told.last_transition_time).total_seconds()

    def _refused_twice(self, visit: Visit, failure: Failure, secrets: str) -> bool:
        now = self._clock()
        refusal = visit.memory.refusals.get(failure.side)
        if refusal is None or refusal.secrets != secrets:
            visit.memory.refusals[failure.side] = RefusedCredential(secrets=secrets, first=now)
            stalled = find(visit.source.status.conditions, ConditionType.STALLED)
            # After a restart of the operator: it was seen twice before, and nothing says that it got better.
            return (
                refusal is None
                and stalled is not None
                and stalled.reason == failure.reason
                and stalled.observed_generation == visit.source.generation
            )
        return now - refusal.first >= self._timings.credential_recheck
