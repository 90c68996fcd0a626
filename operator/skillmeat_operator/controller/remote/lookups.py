"""Who holds which refs in a portal: looked up for all CatalogSources of a portal together.

A question is answered from a look-up that is not older than the asker allows; what is asked within a moment
goes out as one, in chunks of 500 refs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from skillmeat_operator.adapters.backstage.client import BackstageClient
from skillmeat_operator.controller.remote.connections import PortalConnection, PortalKey
from skillmeat_operator.controller.remote.readers import Readers
from skillmeat_operator.controller.remote.servers import Servers
from skillmeat_operator.domain.failure import FailedError, Failure
from skillmeat_operator.domain.observation import CatalogEntity
from skillmeat_operator.domain.timings import Timings

GATHER: Final = 0.05
"""Seconds for which questions are gathered before they go out."""

Found = Mapping[str, CatalogEntity | None]
"""Entities by lower-case ref; None: the portal shows none."""


@dataclass(slots=True)
class _Portal:
    answers: dict[str, tuple[float, CatalogEntity | None]] = field(default_factory=dict)
    """When the look-up began, and what it found, by ref."""
    wanted: dict[str, float] = field(default_factory=dict)
    """Refs to look up, with the moment after which that has to begin."""
    asked: dict[tuple[str, str], tuple[frozenset[str], float]] = field(default_factory=dict)
    """What each CatalogSource asked last for each purpose, and when."""
    askers: Counter[str] = field(default_factory=Counter)
    """How many of those questions have a ref."""


class RefLookups:
    """Look-ups by ref, for each portal and credential."""

    def __init__(
        self,
        *,
        servers: Servers,
        mark_due: Callable[[str, float], None],
        broken: Failure,
        clock: Callable[[], float],
        uniform: Callable[[float, float], float],
        timings: Timings,
    ) -> None:
        """As :class:`Readers`."""
        self._clock = clock
        self._portals: dict[PortalKey, _Portal] = {}
        self._key_of: dict[str, PortalKey] = {}
        self._readers: Readers[PortalKey, int] = Readers(
            "refs",
            servers=servers,
            mark_due=mark_due,
            news=_no_news,
            broken=broken,
            clock=clock,
            uniform=uniform,
            timings=timings,
        )

    def look(
        self,
        uid: str,
        connection: PortalConnection,
        refs: Iterable[str],
        *,
        purpose: str,
        not_before: float,
    ) -> Found | None:
        """What the portal shows under some refs; None: it is being looked up, and the object is marked due.

        Args:
            uid: of the CatalogSource that asks.
            connection: to its portal.
            refs: in lower case.
            purpose: answers are kept for what was asked last for it.
            not_before: monotonic seconds; an older look-up does not answer.

        Raises:
            FailedError: the last look-up failed; another one is planned.
        """
        wanted = frozenset(refs)
        if not wanted:
            self._drop(uid, purpose)
            return {}
        portal = self._join(uid, connection)
        answers, slot = portal.answers, (uid, purpose)
        if all(ref in answers and answers[ref][0] >= not_before for ref in wanted):
            self._note(portal, slot, wanted)
            return {ref: answers[ref][1] for ref in wanted}
        before = portal.asked.get(slot)
        asked = before[1] if before is not None and before[0] >= wanted else None
        self._note(portal, slot, wanted, at=self._clock() if asked is None else asked)
        for ref in wanted:
            if ref not in answers or answers[ref][0] < not_before:
                portal.wanted[ref] = max(not_before, portal.wanted.get(ref, 0.0))
        latest = self._readers.latest(uid)
        self._readers.ask(uid, at=self._clock() + GATHER)
        if latest is not None and latest.failure is not None and asked is not None and latest.began >= asked:
            raise FailedError(latest.failure)
        return None

    def peek(
        self,
        uid: str,
        connection: PortalConnection,
        refs: Iterable[str],
        *,
        purpose: str,
        not_before: float,
    ) -> Found | None:
        """As :meth:`look`; None also where the last look-up failed."""
        try:
            return self.look(uid, connection, refs, purpose=purpose, not_before=not_before)
        except FailedError:
            return None

    def leave(self, uid: str) -> None:
        """Forget a CatalogSource."""
        key = self._key_of.pop(uid, None)
        self._readers.leave(uid)
        portal = self._portals.get(key) if key is not None else None
        if key is None or portal is None:
            return
        for slot in [one for one in portal.asked if one[0] == uid]:
            self._note(portal, slot, frozenset())
            del portal.asked[slot]
        if not portal.asked:
            del self._portals[key]

    def __contains__(self, uid: object) -> bool:
        return uid in self._key_of

    async def stop(self) -> None:
        """End all look-ups."""
        await self._readers.stop()

    def _join(self, uid: str, connection: PortalConnection) -> _Portal:
        key = connection.key
        if self._key_of.get(uid) not in {None, key}:
            self.leave(uid)
        portal = self._portals.setdefault(key, _Portal())

        self._key_of[uid] = key

        async def read(_: float) -> int:
            return await self._read(portal, connection.client)

        self._readers.follow(uid, key, host=connection.host, interval=None, read=read)
        return portal

    def _drop(self, uid: str, purpose: str) -> None:
        """Take in that nothing is asked any more for a purpose."""
        key = self._key_of.get(uid)
        portal = self._portals.get(key) if key is not None else None
        if portal is None or (uid, purpose) not in portal.asked:
            return
        self._note(portal, (uid, purpose), frozenset())
        del portal.asked[uid, purpose]
        if not any(one[0] == uid for one in portal.asked):
            self.leave(uid)

    def _note(
        self, portal: _Portal, slot: tuple[str, str], wanted: frozenset[str], *, at: float | None = None
    ) -> None:
        """Remember what is asked, and drop the answers that nobody asks for any more."""
        before = portal.asked.get(slot, (frozenset[str](), 0.0))
        portal.asked[slot] = (wanted, before[1] if at is None else at)
        portal.askers.update(wanted - before[0])
        for ref in before[0] - wanted:
            portal.askers[ref] -= 1
            if not portal.askers[ref]:
                del portal.askers[ref]
                portal.answers.pop(ref, None)
                portal.wanted.pop(ref, None)

    async def _read(self, portal: _Portal, client: BackstageClient) -> int:
        """Look up everything that is wanted now; returns how many refs."""
        began = self._clock()
        refs = sorted(portal.wanted)
        if not refs:
            return 0
        found = await client.entities_by_refs(refs)
        for ref in refs:
            portal.answers[ref] = (began, found.get(ref))
            if portal.wanted.get(ref, began) <= began:
                portal.wanted.pop(ref, None)
        return len(refs)


def _no_news(_before: int | None, _now: int, _followers: Iterable[str]) -> Iterable[str]:
    """Who asked is told; nobody else is concerned."""
    return ()
