"""Whether a failure lasts: it needs a person, or was seen twice, or for longer than its grace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from skillmeat_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.domain.failure import Failure, FailureKind, Side
from skillmeat_operator.domain.status.ages import age
from skillmeat_operator.domain.status.conditions import told
from skillmeat_operator.domain.status.outcome import SideOutcome
from skillmeat_operator.domain.timings import Timings


@dataclass(frozen=True, slots=True)
class _Refused:
    """A refused credential."""

    secrets: str
    """Digest of the credential."""
    first: float
    """When the first reading that was refused began (monotonic seconds)."""


@dataclass(frozen=True, slots=True)
class _Missing:
    """A Secret, ConfigMap or key that is not there."""

    reason: str
    generation: int
    """Of the CatalogSource that asks for it: another spec has a grace of its own."""
    first: float
    """Monotonic seconds."""


@dataclass(slots=True)
class _History:
    refused: dict[Side, _Refused] = field(default_factory=dict)
    missing: dict[Side, _Missing] = field(default_factory=dict)


class FailureJudge:
    """Judges a visit's failures by what the visits before it met; after a restart, by what status says."""

    def __init__(self, *, clock: Callable[[], float], now: Callable[[], datetime], timings: Timings) -> None:
        self._clock = clock
        self._now = now
        self._timings = timings
        self._histories: dict[str, _History] = {}

    def __call__(self, visit: Visit, failure: Failure, *, secrets: str, began: float) -> SideOutcome:
        """The outcome of the failure's side.

        Args:
            visit: the visit that met it.
            failure: what was met.
            secrets: digest of the credential that was used.
            began: when the reading that failed began (monotonic seconds): one seen twice counts once.
        """
        match failure.kind:
            case FailureKind.CONFIGURATION:
                stalled = True
            case FailureKind.SECRET:
                stalled = self._missing_for(visit, failure) >= self._timings.secret_grace
            case FailureKind.CREDENTIAL:
                stalled = self._refused_twice(visit, failure, secrets, began)
            case _:
                stalled = False
        return SideOutcome(failure=failure, stalled=stalled)

    def found(self, uid: str, side: Side) -> None:
        """Take in that Secrets and ConfigMaps of a side are there."""
        history = self._histories.get(uid)
        if history is not None:
            history.missing.pop(side, None)

    def accepted(self, uid: str, side: Side) -> None:
        """Take in that a side took the credential."""
        history = self._histories.get(uid)
        if history is not None:
            history.refused.pop(side, None)

    def second_look(self, uid: str, side: Side, secrets: str) -> float | None:
        """When a refused credential is tried again (monotonic seconds); None where none was refused."""
        history = self._histories.get(uid)
        refused = history.refused.get(side) if history is not None else None
        if refused is None or refused.secrets != secrets:
            return None
        return refused.first + self._timings.credential_recheck

    def forget(self, uid: str) -> None:
        """See :class:`~skillmeat_operator.controller.scope.KeyedByUid`."""
        self._histories.pop(uid, None)

    def __contains__(self, uid: object) -> bool:
        return uid in self._histories

    def _missing_for(self, visit: Visit, failure: Failure) -> float:
        """Seconds for which it has been missing without a break."""
        now = self._clock()
        history = self._histories.setdefault(visit.uid, _History())
        missing = history.missing.get(failure.side)
        generation = visit.source.generation
        if missing is None or (missing.reason, missing.generation) != (failure.reason, generation):
            before = self._told_for(visit, failure) if missing is None else 0.0
            missing = _Missing(reason=failure.reason, generation=generation, first=now - before)
            history.missing[failure.side] = missing
        return now - missing.first

    def _told_for(self, visit: Visit, failure: Failure) -> float:
        """Seconds for which status has told of it: the operator was restarted meanwhile."""
        source = visit.source
        before = told(
            source.status.conditions, failure.side.condition, source.generation, reason=failure.reason
        )
        if before is None or before.status is not ConditionStatus.FALSE:
            return 0.0
        return age(before.last_transition_time, now=self._now()).total_seconds()

    def _refused_twice(self, visit: Visit, failure: Failure, secrets: str, began: float) -> bool:
        history = self._histories.setdefault(visit.uid, _History())
        refused = history.refused.get(failure.side)
        if refused is None or refused.secrets != secrets:
            history.refused[failure.side] = _Refused(secrets=secrets, first=began)
            source = visit.source
            stalled = told(
                source.status.conditions, ConditionType.STALLED, source.generation, reason=failure.reason
            )
            # After a restart of the operator: it was seen twice before, and nothing says that it got better.
            return refused is None and stalled is not None
        return began >= refused.first + self._timings.credential_recheck
