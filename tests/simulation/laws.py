"""The laws of the design (section 3) as invariants of a world; each is looked at whenever it can be broken."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from skillmeat_operator.domain.template.document import EMPTY
from tests.simulation.apiserver import CUSTOM, Obj
from tests.simulation.world import SOURCES, World, clock

MEMORY = 900.0
"""Seconds for which somebody's removal excuses that an entity leaves."""


class BrokenLawError(AssertionError):
    """What happened, and when."""


@dataclass
class Laws:
    """Watches a world; :meth:`watch` before it lives."""

    world: World
    unwanted: dict[str, float] = field(default_factory=dict)
    """When somebody last took an entity out, by ref; ``*``: everything."""
    broken: list[str] = field(default_factory=list)
    """What was found inside a call of the operator, to be raised by the next look."""
    _seen: int = 0
    _statuses: dict[str, Any] = field(default_factory=dict)
    _status_writes: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def watch(self) -> None:
        """Begin to look."""
        original = self.world.server._tell

        def tell(event: str, plural: str, obj: Obj) -> None:
            original(event, plural, obj)
            if event == "MODIFIED" and plural in CUSTOM:
                self._status(obj)

        self.world.server._tell = tell  # type: ignore[method-assign]

    def excuse(self, ref: str = "*") -> None:
        """Take in that somebody takes an entity out, or everything."""
        self.unwanted[ref] = clock()

    def look(self) -> None:
        """Look at what happened since the last look.

        Raises:
            BrokenLawError: a law does not hold.
        """
        if self.broken:
            raise BrokenLawError(self.broken[0])
        portal = self.world.portal
        for change in portal.changes[self._seen :]:
            if change.what != "left":
                continue
            since = max(self.unwanted.get(change.ref, 0.0), self.unwanted.get("*", 0.0))
            if change.at - since > MEMORY:
                self._broken(f"{change.ref} left the portal at {change.at:.0f} and nobody removed it")
        self._seen = len(portal.changes)
        for at, path, status, body, shown in self.world.documents:
            emptied = status == 200 and body == EMPTY and shown > 0
            if emptied and at - self.unwanted.get("*", 0.0) > MEMORY:
                self._broken(
                    f"an empty document was served for {path}, which {shown} are shown of, at {at:.0f}"
                )
        self.world.documents.clear()

    def polite(self) -> None:
        """Equal requests to each SkillMeat server: 0.8 a second, four at once (design, section 5)."""
        for host, server in self.world.skillmeats.items():
            by_request: dict[str, list[float]] = defaultdict(list)
            refused: dict[str, float] = {}
            for one in server.requests:
                key = f"{one.path}?{one.query}"
                by_request[key].append(one.at)
                if one.at < refused.get(key, 0.0):
                    self._broken(f"{host}{one.path} was asked {refused[key] - one.at:.0f} s too early")
                if one.status == 429:
                    refused[key] = one.at + 59
            for key, times in by_request.items():
                for first in range(len(times) - 8):
                    if times[first + 8] - times[first] < (8 - 4) / 0.8 - 0.5:
                        self._broken(
                            f"{host}{key} was asked nine times in {times[first + 8] - times[first]:.1f} s"
                        )

    def _status(self, obj: Obj) -> None:
        """Flux's rules (``facts/gitops.md``), and that a status belongs to one generation."""
        metadata, status = obj["metadata"], obj.get("status") or {}
        if self._statuses.get(metadata["uid"]) == status:
            # Somebody else's change.
            return
        self._statuses[metadata["uid"]] = status
        conditions: dict[str, Any] = {one["type"]: one for one in status.get("conditions") or []}
        name = f"{obj['kind']} {metadata['namespace']}/{metadata['name']}"
        ready = conditions.get("Ready")
        moving = [
            one for one in ("Reconciling", "Stalled") if conditions.get(one, {}).get("status") == "True"
        ]
        if len(moving) == 2:
            self._note(f"{name} is Reconciling and Stalled")
        if ready is not None and ready["status"] == "True" and moving:
            self._note(f"{name} is Ready and {moving[0]}")
        suspended = bool((obj.get("spec") or {}).get("suspend"))
        if ready is not None and ready["status"] == "False" and not moving and not suspended:
            self._note(f"{name} is not Ready, and neither Reconciling nor Stalled")
        observed = status.get("observedGeneration", -1)
        if observed > metadata["generation"]:
            self._note(f"{name} has observed a generation that does not exist")
        for one in conditions.values():
            if one["observedGeneration"] > observed:
                self._note(f"{name}: {one['type']} is of a later generation than the status")
        writes = self._status_writes[metadata["uid"]]
        writes.append(clock())
        while writes and writes[0] < clock() - 60:
            writes.popleft()
        if len(writes) > 60:
            self._note(f"{name} was written {len(writes)} times in a minute")

    def served_is_stored(self) -> None:
        """``status.revision`` names what the head does, and no other."""
        for (plural, namespace, name), obj in self.world.server.objects.items():
            revision = (obj.get("status") or {}).get("revision") if plural == SOURCES else None
            if revision is None or obj["metadata"].get("deletionTimestamp"):
                continue
            head = self.world.server.get("configmaps", "skillmeat-system", f"smsrc-{obj['metadata']['uid']}")
            if head is None or json.loads(head["data"]["head.json"])["revision"] != revision:
                self._broken(f"status of {namespace}/{name} tells a revision that no head names")

    def nothing_is_remembered(self, uids: set[str]) -> None:
        """Of objects that are gone."""
        alive = {obj["metadata"]["uid"] for obj in self.world.server.objects.values()}
        running = self.world.running
        for uid in uids - alive:
            if running is not None and running.remembers(uid):
                self._broken(f"{uid} is gone, and {running.remembers(uid)} remember it")

    def _note(self, what: str) -> None:
        self.broken.append(f"{what}, at {clock():.0f}")

    def _broken(self, what: str) -> None:
        raise BrokenLawError(what)
