"""Gather: read the source and the portal for one visit, through the shared readers. Each reading is complete
or failed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from skillmeat_operator.api.conditions import ConditionStatus, ConditionType
from skillmeat_operator.controller.connections import Connections, PortalConnection, SourceConnection
from skillmeat_operator.controller.memory import Refusal
from skillmeat_operator.controller.poller import Pollers
from skillmeat_operator.controller.portals import Portals
from skillmeat_operator.controller.shared_read import Reading
from skillmeat_operator.controller.surroundings import SurroundingsReader
from skillmeat_operator.controller.visit import Visit
from skillmeat_operator.domain.condition_set import find
from skillmeat_operator.domain.failure import FailedError, Failure, FailureKind, Side
from skillmeat_operator.domain.observation import PortalView, TemplateList
from skillmeat_operator.domain.outcome import SideOutcome
from skillmeat_operator.domain.timings import Timings

_CONDITION = {Side.SOURCE: ConditionType.SOURCE_REACHABLE, Side.CATALOG: ConditionType.CATALOG_REACHABLE}


@dataclass(frozen=True, slots=True)
class SourceGathered:
    """What is known of the source."""

    outcome: SideOutcome
    reading: Reading[TemplateList] | None = None
    """A complete reading; None where the last one failed."""


@dataclass(frozen=True, slots=True)
class PortalGathered:
    """What is known of the portal."""

    outcome: SideOutcome
    connection: PortalConnection | None = None
    view: PortalView | None = None


class Gatherer:
    """Reads both sides for a visit."""

    def __init__(
        self,
        *,
        connections: Connections,
        pollers: Pollers,
        portals: Portals,
        working: Callable[[str, PortalConnection], None],
        clock: Callable[[], float],
        now: Callable[[], datetime],
        timings: Timings,
    ) -> None:
        self._connections = connections
        self._pollers = pollers
        self._portals = portals
        self._working = working
        self._clock = clock
        self._now = now
        self._timings = timings
        self._surroundings = SurroundingsReader(clock=clock)

    async def source(self, visit: Visit) -> SourceGathered:
        """The last complete reading of the source, or a new one where the visit asks for it."""
        try:
            connection = await self._connections.source(visit.source)
        except FailedError as error:
            self._pollers.unsubscribe(visit.uid)
            return SourceGathered(outcome=self.judge(visit, error.failure, secrets=""))
        spec = visit.source.spec
        interval = spec.interval.total_seconds()
        within = min(spec.timeout, spec.interval).total_seconds()
        read = functools.partial(connection.client.list_templates, within=within)
        self._pollers.subscribe(visit.uid, connection.key, interval=interval, read=read)
        reading = await self._pollers.read(visit.uid, not_before=self._source_not_before(visit, connection))
        if reading.failure is not None:
            return SourceGathered(outcome=self.judge(visit, reading.failure, secrets=connection.secrets))
        visit.memory.refusals.pop(Side.SOURCE, None)
        await self._look_around(visit, connection)
        return SourceGathered(outcome=SideOutcome(), reading=reading)

    async def portal(self, visit: Visit, *, not_before: float) -> PortalGathered:
        """The portal's view; one that began at ``not_before`` (monotonic seconds) or later."""
        try:
            connection = await self._connections.portal(visit.source)
        except FailedError as error:
            return PortalGathered(outcome=self.judge(visit, error.failure, secrets=""))
        reading = await self._portals.view(
            visit.uid, connection, not_before=self._portal_not_before(visit, connection, not_before)
        )
        if reading.failure is not None:
            visit.memory.portal_failed = True
            return PortalGathered(
                outcome=self.judge(visit, reading.failure, secrets=connection.secrets), connection=connection
            )
        self._working(visit.uid, connection)
        visit.memory.viewed = reading.began
        visit.memory.portal_progressed = self._portals.progressed(visit.uid)
        if visit.memory.portal_failed:
            visit.memory.portal_failed = False
            visit.memory.diagnose_now = True
        return PortalGathered(outcome=SideOutcome(), connection=connection, view=reading.get())

    def judge(self, visit: Visit, failure: Failure, *, secrets: str) -> SideOutcome:
        """Whether a failure lasts: it needs a person, or was seen twice or for longer than its grace."""
        match failure.kind:
            case FailureKind.TRANSIENT:
                return SideOutcome(failure=failure)
            case FailureKind.CONFIGURATION:
                return SideOutcome(failure=failure, stalled=True)
            case FailureKind.SECRET:
                condition = find(visit.source.status.conditions, _CONDITION[failure.side])
                waiting = (
                    condition is not None
                    and condition.status is ConditionStatus.FALSE
                    and condition.reason == failure.reason
                    and (self._now() - condition.last_transition_time).total_seconds()
                    >= self._timings.secret_grace
                )
                return SideOutcome(failure=failure, stalled=waiting)
            case FailureKind.CREDENTIAL:
                return SideOutcome(failure=failure, stalled=self._refused_twice(visit, failure, secrets))

    def _refused_twice(self, visit: Visit, failure: Failure, secrets: str) -> bool:
        now = self._clock()
        refusal = visit.memory.refusals.get(failure.side)
        if refusal is None or refusal.secrets != secrets:
            visit.memory.refusals[failure.side] = Refusal(secrets=secrets, first=now)
            stalled = find(visit.source.status.conditions, ConditionType.STALLED)
            # After a restart of the operator: it was seen twice before, and nothing says that it got better.
            return (
                refusal is None
                and stalled is not None
                and stalled.reason == failure.reason
                and stalled.observed_generation == visit.source.generation
            )
        return now - refusal.first >= self._timings.credential_recheck

    def _source_not_before(self, visit: Visit, connection: SourceConnection) -> float:
        """The moment (monotonic seconds) at which the reading used by this visit must have begun."""
        memory = visit.memory
        latest = self._pollers.latest(visit.uid)
        bound = 0.0
        if memory.outcome is None or memory.outcome.source is None:
            bound = visit.began - self._timings.fresh_enough
        if latest is not None and latest.failure is not None:
            # A changed spec or Secret tries again at once; the poller of a changed Secret is a new one
            # anyway.
            bound = max(bound, memory.spec_seen)
            refusal = memory.refusals.get(Side.SOURCE)
            if refusal is not None and refusal.secrets == connection.secrets:
                second = refusal.first + self._timings.credential_recheck
                if visit.began >= second:
                    bound = max(bound, second)
        return max(bound, self._asked_at(visit))

    def _portal_not_before(self, visit: Visit, connection: PortalConnection, not_before: float) -> float:
        memory = visit.memory
        refusal = memory.refusals.get(Side.CATALOG)
        if (
            refusal is not None
            and refusal.secrets == connection.secrets
            and any(visit.pending_requests()) is False
        ):
            # A refused credential is not tried with every look at its Secret.
            second = refusal.first + self._timings.credential_recheck
            interval = visit.source.spec.interval.total_seconds()
            return max(second if visit.began >= second else 0.0, visit.began - interval, memory.spec_seen)
        return not_before

    async def _look_around(self, visit: Visit, connection: SourceConnection) -> None:
        """Version and edition of the server, and its staleness pages: both at their own slow cadence."""
        memory = visit.memory
        cadence = max(2 * visit.source.spec.interval.total_seconds(), self._timings.staleness_least)
        if memory.outcome is None:
            cadence = self._timings.fresh_enough
        bound = max(visit.began - cadence, self._asked_at(visit))
        around = await self._surroundings.of(connection, not_before=bound)
        memory.server = around.server or memory.server
        if around.staleness != memory.staleness:
            # By identity: equal facts are no reason to decide anew.
            memory.staleness = around.staleness

    def _asked_at(self, visit: Visit) -> float:
        """When the newest pending request was first seen; 0 without one."""
        seen = visit.memory.requests_seen
        return max((seen.get(one, visit.began) for one in visit.pending_requests() if one), default=0.0)
