"""Gather: read the source and the portal for one visit, through the shared readers. Each reading is complete
or failed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from skillmeat_operator.controller.remote.connections import Connections, PortalConnection, SourceConnection
from skillmeat_operator.controller.remote.poller import Pollers
from skillmeat_operator.controller.remote.portals import Portals
from skillmeat_operator.controller.remote.shared_read import Reading
from skillmeat_operator.controller.remote.surroundings import SurroundingsReader
from skillmeat_operator.controller.visit.failure_judge import FailureJudge
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.domain.failure import FailedError, Side
from skillmeat_operator.domain.observation import PortalView, TemplateList
from skillmeat_operator.domain.status.outcome import SideOutcome
from skillmeat_operator.domain.timings import Timings


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
        self._timings = timings
        self.judge = FailureJudge(clock=clock, now=now, timings=timings)
        self._surroundings = SurroundingsReader(clock=clock)

    async def source(self, visit: Visit) -> SourceGathered:
        """The last complete reading of the source, or a new one where the visit asks for it."""
        try:
            connection = await self._connections.source(visit.source)
        except FailedError as error:
            self._pollers.unsubscribe(visit.uid)
            return SourceGathered(outcome=self.judge(visit, error.failure, secrets=""))
        visit.memory.missing.pop(Side.SOURCE, None)
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
        visit.memory.missing.pop(Side.CATALOG, None)
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
