"""What is published for one CatalogSource: one value, as the cluster has it stored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSourceSpec
from skillmeat_operator.domain.observation import Json
from skillmeat_operator.domain.snapshot.codec import Chunk
from skillmeat_operator.domain.snapshot.model import Content, GuardState, Head, Record
from skillmeat_operator.domain.template.entity import canonical_json, canonical_template
from skillmeat_operator.serving.documents import Served


@dataclass(frozen=True, slots=True)
class StoredForm:
    """What a snapshot says, apart from losses that aged out: equal means that nothing has to be written."""

    fingerprint: str
    tombstones: frozenset[str]

    @classmethod
    def of(cls, content: Content, guard: GuardState, *, generation: int, spec: str) -> StoredForm:
        """The form of a content, decided with the spec of this generation and digest."""
        digest = hashlib.sha256()
        for record in content.records:
            if record.is_published:
                digest.update(canonical_json(_fields(record)) + b"\n")
        for element in content.observed or ():
            digest.update(canonical_template(element) + b"\n")
        state = [guard.id, guard.since, guard.approved_id, generation, spec]
        digest.update(canonical_json(state))
        return cls(
            fingerprint=digest.hexdigest(),
            tombstones=frozenset(
                f"{record.ref} {record.declared_by or ''}"
                for record in content.records
                if not record.is_published
            ),
        )

    def covers(self, wanted: StoredForm) -> bool:
        """Whether it says what is wanted; tombstones that aged out may stay until the next write."""
        return self.fingerprint == wanted.fingerprint and wanted.tombstones <= self.tombstones


@dataclass(frozen=True, slots=True)
class Published:
    """A snapshot as it is stored, and the document that is served for it; gzip bytes only."""

    head: Head
    chunks: tuple[Chunk, ...]
    document: Served
    form: StoredForm
    """Of what the chunks and the head hold."""


def spec_hash(spec: CatalogSourceSpec) -> str:
    """Digest of a spec without ``suspend``."""
    values = {key: value for key, value in spec.to_wire().items() if key != "suspend"}
    return hashlib.sha256(canonical_json(values)).hexdigest()


def _fields(record: Record) -> list[Json]:
    return [
        record.ref,
        record.bundle_id,
        record.bundle_version,
        record.generated_at,
        record.content_hash,
        record.entity,
        record.held,
        record.lost_since,
        record.bundle_status,
        record.declaration_hash,
        record.declared_by,
        list(record.facts.tags),
        record.facts.name,
        record.facts.title,
        record.facts.type,
    ]
