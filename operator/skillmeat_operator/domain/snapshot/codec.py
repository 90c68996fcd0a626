"""Content of a snapshot as gzip chunks that fit into ConfigMaps, and back.

A chunk is gzip over JSON lines. What belongs to one bundle lies in one partition, chosen by a hash that does
not depend on the rest, and a chunk's name is derived from its bytes: one changed template rewrites one chunk,
and what did not change is recognised without being read.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from skillmeat_operator.domain.observation import Json
from skillmeat_operator.domain.snapshot.model import (
    VERSION,
    ChunkName,
    Content,
    HeldReason,
    Record,
    SourceFacts,
)
from skillmeat_operator.domain.snapshot.storable import dump, load, storable
from skillmeat_operator.domain.template.entity import bundle_id

MAX_PAYLOAD: Final = 720 * 1024
"""Bytes of gzip in one chunk; a ConfigMap may hold 1 MiB, and as base64 this still stays below that."""
MAX_DECODED: Final = 64 * 1024 * 1024
"""Bytes of one chunk before compression, for content that compresses well."""
MAX_PARTITIONS: Final = 1024


class DigestMismatchError(ValueError):
    """Chunks do not hold what the head says: there is no snapshot to go by."""


class SnapshotTooLargeError(ValueError):
    """The content does not fit into the chunks a head may name."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One part of the content, as stored."""

    name: str
    sha256: str
    """Digest (hex) of ``payload``."""
    payload: bytes = field(repr=False)
    """gzip, at most :data:`MAX_PAYLOAD` bytes."""

    @property
    def reference(self) -> ChunkName:
        """How the head names this chunk."""
        return ChunkName(name=self.name, sha256=self.sha256)

    @property
    def is_whole(self) -> bool:
        """Whether the payload has the digest."""
        return hashlib.sha256(self.payload).hexdigest() == self.sha256


@dataclass(frozen=True, slots=True)
class Encoded:
    """A whole content, ready to be stored."""

    partitions: int
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    slot: int
    """Hash that the partition is taken from, by its low bits: partitions split and merge in halves."""
    data: bytes


def encode(uid: str, content: Content, *, partitions: int = 1) -> Encoded:
    """The chunks of a content.

    Blocks for about a second per 5,000 templates: run it off the event loop.

    Args:
        uid: of the CatalogSource; part of the names.
        content: records sorted by ref, observed elements in list order.
        partitions: number that the stored snapshot has (``Head.partitions``); kept while it does, doubled
            until each chunk fits, and made smaller only when it is four times what is needed.

    Raises:
        SnapshotTooLargeError: it does not fit into :data:`MAX_PARTITIONS` chunks.
    """
    keys: list[str] = []
    lines = [*_record_lines(content.records), *_element_lines(content.observed or (), keys)]
    observed = content.observed is not None
    count, payloads = _fit(lines, partitions, observed=observed)
    needed = _needed(payloads)
    if needed * 4 <= count:
        count, payloads = _fit(lines, needed, observed=observed)
    if count > 1 and observed:
        order = _compress([dump(_ORDER), dump(keys)])
        payloads = {**payloads, count: order}
    return Encoded(partitions=count, chunks=tuple(_chunk(uid, payloads[index]) for index in sorted(payloads)))


def decode(chunks: Iterable[Chunk]) -> Content:
    """The content of all chunks that a head names, in whatever order.

    Blocks for about a second per 5,000 templates: run it off the event loop.

    Raises:
        DigestMismatchError: a payload has another digest, cannot be read, or a part is missing.
    """
    reader = _Reader()
    for chunk in chunks:
        if not chunk.is_whole:
            raise DigestMismatchError("a chunk has another digest than the head says")
        try:
            reader.read(_decompress(chunk.payload))
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError, zlib.error):
            raise DigestMismatchError("a chunk is not of this version") from None
    return reader.content()


class _Reader:
    """Collects the lines of all chunks."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._elements: defaultdict[str, deque[Json]] = defaultdict(deque)
        self._keys: list[str] = []
        self._order: list[str] | None = None
        self._header: dict[str, Json] | None = None

    def read(self, data: bytes) -> None:
        first, *rest = data.split(b"\n")
        header = load(first)
        if header == _ORDER:
            self._order = [str(key) for key in load(rest[0])]
            return
        if header not in _CONTENTS or self._header not in (None, header):
            raise ValueError("chunks of another version or of two snapshots")
        self._header = header
        for raw in rest:
            line = load(raw)
            if "record" in line:
                self._records.append(_record(line["record"]))
            else:
                self._elements[line["key"]].append(line["element"])
                self._keys.append(line["key"])

    def content(self) -> Content:
        records = tuple(sorted(self._records, key=_record_order))
        if self._header is None:
            raise DigestMismatchError("a chunk is missing")
        if not self._header["observed"]:
            return Content(records=records, observed=None)
        order = self._order if self._header["ordered"] else self._keys
        if order is None or Counter(order) != Counter(self._keys):
            raise DigestMismatchError("a chunk is missing")
        return Content(records=records, observed=tuple(self._elements[key].popleft() for key in order))


class _Names:
    """Gives each record or element a key of its own: 16 hex digits that decide on its partition.

    Records and elements of one bundle get the same key, so that both lie in one chunk.
    """

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def key(self, identifier: str | None, name: str | None, data: bytes = b"") -> str:
        if identifier is not None:
            base = f"bundle:{identifier}"
        elif name is not None:
            base = f"name:{name.lower()}"
        else:
            base = f"data:{hashlib.sha256(data).hexdigest()}"
        occurrence = self._seen[base]
        self._seen[base] += 1
        text = f"{base}#{occurrence}" if occurrence else base
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def _record_lines(records: Iterable[Record]) -> Iterator[_Line]:
    names = _Names()
    for record in sorted(records, key=_record_order):
        key = names.key(record.bundle_id, record.ref.rpartition("/")[2])
        yield _Line(slot=_slot(key), data=dump({"record": _stored(record)}))


def _element_lines(elements: Iterable[Json], keys: list[str]) -> Iterator[_Line]:
    """The lines of the observation; their keys are appended to ``keys`` in list order."""
    names = _Names()
    for element in elements:
        kept, data = storable(element)
        metadata = kept.get("metadata") if isinstance(kept, Mapping) else None
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        identifier = bundle_id(kept) if isinstance(kept, Mapping) else None
        key = names.key(identifier, name if isinstance(name, str) else None, data)
        keys.append(key)
        yield _Line(slot=_slot(key), data=b'{"element":' + data + b',"key":"' + key.encode() + b'"}')


def _fit(lines: list[_Line], partitions: int, *, observed: bool) -> tuple[int, dict[int, bytes]]:
    """Payloads by partition, empty ones left out, with at least the given number of partitions."""
    count = 1 << (max(1, min(partitions, MAX_PARTITIONS)).bit_length() - 1)
    while True:
        # Spread over partitions the elements lose their order, which then has a chunk of its own.
        header = dump(_content_header(observed=observed, ordered=observed and count > 1))
        groups: dict[int, list[bytes]] = {} if lines else {0: []}
        for line in lines:
            groups.setdefault(line.slot % count, []).append(line.data)
        payloads: dict[int, bytes] = {}
        for index, group in groups.items():
            payload = _compress([header, *group])
            over = max(len(payload) / MAX_PAYLOAD, _joined(header, group) / MAX_DECODED)
            if over > 1:
                break
            payloads[index] = payload
        else:
            return count, payloads
        # The first partition that is too large tells about how many are needed: not each power is tried.
        count *= max(2, 1 << (int(over).bit_length() - 1))
        if count > MAX_PARTITIONS:
            raise SnapshotTooLargeError(f"the content does not fit into {MAX_PARTITIONS} chunks")


def _needed(payloads: Mapping[int, bytes]) -> int:
    """The least number of partitions that the payloads, merged, would surely fit into."""
    count = 1
    while True:
        sizes: Counter[int] = Counter()
        for index, payload in payloads.items():
            sizes[index % count] += len(payload)
        if max(sizes.values()) <= MAX_PAYLOAD or count >= MAX_PARTITIONS:
            return count
        count *= 2


def _chunk(uid: str, payload: bytes) -> Chunk:
    digest = hashlib.sha256(payload).hexdigest()
    return Chunk(name=f"smsrc-{uid}-{digest[:16]}", sha256=digest, payload=payload)


def _joined(header: bytes, group: list[bytes]) -> int:
    return len(header) + sum(len(line) + 1 for line in group)


def _compress(lines: Iterable[bytes]) -> bytes:
    # No time of writing in the header: the same lines give the same bytes.
    return gzip.compress(b"\n".join(lines), compresslevel=6, mtime=0)


def _decompress(payload: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    data = inflater.decompress(payload, MAX_DECODED + 1)
    if not inflater.eof or len(data) > MAX_DECODED:
        raise ValueError("cut off or too large")
    return data


def _content_header(*, observed: bool, ordered: bool) -> dict[str, Json]:
    return {"version": VERSION, "part": "content", "observed": observed, "ordered": ordered}


_CONTENTS: Final = (
    _content_header(observed=False, ordered=False),
    _content_header(observed=True, ordered=False),
    _content_header(observed=True, ordered=True),
)
_ORDER: Final = {"version": VERSION, "part": "order"}


def _stored(record: Record) -> dict[str, Json]:
    return {**_shallow(record), "facts": _shallow(record.facts)}


def _record(stored: dict[str, Any]) -> Record:
    # By hand: pydantic refuses strings with lone surrogates, which a source may well send.
    facts = _of_this_version(SourceFacts, stored["facts"])
    held = stored["held"]
    rest = _of_this_version(Record, {**stored, "held": None if held is None else HeldReason(held)})
    return Record(**{**rest, "facts": SourceFacts(**{**facts, "tags": tuple(facts["tags"])})})


def _of_this_version(kind: type[Record | SourceFacts], stored: Mapping[str, Any]) -> dict[str, Any]:
    """What this version knows of it: a newer one may have added to it, and rolling back loses no snapshot."""
    names = {entry.name for entry in fields(kind)}
    return {key: value for key, value in stored.items() if key in names}


def _shallow(value: Record | SourceFacts) -> dict[str, Json]:
    """All fields, but those that were added later while they say nothing."""
    return {
        entry.name: getattr(value, entry.name)
        for entry in fields(value)
        if entry.name != "known" or not getattr(value, entry.name)
    }


def _record_order(record: Record) -> tuple[str, str]:
    return record.ref, record.bundle_id or ""


def _slot(key: str) -> int:
    return int(key[:8], 16)
