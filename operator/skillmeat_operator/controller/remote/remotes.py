"""All readers of remote sides, wired: lists before staleness pages, views of portals, look-ups by ref."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.controller.remote.connections import ListKey, PortalKey
from skillmeat_operator.controller.remote.lookups import RefLookups
from skillmeat_operator.controller.remote.readers import Readers
from skillmeat_operator.controller.remote.servers import Servers
from skillmeat_operator.controller.remote.surroundings import Surroundings
from skillmeat_operator.controller.remote.views import Progress, SharedView
from skillmeat_operator.domain.failure import Failure, FailureKind, Side
from skillmeat_operator.domain.observation import TemplateList
from skillmeat_operator.domain.timings import Timings

_LISTS, _PAGES, _VIEWS = "list", "pages", "view"


class Remotes:
    """The readers of the operator; their state towards a server is shared."""

    def __init__(
        self,
        *,
        mark_due: Callable[[str, float], None],
        clock: Callable[[], float],
        uniform: Callable[[float, float], float],
        timings: Timings,
    ) -> None:
        """Make them.

        Args:
            mark_due: marks an object (UID) due after a delay in seconds.
            clock: monotonic seconds.
            uniform: random number between two bounds.
            timings: fixed times.
        """
        self.servers = Servers(timings=timings, uniform=uniform, clock=clock)
        source, catalog = _broken(Side.SOURCE), _broken(Side.CATALOG)
        self.lists: Readers[ListKey, TemplateList] = Readers(
            _LISTS,
            servers=self.servers,
            mark_due=mark_due,
            news=_list_news,
            broken=source,
            clock=clock,
            uniform=uniform,
            timings=timings,
        )
        self.pages: Readers[ListKey, Surroundings] = Readers(
            _PAGES,
            servers=self.servers,
            mark_due=mark_due,
            news=_page_news,
            broken=source,
            clock=clock,
            uniform=uniform,
            timings=timings,
            after=[_LISTS],
        )
        self.expected = Progress()
        self.views: Readers[PortalKey, SharedView] = Readers(
            _VIEWS,
            servers=self.servers,
            mark_due=mark_due,
            news=self.expected.news,
            broken=catalog,
            clock=clock,
            uniform=uniform,
            timings=timings,
        )
        self.lookups = RefLookups(
            servers=self.servers,
            mark_due=mark_due,
            broken=catalog,
            clock=clock,
            uniform=uniform,
            timings=timings,
        )

    def leave_portal(self, uid: str) -> None:
        """Take a CatalogSource out of the readers of its portal."""
        self.views.leave(uid)
        self.lookups.leave(uid)
        self.expected.forget(uid)

    def forget(self, uid: str) -> None:
        """Take a CatalogSource out of all readers: it is gone, or suspended."""
        self.lists.leave(uid)
        self.pages.leave(uid)
        self.leave_portal(uid)

    def __contains__(self, uid: object) -> bool:
        return any(uid in one for one in (self.lists, self.pages, self.views, self.lookups, self.expected))

    async def stop(self) -> None:
        """End all readers."""
        await asyncio.gather(self.lists.stop(), self.pages.stop(), self.views.stop(), self.lookups.stop())


def _list_news(before: TemplateList | None, now: TemplateList, followers: Iterable[str]) -> Iterable[str]:
    return () if before is not None and before.digest == now.digest else followers


def _page_news(before: Surroundings | None, now: Surroundings, followers: Iterable[str]) -> Iterable[str]:
    return () if before == now else followers


def _broken(side: Side) -> Failure:
    reason = Reason.SOURCE_UNREACHABLE if side is Side.SOURCE else Reason.CATALOG_UNREACHABLE
    return Failure(
        side=side,
        kind=FailureKind.TRANSIENT,
        reason=reason,
        message="what the server answered could not be taken in; it is tried again, see the operator's log",
    )
