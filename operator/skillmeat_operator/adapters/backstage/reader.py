"""What the catalog of a stock Backstage shows (``facts/backstage.md``, section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from skillmeat_operator.adapters.backstage import entities as shapes
from skillmeat_operator.adapters.backstage.calls import CatalogCalls, Operation
from skillmeat_operator.adapters.backstage.entities import FIELDS, ShapeError
from skillmeat_operator.adapters.http.client import encode
from skillmeat_operator.api.keys import MANAGED_BY
from skillmeat_operator.domain.observation import CatalogEntity, Json, PortalView, RegisteredLocation

PAGE_SIZE = 500
MOST_ENTITIES = 100_000
"""Entities of one view; a portal with more of ours is beyond what the operator is made for."""
MOST_REFS = 500
"""Refs of one ``by-refs`` call."""
MOST_BYTES = 90_000
"""Bytes of one request's body; Backstage takes 100 kB."""

_READ = "catalog.entity.read"
_MARKED = f"kind=template,metadata.annotations.{MANAGED_BY}"
_READINGS = 2


class BackstageReader:
    """Reads one portal's catalog with one token.

    Every method raises :class:`FailedError` where there is no answer, an unexpected one, or one of another
    shape. That something does not exist counts only if the catalog itself says so: while Backstage starts it
    answers 404 with an empty body, which is a failure here. A token without read permission gets the
    catalog's own "does not exist" and empty lists, though; only :attr:`PortalView.reads_entities` tells that
    apart.
    """

    def __init__(self, calls: CatalogCalls) -> None:
        self._calls = calls

    async def view(self) -> PortalView:
        """All Templates with our marker annotation, whoever's, and all registered locations."""
        began_at = self._calls.now()
        entities = await self._marked_entities()
        locations = await self.locations()
        reads = bool(entities) or await self.reads_entities()
        return PortalView(entities=entities, locations=locations, reads_entities=reads, began_at=began_at)

    async def locations(self) -> dict[str, RegisteredLocation]:
        """Registered locations of type ``url``, by target, without those of the portal's configuration."""
        reply = await self._calls.carry_out(Operation("GET", "/locations", "catalog.location.read"))
        with self._calls.checked():
            return shapes.registered_locations(reply.value)

    async def reads_entities(self) -> bool:
        """Whether the token reads any entity of whatever kind."""
        found = await self._page({"limit": "1", "fields": "kind"})
        return bool(found.items)

    async def entities_by_refs(self, refs: Iterable[str]) -> dict[str, CatalogEntity | None]:
        """Entities by lower-case ref, ``None`` for each that the catalog does not show."""
        found = await self._by_refs(refs, fields=FIELDS.split(","))
        with self._calls.checked():
            return {ref: None if raw is None else shapes.catalog_entity(raw) for ref, raw in found.items()}

    async def full_entities(self, refs: Iterable[str]) -> dict[str, Json | None]:
        """Whole entities by lower-case ref, ``None`` for each that the catalog does not show."""
        return await self._by_refs(refs, fields=None)

    async def entity_exists(self, entity_ref: str) -> bool:
        """Whether the catalog shows an entity of this ref."""
        return await self._by_name(entity_ref) is not None

    async def _marked_entities(self) -> dict[str, CatalogEntity]:
        """All pages. Cursors follow a key of the entities: no change in between makes one slip through."""
        for _ in range(_READINGS):
            found = await self._page({"filter": _MARKED, "fields": FIELDS, "limit": str(PAGE_SIZE)})
            complete = found.next_cursor is not None or len(found.items) >= found.total
            raw = await self._following(found)
            if complete:
                with self._calls.checked():
                    return {entity.ref: entity for entity in map(shapes.catalog_entity, raw)}
        raise self._calls.invalid("fewer entities than it counts")

    async def _following(self, found: shapes.EntitiesPage) -> list[Any]:
        """The items of this page and of all that follow."""
        raw = list(found.items)
        seen: set[str] = set()
        while found.next_cursor is not None:
            if found.next_cursor in seen or len(raw) > MOST_ENTITIES:
                raise self._calls.invalid("pages without end")
            seen.add(found.next_cursor)
            query = {"cursor": found.next_cursor, "fields": FIELDS, "limit": str(PAGE_SIZE)}
            found = await self._page(query)
            raw.extend(found.items)
        return raw

    async def _page(self, query: Mapping[str, str]) -> shapes.EntitiesPage:
        reply = await self._calls.carry_out(Operation("GET", "/entities/by-query", _READ, query=query))
        with self._calls.checked():
            return shapes.page(reply.value)

    async def _by_refs(self, refs: Iterable[str], *, fields: Sequence[str] | None) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for chunk in _chunks(dict.fromkeys(ref.lower() for ref in refs)):
            payload: dict[str, Any] = {"entityRefs": chunk}
            if fields is not None:
                payload["fields"] = list(fields)
            operation = Operation("POST", "/entities/by-refs", _READ, payload=payload)
            reply = await self._calls.carry_out(operation)
            with self._calls.checked():
                raw = shapes.items(reply.value, refs=chunk)
            found.update(zip(chunk, raw, strict=True))
        return found

    async def _by_name(self, entity_ref: str) -> Mapping[str, Any] | None:
        kind, _, rest = entity_ref.partition(":")
        namespace, _, name = rest.partition("/")
        path = "/entities/by-name/" + "/".join(quote(part, safe="") for part in (kind, namespace, name))
        operation = Operation("GET", path, _READ, expected=frozenset({200, 404}))
        reply = await self._calls.carry_out(operation)
        if reply.status == 404:
            return None
        with self._calls.checked():
            if shapes.reference(reply.value) != entity_ref.lower():
                raise ShapeError("another entity")
        entity: Mapping[str, Any] = reply.value
        return entity


def _chunks(refs: Iterable[str]) -> Iterator[list[str]]:
    """Lists of at most :data:`MOST_REFS` refs that fit into one request's body."""
    chunk: list[str] = []
    size = 0
    for ref in refs:
        length = len(encode(ref)) + 1
        if chunk and (len(chunk) == MOST_REFS or size + length > MOST_BYTES - 1_000):
            yield chunk
            chunk, size = [], 0
        chunk.append(ref)
        size += length
    if chunk:
        yield chunk
