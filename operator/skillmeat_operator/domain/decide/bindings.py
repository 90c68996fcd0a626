"""Which bundle a record belongs to, and which one each TemplateBundle is bound to.

A TemplateBundle that names its bundle is bound to the one it once meant, also while nothing of that is
published: then a record of its own remembers the binding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from skillmeat_operator.domain.decide.candidates import Prepared
from skillmeat_operator.domain.decide.declarations import binding_of
from skillmeat_operator.domain.snapshot.model import Record, SourceFacts


def record_key(record: Record) -> str:
    """Key of the bundle that a record belongs to."""
    return record.bundle_id or f"name:{record.facts.name}"


def records_by_key(records: tuple[Record, ...] | None) -> dict[str, Record]:
    """Published records (no tombstones) by key of their bundle."""
    return {record_key(record): record for record in records or () if record.is_published}


def source_names(records: tuple[Record, ...] | None) -> dict[str, str]:
    """Names, as the source emits them, of what is published or bound, by key of the bundle."""
    return {
        record_key(record): record.facts.name
        for record in records or ()
        if record.facts.known and (record.is_published or record.is_binding)
    }


def bindings(records: tuple[Record, ...] | None) -> dict[str, str]:
    """Keys of bundles by the TemplateBundle that is bound to them, as the snapshot knows."""
    return {binding: key for binding, key, _ in _bound(records)}


def binding_records(
    prepared: Prepared, by_key: Mapping[str, Record], records: tuple[Record, ...] | None
) -> tuple[Record, ...]:
    """Which bundle each TemplateBundle means that names one, where no published record says so.

    Once bound, bound (design, section 2): until the TemplateBundle names another, or goes.

    Args:
        prepared: candidates, and the TemplateBundles that were matched with them.
        by_key: what is published now, by key of its bundle.
        records: what the snapshot holds.
    """
    matched = prepared.declarations
    found: dict[str, Record] = {}
    present = {binding_of(one.bundle) for one in matched.all}
    placed = {record.declared_by for record in by_key.values()}
    for binding, key, name in _bound(records):
        if binding not in placed and (binding in present or key in matched.frozen):
            found[binding] = _binding(key, name=name, declared_by=binding)
    for key, declaration in matched.by_key.items():
        if key not in by_key and key in prepared.observed_keys:
            binding = binding_of(declaration.bundle)
            found[binding] = _binding(key, name=_name_of(prepared, key), declared_by=binding)
    return tuple(found.values())


def _bound(records: tuple[Record, ...] | None) -> Iterator[tuple[str, str, str]]:
    """What the snapshot knows of bound bundles: what is bound to it, its key and its name in the source."""
    for record in records or ():
        if record.declared_by is not None and (record.is_published or record.is_binding):
            yield record.declared_by, record_key(record), record.facts.name


def _binding(key: str, *, name: str, declared_by: str) -> Record:
    return Record(
        ref=f"bundle:{key}",
        facts=SourceFacts(name=name),
        bundle_id=key,
        bundle_version=None,
        generated_at=None,
        content_hash="",
        entity=None,
        declared_by=declared_by,
    )


def _name_of(prepared: Prepared, key: str) -> str:
    candidate = prepared.by_key.get(key)
    return candidate.facts.name if candidate is not None else ""
