"""The watched objects of one kind: raw and parsed, indexed, and what is old and what is new among them.

Within one history of the API server a higher resourceVersion is newer. An etcd restored from a backup starts
another history, with versions that go back; there only time tells: a full list shows what is there *after it
was asked for*, so it is the truth over everything taken in before that moment, whatever the versions say.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from skillmeat_operator.api.objects import InvalidObject

RawObject = Mapping[str, Any]
Key = tuple[str, str]
"""Namespace and name."""

Parsed = TypeVar("Parsed")

_REMEMBERED = 4096
"""Removed objects whose last version is remembered, so that no late event brings one back."""


@dataclass(slots=True)
class _Entry(Generic[Parsed]):
    raw: RawObject
    version: int
    taken: int
    """Serial of the moment at which it was last confirmed."""
    known: Parsed | None = None
    """An earlier form with the same spec, as a model."""
    parsed: Parsed | None = None
    refusal: str | None = None
    """Why it cannot be parsed."""


@dataclass(slots=True)
class Listing:
    """A full list of one namespace, or of all, from the moment at which it is asked for."""

    namespace: str | None
    began: int
    """Serial of that moment: what was taken in up to it is older than the list."""
    expected: int
    """The highest version known at that moment; a consistent read is no older."""
    version: int = 0
    new_history: bool = False
    """The API server's versions went back: etcd was restored from a backup."""
    doubtful: bool = False
    """In a new history something was taken in while the list was under way, of which nobody can tell whether
    it is older or newer than the list: list again.
    """
    uids: set[str] = field(default_factory=set)

    def answered(self, resource_version: str) -> None:
        """Take in the list's own version, before its objects."""
        self.version = version_number(resource_version)
        self.new_history = self.version < self.expected


class ObjectStore(Generic[Parsed]):
    """The watched objects of one kind, by UID, by namespace and name, and by one index of the kind's own."""

    def __init__(
        self,
        plural: str,
        *,
        parse: Callable[[RawObject, Parsed | None], Parsed],
        index: Callable[[RawObject], Hashable | None] = lambda _: None,
    ) -> None:
        """Prepare an empty store.

        Args:
            plural: of the kind.
            parse: reads a raw object, given an earlier form with the same spec if there is one; raises
                ``InvalidObject`` where that cannot be done.
            index: what :meth:`indexed` finds an object by; None: by nothing.
        """
        self.plural = plural
        self._parse = parse
        self._index = index
        self._entries: dict[str, _Entry[Parsed]] = {}
        self._uid_by_key: dict[Key, str] = {}
        self._by_namespace: dict[str, dict[str, None]] = {}
        self._by_index: dict[Hashable, dict[str, None]] = {}
        self._removed: OrderedDict[str, tuple[int, int]] = OrderedDict()
        """Version and serial of the removal."""
        self._serial = 0
        self.highest = 0
        """The highest version known of the present history."""

    def __iter__(self) -> Iterator[RawObject]:
        return iter([entry.raw for entry in self._entries.values()])

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, uid: str) -> RawObject | None:
        """The object with this UID, if it exists."""
        entry = self._entries.get(uid)
        return entry.raw if entry is not None else None

    def find(self, namespace: str, name: str) -> RawObject | None:
        """The object of this name, if it exists."""
        uid = self._uid_by_key.get((namespace, name))
        return self._entries[uid].raw if uid is not None else None

    def indexed(self, key: Hashable) -> list[RawObject]:
        """The objects that the kind's index files under this key."""
        return [self._entries[uid].raw for uid in self._by_index.get(key, ())]

    def within(self, namespace: str | None) -> list[RawObject]:
        """The objects of one namespace; None: of all."""
        return [self._entries[uid].raw for uid in self._uids(namespace)]

    def parsed(self, uid: str) -> Parsed | None:
        """The object as a model, parsed once for each form of it; None where there is none.

        Raises:
            InvalidObject: it does not parse.
        """
        entry = self._entries.get(uid)
        if entry is None:
            return None
        if entry.refusal is not None:
            raise InvalidObject(entry.refusal)
        if entry.parsed is None:
            try:
                entry.parsed, entry.known = self._parse(entry.raw, entry.known), None
            except InvalidObject as error:
                entry.refusal = str(error)
                raise
        return entry.parsed

    def confirm(self, obj: RawObject) -> bool:
        """Whether this very form of an object is known: the watch shows again what a write brought."""
        entry, version = self._entries.get(obj["metadata"]["uid"]), version_of(obj)
        if entry is None or not version or entry.version != version:
            return False
        self._serial += 1
        entry.taken = self._serial
        return True

    def put(self, obj: RawObject) -> RawObject | None:
        """Take in an object unless a newer form of it is known; returns the form before, or None if it is
        new.
        """
        uid, version = obj["metadata"]["uid"], version_of(obj)
        before = self._entries.get(uid)
        if before is not None and before.version > version:
            return before.raw
        if self._removed.get(uid, (-1, 0))[0] >= version:
            # A list or an answer that is older than the deletion still has it.
            return None
        former = self._entries.get(self._uid_by_key.get(_key(obj), ""))
        if former is not None and former is not before:
            if former.version > version:
                return before.raw if before is not None else None
            self._drop(former.raw["metadata"]["uid"])
        return self._take(obj, version, anew=False)

    def remove(self, uid: str, version: str = "") -> RawObject | None:
        """Forget an object; returns its last form.

        Args:
            uid: of the object.
            version: at which it is known to be gone, where that is known; else that of its last form.
        """
        entry = self._drop(uid)
        if entry is None:
            return None
        self._serial += 1
        self._removed[uid] = (max(entry.version, version_number(version)), self._serial)
        if len(self._removed) > _REMEMBERED:
            self._removed.popitem(last=False)
        return entry.raw

    def begin_list(self, namespace: str | None) -> Listing:
        """To be called before a full list of a namespace (None: of all) is asked for."""
        return Listing(namespace=namespace, began=self._serial, expected=self.highest)

    def put_listed(self, obj: RawObject, listing: Listing) -> RawObject | None:
        """Take in an object of a full list; returns the form before, or None if it is new."""
        uid, version = obj["metadata"]["uid"], version_of(obj)
        listing.uids.add(uid)
        before = self._entries.get(uid)
        if before is not None and self._newer(before.version, before.taken, version, listing):
            return before.raw
        removed = self._removed.get(uid)
        if removed is not None and self._newer(*removed, version, listing, or_same=True):
            return None
        former = self._entries.get(self._uid_by_key.get(_key(obj), ""))
        if former is not None and former is not before:
            if self._newer(former.version, former.taken, version, listing):
                return before.raw if before is not None else None
            self._drop(former.raw["metadata"]["uid"])
        self._removed.pop(uid, None)
        return self._take(obj, version, anew=listing.new_history)

    def end_list(self, listing: Listing) -> list[RawObject]:
        """To be called after the last object of a list; returns what has vanished, still in the store."""
        if listing.new_history:
            self.highest = listing.version
            for uid, (_, removed_at) in list(self._removed.items()):
                if removed_at <= listing.began:
                    del self._removed[uid]
        self.highest = max(self.highest, listing.version)
        gone: list[RawObject] = []
        for uid in self._uids(listing.namespace):
            entry = self._entries[uid]
            if uid in listing.uids:
                continue
            if entry.taken <= listing.began:
                gone.append(entry.raw)
            elif listing.new_history:
                listing.doubtful = True
            elif entry.version <= listing.version:
                gone.append(entry.raw)
        return gone

    def _newer(
        self, version: int, taken: int, listed: int, listing: Listing, *, or_same: bool = False
    ) -> bool:
        """Whether what was taken in is newer than what a list says: only what came while it was under way."""
        if taken <= listing.began:
            return False
        if listing.new_history:
            listing.doubtful = listing.doubtful or version != listed
            return False
        return version > listed or (or_same and version == listed)

    def _take(self, obj: RawObject, version: int, *, anew: bool) -> RawObject | None:
        """Store an object as the newest; ``anew``: even where it has the version of the form before."""
        uid = obj["metadata"]["uid"]
        self._serial += 1
        self.highest = max(self.highest, version)
        before = self._entries.get(uid)
        if before is not None and before.version == version and version and not anew:
            before.taken = self._serial
            return before.raw
        if before is not None:
            self._drop(uid)
        known = None
        if before is not None and before.raw.get("spec") == obj.get("spec"):
            known = before.parsed if before.parsed is not None else before.known
        self._entries[uid] = _Entry(raw=obj, version=version, taken=self._serial, known=known)
        self._uid_by_key[_key(obj)] = uid
        self._by_namespace.setdefault(_key(obj)[0], {})[uid] = None
        key = self._index(obj)
        if key is not None:
            self._by_index.setdefault(key, {})[uid] = None
        return before.raw if before is not None else None

    def _drop(self, uid: str) -> _Entry[Parsed] | None:
        entry = self._entries.pop(uid, None)
        if entry is None:
            return None
        key = _key(entry.raw)
        if self._uid_by_key.get(key) == uid:
            del self._uid_by_key[key]
        _discard(self._by_namespace, key[0], uid)
        _discard(self._by_index, self._index(entry.raw), uid)
        return entry

    def _uids(self, namespace: str | None) -> Iterable[str]:
        return tuple(self._entries if namespace is None else self._by_namespace.get(namespace, ()))


def version_of(obj: RawObject) -> int:
    """``metadata.resourceVersion`` as a number."""
    return version_number(obj["metadata"].get("resourceVersion", ""))


def version_number(version: str) -> int:
    """Resource versions of one resource compare as numbers (Kubernetes KEP-5504; all known servers did
    before). What is no number counts as 0.
    """
    return int(version) if version.isdigit() else 0


def _key(obj: RawObject) -> Key:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _discard(index: dict[Any, dict[str, None]], key: Hashable | None, uid: str) -> None:
    found = index.get(key)
    if found is not None:
        found.pop(uid, None)
        if not found:
            del index[key]
