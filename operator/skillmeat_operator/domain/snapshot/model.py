"""What is kept of a CatalogSource between visits and restarts: the head, the records and the last
observation.

The head is small, because every request for a document reads it. Everything that grows with the number of
templates lies in chunks (:mod:`skillmeat_operator.domain.snapshot.codec`), which the head names together with
their digests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Self

from pydantic import TypeAdapter, ValidationError

from skillmeat_operator.domain.observation import Json
from skillmeat_operator.domain.template.document import render

VERSION: Final = 1
"""Version of the stored form; a snapshot of another version reads as none."""

KEPT_REVISIONS: Final = 3
"""How many of the latest revisions the head keeps."""


class HeldReason(StrEnum):
    """Why an entity is published that was not taken from the latest observation."""

    LOST = "Lost"
    """The observation lacks it and the removal guard keeps it."""
    INVALID = "Invalid"
    """The catalog would refuse what the observation has for it."""
    OUTSIDE_RANGE = "OutsideRange"
    """Its TemplateBundle does not accept the version that the observation has."""
    SUSPENDED = "Suspended"
    """Its TemplateBundle is suspended."""


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What filters and TemplateBundles go by: as the source emits it, without overrides."""

    name: str
    """``metadata.name``; empty where it has none."""
    title: str | None = None
    tags: tuple[str, ...] = ()
    type: str | None = None
    known: bool = True
    """False: of an entity that was read back from the catalog, where prefixes and overrides hide what the
    source emits. No filter is judged by them.
    """

    def as_element(self) -> dict[str, Json]:
        """The part of an element that filters look at."""
        metadata: dict[str, Json] = {"name": self.name, "title": self.title, "tags": list(self.tags)}
        return {"metadata": metadata, "spec": {"type": self.type}}


@dataclass(frozen=True, slots=True)
class Record:
    """One published entity, the trace of one that was lost and removed, or the bundle that a TemplateBundle
    is bound to.
    """

    ref: str
    """Lower case, ``template:namespace/name``; of a binding ``bundle:`` and the key of the bundle."""
    facts: SourceFacts
    """What filters and TemplateBundles go by, as the source emits it."""
    bundle_id: str | None
    """Of a binding: the key of the bundle, which has the id where there is one."""
    bundle_version: str | None
    generated_at: str | None
    """``skillmeat.io/generated-at`` as it was when the content hash last changed."""
    content_hash: str
    """``sha256:`` and hex digits; empty for a binding."""
    entity: Json | None
    """As published. None: a loss that was acted on, kept while the removal guard counts it, or a binding."""
    held: HeldReason | None = None
    lost_since: str | None = None
    """RFC 3339: when the source was first seen without it."""
    bundle_status: str | None = None
    """Last known status of the bundle (``draft``, ``published``, ``deprecated``)."""
    declaration_hash: str | None = None
    """Digest of the TemplateBundle spec this was decided with."""
    declared_by: str | None = None
    """The TemplateBundle that governs it: its UID and what it names. Of a bundle that is not published a
    record says just that, and the bundle's name.
    """

    @property
    def is_published(self) -> bool:
        """Whether it is in the document."""
        return self.entity is not None

    @property
    def is_tombstone(self) -> bool:
        """Whether it is the trace of a loss that was acted on."""
        return self.entity is None and self.lost_since is not None

    @property
    def is_binding(self) -> bool:
        """Whether it is kept only because a TemplateBundle is bound to its bundle."""
        return self.entity is None and self.lost_since is None and self.declared_by is not None


@dataclass(frozen=True, slots=True)
class GuardState:
    """What the removal guard has to remember."""

    id: str | None = None
    """Id of the removal that is held."""
    since: str | None = None
    """RFC 3339: when the hold began."""
    approved_id: str | None = None
    """Id of the approval used last, which does not count again."""
    window_base: int | None = None
    """Entities published when the first loss of the window came."""


@dataclass(frozen=True, slots=True)
class ChunkName:
    """A chunk as the head names it."""

    name: str
    """Name of the ConfigMap."""
    sha256: str
    """Digest (hex) of its gzip bytes."""


@dataclass(frozen=True, slots=True)
class Head:
    """The one place that says what is published for a CatalogSource."""

    namespace: str
    name: str
    uid: str
    generation: int
    """Generation of the spec that the published set was decided with."""
    spec_hash: str
    """Digest of that spec without ``suspend``."""
    revision: str
    """See :func:`skillmeat_operator.domain.template.document.revision`."""
    document_etag: str
    """sha256 (hex) of the uncompressed document."""
    partitions: int
    """Number of partitions of the content, a power of two; not the number of chunks."""
    chunks: tuple[ChunkName, ...]
    guard: GuardState = field(default_factory=GuardState)
    revisions: tuple[str, ...] = ()
    """The latest revisions, newest first, at most :data:`KEPT_REVISIONS`."""
    target: str | None = None
    """URL at which the document is registered in the catalog."""
    resource_version: str | None = field(default=None, compare=False)
    """Of the stored head; not stored itself. None: there is no stored head, so that writing creates it."""

    def to_json(self) -> dict[str, Json]:
        """The stored form."""
        stored: dict[str, Json] = _HEAD.dump_python(self, mode="json", exclude={"resource_version"})
        return {"version": VERSION, **stored}

    def stored_as(self, resource_version: str) -> Self:
        """The same head as the store answered it."""
        return replace(self, resource_version=resource_version)

    @classmethod
    def from_json(cls, value: Json, *, resource_version: str | None = None) -> Self | None:
        """The head of a stored form, or None where it is not one of this version."""
        if not isinstance(value, Mapping) or value.get("version") != VERSION:
            return None
        stored = {key: item for key, item in value.items() if key not in ("version", "resource_version")}
        try:
            head: Any = _HEAD.validate_python({**stored, "resource_version": resource_version})
        except ValidationError:
            return None
        power_of_two = head.partitions > 0 and head.partitions & (head.partitions - 1) == 0
        return head if power_of_two else None


_HEAD: Final[TypeAdapter[Any]] = TypeAdapter(Head)


@dataclass(frozen=True, slots=True)
class Content:
    """Everything of a snapshot that grows with the number of templates."""

    records: tuple[Record, ...]
    """Sorted by ref."""
    observed: tuple[Json, ...] | None
    """Elements of the last complete observation, before overrides, in list order. None: never observed."""

    def document(self) -> bytes:
        """The document that is served, byte for byte the same for the same records."""
        return render(record.entity for record in self.records if record.is_published)
