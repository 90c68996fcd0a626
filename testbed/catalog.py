"""A Backstage catalog as a person or test reads it: small, and independent of the operator's own adapter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from testbed.errors import PartError
from testbed.web import Answer, call, expect

Entity = dict[str, Any]

HASH = "skillmeat.io/content-hash"
"""The annotation by which the operator knows what the portal shows."""


class Catalog:
    """Reads (and registers in) the catalog of one portal with one token."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url
        self._token = token

    def request(self, method: str, path: str, body: object | None = None) -> Answer:
        """One call below ``/api/catalog``; raises ``OSError`` when the portal is away."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        return call(method, f"{self.url}/api/catalog{path}", body=body, headers=headers)

    def by_query(self, *filters: str, fields: Sequence[str] = (), limit: int = 10_000) -> list[Entity]:
        """The entities that match any of the filters (``kind=template,metadata.namespace=skillmeat``).

        At most ``limit``, ordered by name. Raises ``PartError`` for any status but 200.
        """
        query = [("filter", one) for one in filters]
        query += [("limit", str(limit)), ("orderField", "metadata.name,asc")]
        if fields:
            query.append(("fields", ",".join(fields)))
        answer = self.request("GET", f"/entities/by-query?{urlencode(query)}")
        found: list[Entity] = expect(answer, 200, what="The catalog's by-query").json()["items"]
        return found

    def templates(self, namespace: str = "skillmeat") -> list[Entity]:
        """The Template entities of a catalog namespace, ordered by name."""
        return self.by_query(f"kind=template,metadata.namespace={namespace}")

    def names(self, namespace: str = "skillmeat") -> list[str]:
        """The names of the templates of a catalog namespace, in order."""
        found = self.by_query(
            f"kind=template,metadata.namespace={namespace}", fields=["metadata.name", "metadata.annotations"]
        )
        return sorted(str(entity["metadata"]["name"]) for entity in found)

    def entity(self, kind: str, namespace: str, name: str) -> Entity | None:
        """One entity, or ``None`` when the catalog says that it has none."""
        path = "/".join(quote(part, safe="") for part in (kind, namespace, name))
        answer = self.request("GET", f"/entities/by-name/{path}")
        expect(answer, 200, 404, what="The catalog's by-name")
        if answer.status == 404:
            if not answer.body:
                raise PartError("Backstage is still starting: it answers 404 with an empty body.")
            return None
        found: Entity = answer.json()
        return found

    def locations(self) -> list[dict[str, Any]]:
        """The registered locations: ``{id, type, target, entityRef}``."""
        answer = expect(self.request("GET", "/locations"), 200, what="The catalog's locations")
        return [item["data"] for item in answer.json()]

    def register(self, target: str) -> dict[str, Any]:
        """Register a document by hand, as another team would; returns the location."""
        answer = self.request("POST", "/locations", {"type": "url", "target": target})
        location: dict[str, Any] = expect(answer, 201, what="The catalog's registration").json()["location"]
        return location

    def unregister(self, location_id: str) -> None:
        """Delete a location with its entities."""
        expect(self.request("DELETE", f"/locations/{location_id}"), 204, what="The catalog's unregistration")

    def refresh(self, entity_ref: str) -> None:
        """Ask the portal to read an entity's source again soon."""
        expect(self.request("POST", "/refresh", {"entityRef": entity_ref}), 200, what="The catalog's refresh")

    def wait(
        self, expected: Callable[[list[Entity]], bool], *, namespace: str = "skillmeat", timeout: float = 30.0
    ) -> list[Entity]:
        """Wait until the templates of a namespace are as expected, and return them.

        Raises ``PartError`` with what there is after ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            found = self.templates(namespace)
            if expected(found):
                return found
            if time.monotonic() > deadline:
                names = ", ".join(entity["metadata"]["name"] for entity in found) or "none"
                raise PartError(
                    f"After {timeout:.0f} s the portal shows as templates of {namespace}: {names}."
                )
            time.sleep(0.1)

    async def by_query_async(self, *filters: str, fields: Sequence[str] = ()) -> list[Entity]:
        """``by_query`` for asynchronous tests."""
        return await asyncio.to_thread(self.by_query, *filters, fields=fields)

    async def locations_async(self) -> list[dict[str, Any]]:
        """``locations`` for asynchronous tests."""
        return await asyncio.to_thread(self.locations)

    async def wait_async(
        self, expected: Callable[[list[Entity]], bool], *, namespace: str = "skillmeat", seconds: float = 30.0
    ) -> list[Entity]:
        """``wait`` for asynchronous tests, at most ``seconds``."""
        return await asyncio.to_thread(self.wait, expected, namespace=namespace, timeout=seconds)


def content_hash(entity: Entity) -> str | None:
    """The operator's content hash of an entity in the catalog."""
    value: str | None = entity["metadata"].get("annotations", {}).get(HASH)
    return value
