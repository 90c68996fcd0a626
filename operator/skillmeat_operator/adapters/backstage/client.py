"""The catalog of a stock Backstage, read and changed (``facts/backstage.md``, section 3).

Only calls that catalogs since 2.1 have are used, but for ``?onConflict=refresh``, which older ones refuse in
a way of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import quote

from skillmeat_operator.adapters.backstage import entities as shapes
from skillmeat_operator.adapters.backstage.calls import CatalogCalls, Operation, Reply
from skillmeat_operator.adapters.backstage.errors import TOKEN_FIELD, URL_FIELD, error_of
from skillmeat_operator.adapters.backstage.reader import MOST_BYTES, BackstageReader
from skillmeat_operator.adapters.http.client import HttpClient, encode
from skillmeat_operator.adapters.http.credential import Credential
from skillmeat_operator.adapters.http.rate_limit import RateLimiter
from skillmeat_operator.adapters.http.tls import TlsMaterial
from skillmeat_operator.domain.observation import DryRun, Json, RegisteredLocation
from skillmeat_operator.domain.timings import Timings

DRY_RUNS = 2
"""Dry runs at the same time towards one portal: for each it reads a whole document (design, section 3)."""

_UNKNOWN_PARAMETER = "Unknown query parameter"
_GONE_OR_NOT = frozenset({200, 204, 404})


class BackstageClient(BackstageReader):
    """One portal's catalog, seen and changed with one token; failures as in :class:`BackstageReader`."""

    def __init__(
        self,
        http: HttpClient,
        limiter: RateLimiter,
        *,
        base_url: str,
        token: Credential | None = None,
        tls: TlsMaterial | None = None,
        timings: Timings | None = None,
        dry_runs: asyncio.Semaphore | None = None,
        url_field: str = URL_FIELD,
        token_field: str = TOKEN_FIELD,
        share: str = "",
    ) -> None:
        """Args:
            http: makes the calls.
            limiter: limits towards portals, shared by all clients of portals.
            base_url: base URL of the portal's backend.
            token: sent as ``Authorization: Bearer``.
            tls: CA and client certificate.
            timings: time-outs of a call and of a dry run.
            dry_runs: limits dry runs, shared by all clients of this portal; :data:`DRY_RUNS` without one.
            url_field: field of the spec, or flag, that the URL comes from; messages name it.
            token_field: the same of the token.
            share: on whose behalf it calls.

        Raises:
            FailedError: the URL is none (``InvalidSpec``).
        """
        times = timings or Timings()
        super().__init__(
            CatalogCalls(
                http,
                limiter,
                base_url=base_url,
                token=token,
                tls=tls,
                within=times.catalog_timeout,
                url_field=url_field,
                token_field=token_field,
                share=share,
            )
        )
        self._dry_run_timeout = times.dry_run_timeout
        self._dry_runs = dry_runs or asyncio.Semaphore(DRY_RUNS)

    async def register(self, target: str) -> RegisteredLocation | None:
        """Register a location of type ``url``; the catalog reads it later, whatever it is.

        Args:
            target: the document's URL, compared byte for byte.

        Returns:
            The location; ``None`` if it existed before (409).
        """
        reply = await self._post_location(target, query={}, expected={201, 409})
        if reply.status == 409:
            return None
        with self._calls.checked():
            return shapes.created_location(reply.value)

    async def onconflict_refresh(self, target: str) -> bool:
        """Register a location and have it read again even if it exists: the repair of a ghost location.

        Returns:
            Whether it was done; ``False`` if the catalog is older than 3.5.0 and does not know the parameter.
        """
        reply = await self._post_location(target, query={"onConflict": "refresh"}, expected={201, 400})
        if reply.status == 400 and _UNKNOWN_PARAMETER not in error_of(reply.answer)[1]:
            raise self._calls.invalid("HTTP 400")
        return reply.status == 201

    async def unregister(self, location_id: str) -> bool:
        """Delete a location; its entities vanish with it.

        Returns:
            Whether it was there.
        """
        path = f"/locations/{quote(location_id, safe='')}"
        operation = Operation("DELETE", path, "catalog.location.delete", expected=_GONE_OR_NOT, is_write=True)
        return (await self._calls.carry_out(operation)).status != 404

    async def move(self, location_id: str, target: str) -> bool:
        """Give a registered location another target; it keeps its id and the name of its entity.

        Returns:
            Whether it was done; ``False`` if the catalog is older than 3.6.0 and has no such call, or no such
            location any more.
        """
        operation = Operation(
            "PUT",
            f"/locations/{quote(location_id, safe='')}",
            "catalog.location.create",
            payload={"type": "url", "target": target},
            expected=frozenset({200, 404}),
            is_write=True,
            is_recent=True,
        )
        return (await self._calls.carry_out(operation)).status == 200

    async def refresh(self, entity_ref: str) -> bool:
        """Have the catalog process an entity again; a Location's document is read again.

        Returns:
            Whether the catalog knows the entity; it also knows one whose document it never could read.
        """
        operation = Operation(
            "POST",
            "/refresh",
            "catalog.entity.refresh",
            payload={"entityRef": entity_ref},
            expected=frozenset({200, 404}),
            is_write=True,
        )
        return (await self._calls.carry_out(operation)).status == 200

    @property
    def dry_run_waits(self) -> bool:
        """Whether a dry run would have to wait for others of this portal."""
        return self._dry_runs.locked()

    async def dry_run(self, target: str) -> DryRun:
        """Have the catalog read and check the whole document now, without keeping anything."""
        async with self._dry_runs:
            reply = await self._post_location(
                target, query={"dryRun": "true"}, expected={201, 400}, within=self._dry_run_timeout
            )
        if reply.status == 201:
            return DryRun(ok=True)
        name, message = error_of(reply.answer)
        if name != "InputError":
            raise self._calls.invalid("HTTP 400")
        return shapes.refused_dry_run(message)

    async def delete_entity(self, uid: str) -> None:
        """Delete an entity by uid, also one that is gone already; what a document still lists comes back."""
        path = f"/entities/by-uid/{quote(uid, safe='')}"
        operation = Operation("DELETE", path, "catalog.entity.delete", expected=_GONE_OR_NOT, is_write=True)
        await self._calls.carry_out(operation)

    async def validate_entity(self, entity: Json, target: str) -> bool | None:
        """Whether the catalog accepts an entity of this document; ``catalog.rules`` do not count here.

        Returns:
            ``None`` where it cannot be told: the entity is larger than the portal takes in a request.
        """
        payload = {"entity": entity, "location": f"url:{target}"}
        if len(encode(payload)) > MOST_BYTES:
            return None
        operation = Operation(
            "POST",
            "/validate-entity",
            "catalog.entity.validate",
            payload=payload,
            expected=frozenset({200, 400}),
        )
        reply = await self._calls.carry_out(operation)
        if reply.status == 200:
            return True
        # A refused entity comes with a list of errors, everything else with a single one.
        return False if isinstance(reply.value, Mapping) and "errors" in reply.value else None

    async def _post_location(
        self, target: str, *, query: Mapping[str, str], expected: set[int], within: float | None = None
    ) -> Reply:
        operation = Operation(
            "POST",
            "/locations",
            "catalog.location.create",
            query=query,
            payload={"type": "url", "target": target},
            expected=frozenset(expected),
            is_write=True,
            # A second registration would be a conflict with the first.
            is_repeatable=bool(query),
        )
        return await self._calls.carry_out(operation, within=within)
