"""Gather: follow the readers that a CatalogSource needs, and take their last readings. Nothing waits here.

Each reading is complete or failed. What has never been read is pending: the reader marks the object due when
it is there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from skillmeat_operator.controller.remote.connections import Connections, PortalConnection, SourceConnection
from skillmeat_operator.controller.remote.reading import Reading
from skillmeat_operator.controller.remote.remotes import Remotes
from skillmeat_operator.controller.remote.surroundings import Surroundings, read_surroundings
from skillmeat_operator.controller.remote.views import SharedView
from skillmeat_operator.controller.visit.failure_judge import FailureJudge
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.controller.watch.changes import Changes
from skillmeat_operator.domain.failure import FailedError, Failure, FailureKind, Side
from skillmeat_operator.domain.observation import TemplateList
from skillmeat_operator.domain.status.outcome import SideOutcome
from skillmeat_operator.domain.timings import Timings


@dataclass(frozen=True, slots=True)
class SourceObserved:
    """What is known of the source."""

    outcome: SideOutcome | None
    """None: it has never been read."""
    listing: Reading[TemplateList] | None = None
    """The last reading, if it is complete."""
    around: Surroundings | None = None
    """What the server tells besides; None where it was not read, or could not be."""
    around_failure: Failure | None = None
    """Why it could not be read."""
    current: bool = True
    """Whether it is as new as the pending requests ask for."""


@dataclass(frozen=True, slots=True)
class PortalObserved:
    """What is known of the portal."""

    outcome: SideOutcome | None
    """None: it has never been read."""
    connection: PortalConnection | None = None
    view: Reading[SharedView] | None = None
    """The last reading, if it is complete."""
    current: bool = True
    """As in :class:`SourceObserved`."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The last readings of both sides."""

    source: SourceObserved
    portal: PortalObserved
    asked: float = 0.0
    """When the newest pending request was first seen (monotonic seconds); 0 without one."""

    @property
    def pending(self) -> bool:
        """Whether a side has never been read with this spec and these credentials."""
        return self.source.outcome is None or self.portal.outcome is None

    @property
    def pages_pending(self) -> bool:
        """Whether the staleness pages have not been read yet, while the list has."""
        source = self.source
        return source.listing is not None and source.around is None and source.around_failure is None

    @property
    def current(self) -> bool:
        """Whether it answers the requests that are pending."""
        return self.source.current and self.portal.current


class Gatherer:
    """Takes the last readings for a visit."""

    def __init__(
        self,
        *,
        connections: Connections,
        remotes: Remotes,
        changes: Changes,
        working: Callable[[str, PortalConnection], None],
        judge: FailureJudge,
        timings: Timings,
    ) -> None:
        """Make it; ``working`` is told of each connection that a portal answered over."""
        self._connections = connections
        self._remotes = remotes
        self._changes = changes
        self._working = working
        self._judge = judge
        self._timings = timings

    async def observe(self, visit: Visit) -> Observation:
        """The last readings of both sides."""
        asked = self._asked_at(visit)
        return Observation(
            source=await self._source(visit, asked), portal=await self._portal(visit, asked), asked=asked
        )

    async def _source(self, visit: Visit, asked: float) -> SourceObserved:
        uid, lists, pages = visit.uid, self._remotes.lists, self._remotes.pages
        try:
            connection = await self._connections.source(visit.source, not_before=asked)
        except FailedError as error:
            if error.failure.kind is not FailureKind.TRANSIENT:
                lists.leave(uid)
                pages.leave(uid)
            outcome = self._judge(visit, error.failure, secrets="", began=visit.began)
            return SourceObserved(outcome=outcome)
        self._judge.found(uid, Side.SOURCE)
        self._follow_source(visit, connection)
        latest = lists.latest(uid)
        current = latest is not None and latest.began >= asked
        if not current:
            lists.ask(uid, at=asked, urgent=True)
            # A failure that stands because the server asked to be left alone is all there is to say.
            current = latest is not None and latest.failure is not None and lists.refused(uid)
        around = pages.latest(uid)
        if asked and around is not None and around.began < asked:
            pages.ask(uid, at=asked)
        pause = lists.pause(uid) if not current else None
        if pause is not None and (latest is None or (asked and latest.failure is None)):
            # The address was asked by another, and wants to be left alone: who waits here hears of it.
            outcome = self._judge(visit, pause, secrets=connection.secrets, began=visit.began)
            return SourceObserved(
                outcome=outcome,
                listing=latest,
                around=around.value if around is not None else None,
                around_failure=around.failure if around is not None else None,
            )
        if latest is None:
            return SourceObserved(outcome=None, current=False)
        if latest.failure is None:
            self._judge.accepted(uid, Side.SOURCE)
            value = around.value if around is not None else None
            failure = around.failure if around is not None else None
            return SourceObserved(
                outcome=SideOutcome(),
                listing=latest,
                around=value,
                around_failure=failure,
                current=current,
            )
        self._look_again(visit, latest, Side.SOURCE, connection.secrets)
        outcome = self._judge(visit, latest.failure, secrets=connection.secrets, began=latest.began)
        return SourceObserved(outcome=outcome, current=current)

    def _follow_source(self, visit: Visit, connection: SourceConnection) -> None:
        spec, uid = visit.source.spec, visit.uid
        within = min(spec.timeout.total_seconds(), visit.interval)

        async def read(seconds: float) -> TemplateList:
            return await connection.client.list_templates(within=seconds)

        self._remotes.lists.follow(
            uid, connection.key, host=connection.host, interval=visit.interval, read=read, within=within
        )
        self._remotes.pages.follow(
            uid,
            connection.key.pages,
            host=connection.host,
            interval=max(2 * visit.interval, self._timings.staleness_least),
            read=functools.partial(read_surroundings, connection),
        )

    async def _portal(self, visit: Visit, asked: float) -> PortalObserved:
        uid, views = visit.uid, self._remotes.views
        try:
            connection = await self._connections.portal(visit.source, not_before=asked)
        except FailedError as error:
            if error.failure.kind is not FailureKind.TRANSIENT:
                self._remotes.leave_portal(uid)
            outcome = self._judge(visit, error.failure, secrets="", began=visit.began)
            return PortalObserved(outcome=outcome)
        self._judge.found(uid, Side.CATALOG)

        async def read(_: float) -> SharedView:
            return SharedView(await connection.client.view())

        views.follow(uid, connection.key, host=connection.host, interval=visit.interval, read=read)
        latest = views.latest(uid)
        current = latest is not None and latest.began >= asked
        if not current:
            views.ask(uid, at=asked, urgent=True)
            current = latest is not None and latest.failure is not None and views.refused(uid)
        if latest is None:
            return PortalObserved(outcome=None, connection=connection, current=False)
        if latest.failure is None:
            self._working(uid, connection)
            return PortalObserved(outcome=SideOutcome(), connection=connection, view=latest, current=current)
        self._look_again(visit, latest, Side.CATALOG, connection.secrets)
        outcome = self._judge(visit, latest.failure, secrets=connection.secrets, began=latest.began)
        return PortalObserved(outcome=outcome, connection=connection, current=current)

    def _look_again(
        self, visit: Visit, latest: Reading[TemplateList] | Reading[SharedView], side: Side, secrets: str
    ) -> None:
        """Plan the reading that tells whether a failure stands: after a changed spec, or a refused token."""
        readers = self._remotes.lists if side is Side.SOURCE else self._remotes.views
        if latest.began < visit.spec_seen:
            readers.ask(visit.uid, at=visit.spec_seen, urgent=True)
        if latest.failure is not None and latest.failure.kind is FailureKind.CREDENTIAL:
            self._connections.renew(visit.uid)
            second = self._judge.second_look(visit.uid, side, secrets)
            if second is not None and latest.began < second:
                readers.ask(visit.uid, at=second)

    def _asked_at(self, visit: Visit) -> float:
        """When the newest pending request was first seen; 0 without one."""
        pending = [token for token in visit.pending_requests() if token]
        seen = (self._changes.asked(visit.uid, token) for token in pending)
        return max((visit.began if one is None else one for one in seen), default=0.0)
