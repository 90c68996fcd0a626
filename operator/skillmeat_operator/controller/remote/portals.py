"""One reading of a portal for all CatalogSources that use it with the same credential."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from skillmeat_operator.controller.remote.backoff import Backoff
from skillmeat_operator.controller.remote.connections import PortalConnection
from skillmeat_operator.controller.remote.shared_read import Reading, SharedReader
from skillmeat_operator.domain.observation import PortalView
from skillmeat_operator.domain.timings import Timings


@dataclass(slots=True)
class _Portal:
    reader: SharedReader[PortalView]
    backoff: Backoff
    users: set[str] = field(default_factory=set)
    taken_in: Reading[PortalView] | None = None
    shown: dict[str, int] | None = None
    """Hash of the refs and content hashes that the last view showed, by the UID in their marker."""
    progressed: float = 0.0
    """When a view first showed something else than the one before it."""
    retry_after_until: float = 0.0
    """Before this moment the portal is not read again: it asked for that."""


class Portals:
    """Readings of all portals, by URL and credential."""

    def __init__(
        self,
        *,
        notify: Callable[[str, float], None],
        clock: Callable[[], float],
        uniform: Callable[[float, float], float],
        timings: Timings,
    ) -> None:
        self._notify = notify
        self._clock = clock
        self._uniform = uniform
        self._timings = timings
        self._portals: dict[tuple[str, str], _Portal] = {}
        self._key_of: dict[str, tuple[str, str]] = {}

    async def view(self, uid: str, connection: PortalConnection, *, not_before: float) -> Reading[PortalView]:
        """A reading that began at ``not_before`` (monotonic seconds) or later.

        Before the end of a time that the portal asked to wait for, the last reading is returned.
        """
        portal = self._join(uid, connection)
        latest = portal.reader.latest
        if latest is not None and latest.failure is not None and self._clock() < portal.retry_after_until:
            return latest
        reading = await portal.reader.get(not_before=not_before)
        self._take_in(portal, reading, asker=uid)
        return reading

    def retry_delay(self, uid: str) -> float:
        """Seconds until the next try after a failure; doubles with every failed reading of the portal."""
        key = self._key_of.get(uid)
        portal = self._portals.get(key) if key is not None else None
        if portal is None:
            return self._timings.backoff_first
        return max(portal.backoff.delay(), portal.retry_after_until - self._clock())

    def progressed(self, uid: str) -> float:
        """When the portal of a CatalogSource last showed something new (monotonic seconds)."""
        key = self._key_of.get(uid)
        portal = self._portals.get(key) if key is not None else None
        return portal.progressed if portal is not None else 0.0

    def leave(self, uid: str) -> None:
        """Forget a CatalogSource."""
        key = self._key_of.pop(uid, None)
        portal = self._portals.get(key) if key is not None else None
        if key is None or portal is None:
            return
        portal.users.discard(uid)
        if not portal.users:
            del self._portals[key]

    def _join(self, uid: str, connection: PortalConnection) -> _Portal:
        if self._key_of.get(uid) not in {None, connection.key}:
            self.leave(uid)
        portal = self._portals.get(connection.key)
        if portal is None:
            portal = _Portal(
                reader=SharedReader(connection.client.view, clock=self._clock),
                backoff=Backoff(timings=self._timings, uniform=self._uniform),
            )
            self._portals[connection.key] = portal
        portal.reader.replace(connection.client.view)
        portal.users.add(uid)
        self._key_of[uid] = connection.key
        return portal

    def _take_in(self, portal: _Portal, reading: Reading[PortalView], *, asker: str) -> None:
        """Count failures once for each reading; tell everybody when the portal is back, and those of whom it
        shows something new.
        """
        if reading is portal.taken_in:
            return
        portal.taken_in = reading
        if reading.failure is not None:
            portal.backoff.next()
            portal.retry_after_until = self._clock() + (reading.failure.retry_after or 0.0)
            return
        self._compare(portal, reading, asker=asker)
        if portal.backoff.failures:
            portal.backoff.reset()
            for uid in portal.users - {asker}:
                self._notify(uid, 0.0)

    def _compare(self, portal: _Portal, reading: Reading[PortalView], *, asker: str) -> None:
        by_uid: dict[str, list[tuple[str, str | None]]] = {}
        for ref, entity in reading.get().entities.items():
            owner = (entity.managed_by or "").rpartition("/")[2]
            by_uid.setdefault(owner, []).append((ref, entity.content_hash))
        shown = {uid: hash(frozenset(pairs)) for uid, pairs in by_uid.items()}
        before, portal.shown = portal.shown, shown
        if shown == before:
            return
        portal.progressed = reading.began
        if before is not None:
            for uid in portal.users - {asker}:
                if shown.get(uid) != before.get(uid):
                    self._notify(uid, 0.0)
