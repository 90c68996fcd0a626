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
from skillmeat_operator.controller.watch.changes import Changes
from skillmeat_operator.controller.watch.needed import needed
from skillmeat_operator.controller.watch.object_store import Listing, RawObject, version_of
from skillmeat_operator.controller.watch.store import Store, source_name
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
        changes: Changes,
        add: Callable[[str, float], None],
        forget: Callable[[str], None],
        interrupt: Callable[[str], None],
        uniform: Callable[[float, float], float],
        timings: Timings,
    ) -> None:
        self._store = store
        self._changes = changes
        self._add = add
        self._forget = forget
        self._interrupt = interrupt
        self._uniform = uniform
        self._timings = timings

    def seen(self, plural: str, obj: RawObject) -> None:
        """Take in an object as a watch, or the answer to a write, shows it."""
        if not self._store.of(plural).confirm(obj):
            self._take(plural, needed(obj), None)

    def listed(self, plural: str, obj: RawObject, listing: Listing) -> None:
        """Take in what is needed of an object, as a full list shows it."""
        self._take(plural, obj, listing)

    def gone(self, plural: str, uid: str, version: str = "") -> None:
        """Take in that an object does not exist any more, at this resourceVersion where it is known."""
        obj = self._store.of(plural).remove(uid, version)
        if obj is None:
            return
        self._forget_all(uid)
        if plural == CATALOG_SOURCE.plural:
            namespace = obj["metadata"].get("namespace", "")
            for bundle in self._store.bundles_of(namespace, obj["metadata"]["name"]):
                self._visit(bundle, self._timings.coalesce_bundles)
        else:
            self._visit_source_of(obj)

    def visit_all(self, namespace: str | None = None) -> None:
        """Visit everything of a namespace (None: of all) once: its gate has just opened."""
        for obj in self._store.sources.within(namespace):
            self._visit(obj, self._uniform(0.0, self._timings.start_spread))
        for obj in self._store.bundles.within(namespace):
            if self._source_of(obj) is None:
                self._visit(obj, 0.0)

    def _take(self, plural: str, obj: RawObject, listing: Listing | None) -> None:
        objects, metadata = self._store.of(plural), obj["metadata"]
        former = objects.find(metadata.get("namespace", ""), metadata["name"])
        before = objects.put(obj) if listing is None else objects.put_listed(obj, listing)
        if objects.get(metadata["uid"]) is not obj:
            return
        if former is not None and objects.get(former["metadata"]["uid"]) is None:
            # Deleted and made anew under the same name, unseen: nobody will tell of its deletion.
            self._forget_all(former["metadata"]["uid"])
        # The object of a restored backup may have another spec under the same generation.
        restored = before is not None and (
            version_of(obj) < version_of(before) or (listing is not None and listing.new_history)
        )
        if before is not None and not restored and not _matters(before, obj):
            return
        if plural == CATALOG_SOURCE.plural:
            self._source_changed(before, obj, restored=restored)
        else:
            self._bundle_changed(before, obj)

    def _source_changed(self, before: RawObject | None, obj: RawObject, *, restored: bool) -> None:
        metadata = obj["metadata"]
        annotations = metadata.get("annotations") or {}
        tokens = [annotations[key] for key in _REQUESTS if annotations.get(key) is not None]
        self._changes.note(metadata["uid"], metadata.get("generation", 0), tokens, anew=restored)
        if _forced(obj) and not _forced(before):
            # Somebody who gives the portal five more seconds does not wait for what is still trying.
            self._interrupt(metadata["uid"])
        self._visit(obj, 0.0)

    def _visit(self, obj: RawObject, delay: float) -> None:
        """Ask for a visit, unless the gate of its namespace is still shut: its opening visits everything."""
        if self._store.is_open(obj["metadata"].get("namespace", "")):
            self._add(obj["metadata"]["uid"], delay)

    def _forget_all(self, uid: str) -> None:
        self._changes.forget(uid)
        self._forget(uid)

    def _bundle_changed(self, before: RawObject | None, obj: RawObject) -> None:
        self._visit_source_of(obj)
        if before is not None and source_name(before) != source_name(obj):
            self._visit_source_of(before)

    def _visit_source_of(self, bundle: RawObject) -> None:
        source = self._source_of(bundle)
        self._visit(bundle if source is None else source, self._timings.coalesce_bundles)

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
