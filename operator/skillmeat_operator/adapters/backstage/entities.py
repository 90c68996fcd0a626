"""The shapes that the catalog answers with, checked field by field, and the dry run's refusals told apart."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skillmeat_operator.api.keys import CONTENT_HASH, MANAGED_BY, MANAGED_BY_ORIGIN_LOCATION, ORPHAN
from skillmeat_operator.domain.observation import CatalogEntity, DryRun, RegisteredLocation
from skillmeat_operator.domain.template.entity import annotation, bundle_id, bundle_version
from skillmeat_operator.domain.template.grammar import is_entity_ref

FIELDS = "kind,metadata.name,metadata.namespace,metadata.uid,metadata.annotations,status"
"""What :func:`catalog_entity` looks at; keeps a page of 1,000 Templates at 400 kB instead of 3.4 MB."""

_IDENTIFIER = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,127}")
_MOST_REFS = 100


class ShapeError(ValueError):
    """An answer lacks a field or has another type; nothing of it is in the message."""


@dataclass(frozen=True, slots=True)
class EntitiesPage:
    """One page of ``by-query``."""

    items: tuple[Any, ...]
    total: int
    """How many there are on all pages."""
    next_cursor: str | None


def page(value: Any) -> EntitiesPage:
    """The page that an answer holds.

    Raises:
        ShapeError: it is none.
    """
    body = _mapping(value)
    total = body.get("totalItems")
    if not isinstance(total, int) or isinstance(total, bool) or total < 0:
        raise ShapeError("no totalItems")
    cursor = _mapping(body.get("pageInfo")).get("nextCursor")
    if cursor is not None and (not isinstance(cursor, str) or not cursor):
        raise ShapeError("no cursor")
    return EntitiesPage(items=tuple(_list(body.get("items"))), total=total, next_cursor=cursor)


def items(value: Any, *, refs: Sequence[str]) -> list[Any]:
    """The items of a ``by-refs`` answer: for each ref its entity, or ``None``.

    Raises:
        ShapeError: they are not as many, or others.
    """
    found = _list(_mapping(value).get("items"))
    if len(found) != len(refs):
        raise ShapeError("not one item a ref")
    if any(item is not None and reference(item) != ref for ref, item in zip(refs, found, strict=True)):
        raise ShapeError("another entity")
    return found


def reference(value: Any) -> str:
    """The lower-case ref of an entity as the catalog sends it.

    Raises:
        ShapeError: it has no legal one.
    """
    entity = _mapping(value)
    metadata = _mapping(entity.get("metadata"))
    parts = (entity.get("kind"), metadata.get("namespace", "default"), metadata.get("name"))
    if not all(isinstance(part, str) for part in parts):
        raise ShapeError("no ref")
    kind, namespace, name = parts
    ref = f"{kind}:{namespace}/{name}".lower()
    if not is_entity_ref(ref):
        raise ShapeError("no ref")
    return ref


def catalog_entity(value: Any) -> CatalogEntity:
    """An entity with at least :data:`FIELDS`.

    Raises:
        ShapeError: it lacks its ref or uid.
    """
    ref = reference(value)
    return CatalogEntity(
        ref=ref,
        uid=identifier(_mapping(value["metadata"]).get("uid")),
        content_hash=annotation(value, CONTENT_HASH),
        managed_by=annotation(value, MANAGED_BY),
        origin=annotation(value, MANAGED_BY_ORIGIN_LOCATION),
        bundle_id=bundle_id(value),
        bundle_version=bundle_version(value),
        orphan=annotation(value, ORPHAN) == "true",
        failing=has_errors(value),
    )


def has_errors(value: Any) -> bool:
    """Whether the entity's status tells of an error, which means that the catalog shows older content."""
    status = value.get("status") if isinstance(value, Mapping) else None
    entries = status.get("items") if isinstance(status, Mapping) else None
    if not isinstance(entries, list):
        return False
    return any(isinstance(entry, Mapping) and entry.get("level") == "error" for entry in entries)


def registered_locations(value: Any) -> dict[str, RegisteredLocation]:
    """The locations of type ``url`` of a list, by target; each row stands under ``data``.

    Raises:
        ShapeError: it is no such list.
    """
    rows = [_mapping(_mapping(row).get("data")) for row in _list(value)]
    locations = [registered_location(row) for row in rows if row.get("type") == "url"]
    return {location.target: location for location in locations}


def created_location(value: Any) -> RegisteredLocation:
    """The location of the answer to a registration.

    Raises:
        ShapeError: there is none.
    """
    return registered_location(_mapping(value).get("location"))


def registered_location(value: Any) -> RegisteredLocation:
    """One location; catalogs before 3.6.0 do not tell its entity's ref.

    Raises:
        ShapeError: it lacks id or target.
    """
    row = _mapping(value)
    target = row.get("target")
    if not isinstance(target, str) or not target:
        raise ShapeError("no target")
    told = row.get("entityRef")
    ref = told.lower() if isinstance(told, str) and is_entity_ref(told) else location_ref(target)
    return RegisteredLocation(id=identifier(row.get("id")), target=target, entity_ref=ref)


def location_ref(target: str) -> str:
    """Ref of the Location entity that the catalog generates for a location of type ``url``.

    The name is a sha1 over type and target (``util/conversion`` of plugin-catalog-backend); it
    identifies, and protects nothing.
    """
    digest = hashlib.sha1(f"url:{target}".encode(), usedforsecurity=False).hexdigest()
    return f"location:default/generated-{digest}"


def identifier(value: Any) -> str:
    """An id or uid that may stand in a path.

    Raises:
        ShapeError: it may not.
    """
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        raise ShapeError("no identifier")
    return value


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ShapeError("no object")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ShapeError("no list")
    return value


_KIND_NOT_ALLOWED = "is not of an allowed kind for that location"
_HOST_NOT_ALLOWED = "backend.reading.allow"
_NOT_READ = ("no matching files found for ", ", could not read ", ", Unable to read ", "Too many redirects")
_TEMPLATE_REF = re.compile(r"(?<![\w/.:-])template:[a-z0-9-]{1,63}/[a-z0-9_.-]{1,63}", re.IGNORECASE)


def refused_dry_run(message: str) -> DryRun:
    """What the message of a refused dry run tells: each kind of refusal has its fixed words.

    The words are those of ``dryrun-*.json`` among the recordings, of ``UrlReaderProcessor`` and
    ``DefaultCatalogProcessingOrchestrator`` of plugin-catalog-backend 4.0.0, and of ``FetchUrlReader`` of
    backend-defaults 0.18.0. Refs are taken only where they pass their grammar; all else in the message is
    free text and dropped.
    """
    kind = _KIND_NOT_ALLOWED in message
    host = not kind and _HOST_NOT_ALLOWED in message
    unread = not kind and not host and any(words in message for words in _NOT_READ)
    found = (match.group().rstrip(".-_").lower() for match in _TEMPLATE_REF.finditer(message))
    refs = dict.fromkeys(ref for ref in found if is_entity_ref(ref))
    return DryRun(
        ok=False,
        kind_not_allowed=kind,
        host_not_allowed=host,
        unreachable=unread,
        refused_refs=tuple(refs)[:_MOST_REFS],
    )
