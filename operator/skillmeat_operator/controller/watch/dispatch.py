"""From what a watch or a list says to what is visited: level-triggered, and deaf to the operator's own
writes.
"""

from __future__ import annotations

from collections.abc import Callable

from skillmeat_operator.api.keys import (
    APPROVE_REMOVAL,
    CATALOG_SOURCE,
    FLUX_REQUESTED_AT,
    FORCE_DELETE,
    MOVE_LOCATION,
    RECONCILE_REQUESTED_AT,
)
from skillmeat_operator.controller.visit.memory import SourceMemory
from skillmeat_operator.controller.watch.store import RawObject, Store, source_name
from skillmeat_operator.domain.timings import Timings

_WATCHED_ANNOTATIONS = (
    RECONCILE_REQUESTED_AT,
    FLUX_REQUESTED_AT,
    APPROVE_REMOVAL,
    FORCE_DELETE,
    MOVE_LOCATION,
)
_REQUESTS = (RECONCILE_REQUESTED_AT, FLUX_REQUESTED_AT)


class Dispatcher:
    """Keeps the store and tells the queue whom to visit."""

    def __init__(
        self,
        *,
        store: Store,
        memories: dict[str, SourceMemory],
        add: Callable[[str, float], None],
        forget: Callable[[str], None],
        interrupt: Callable[[str], None],
        clock: Callable[[], float],
        uniform: Callable[[float, float], float],
        timings: Timings,
    ) -> None:
        self._store = store
        self._memories = memories
        self._add = add
        self._forget = forget
        self._interrupt = interrupt
        self._clock = clock
        self._uniform = uniform
        self._timings = timings

    def seen(self, plural: str, obj: RawObject) -> None:
        """Take in an object as a watch or a list shows it."""
        objects, metadata = self._store.of(plural), obj["metadata"]
        former = objects.find(metadata.get("namespace", ""), metadata["name"])
        before = objects.put(obj)
        if objects.get(metadata["uid"]) is not obj:
            return
        if former is not None and objects.get(former["metadata"]["uid"]) is None:
            # Deleted and made anew under the same name, unseen: nobody will tell of its deletion.
            self._forget(former["metadata"]["uid"])
        if before is not None and not _matters(before, obj):
            return
        if plural == CATALOG_SOURCE.plural:
            self._source_changed(before, obj)
        else:
            self._bundle_changed(before, obj)

    def gone(self, plural: str, uid: str) -> None:
        """Take in that an object does not exist any more."""
        obj = self._store.of(plural).remove(uid)
        if obj is None:
            return
        if plural == CATALOG_SOURCE.plural:
            self._forget(uid)
            namespace = obj["metadata"].get("namespace", "")
            for bundle in self._store.bundles_of(namespace, obj["metadata"]["name"]):
                self._add(bundle["metadata"]["uid"], self._timings.coalesce_bundles)
        else:
            self._visit_source_of(obj)

    def visit_all(self) -> None:
        """Visit everything once: the gate has just opened."""
        for obj in self._store.sources:
            self._add(obj["metadata"]["uid"], self._uniform(0.0, self._timings.start_spread))
        for obj in self._store.bundles:
            if self._source_of(obj) is None:
                self._add(obj["metadata"]["uid"], 0.0)

    def _source_changed(self, before: RawObject | None, obj: RawObject) -> None:
        uid = obj["metadata"]["uid"]
        memory = self._memories.get(uid)
        generation = obj["metadata"].get("generation", 0)
        now = self._clock()
        if memory is None:
            memory = self._memories[uid] = SourceMemory(spec_seen=now, generation=generation)
        annotations = obj["metadata"].get("annotations") or {}
        old = (before["metadata"].get("annotations") or {}) if before is not None else {}
        for key in _REQUESTS:
            token = annotations.get(key)
            if token is not None and token != old.get(key):
                memory.requests_seen[token] = now
        if len(memory.requests_seen) > 16:
            memory.requests_seen = dict(list(memory.requests_seen.items())[-8:])
        if _forced(obj) and not _forced(before):
            # Somebody who gives the portal five more seconds does not wait for what is still trying.
            self._interrupt(uid)
        self._add(uid, 0.0)

    def _bundle_changed(self, before: RawObject | None, obj: RawObject) -> None:
        self._visit_source_of(obj)
        if before is not None and source_name(before) != source_name(obj):
            self._visit_source_of(before)

    def _visit_source_of(self, bundle: RawObject) -> None:
        source = self._source_of(bundle)
        uid = source["metadata"]["uid"] if source is not None else bundle["metadata"]["uid"]
        self._add(uid, self._timings.coalesce_bundles)

    def _source_of(self, bundle: RawObject) -> RawObject | None:
        return self._store.sources.find(bundle["metadata"].get("namespace", ""), source_name(bundle) or "")


def _forced(obj: RawObject | None) -> bool:
    """Whether an object is being deleted by force."""
    if obj is None or obj["metadata"].get("deletionTimestamp") is None:
        return False
    return (obj["metadata"].get("annotations") or {}).get(FORCE_DELETE) == "true"


def _matters(before: RawObject, after: RawObject) -> bool:
    """Whether anything changed but what the operator itself writes."""
    old, new = before["metadata"], after["metadata"]
    if old.get("generation") != new.get("generation") or old.get("uid") != new.get("uid"):
        return True
    if old.get("deletionTimestamp") != new.get("deletionTimestamp"):
        return True
    before_notes, after_notes = old.get("annotations") or {}, new.get("annotations") or {}
    if any(before_notes.get(key) != after_notes.get(key) for key in _WATCHED_ANNOTATIONS):
        return True
    # Somebody emptied the status: it is written anew.
    had = (before.get("status") or {}).get("conditions")
    return bool(had) and not (after.get("status") or {}).get("conditions")
