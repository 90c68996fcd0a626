"""The documents that catalogs read: strong ETags, gzip, 304, and never an empty answer before the first
decision.

The catalog's reader sends a plain GET with ``If-None-Match`` of its last 200 and takes 4xx and 5xx for an
outage that changes nothing; a 200 without entities makes it remove all of them (``facts/backstage.md``,
section 4).
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import logging
import re
import zlib
from dataclasses import dataclass, field
from typing import Final, Protocol, Self

from aiohttp import ETag, web

logger = logging.getLogger(__name__)

CONTENT_TYPE: Final = "application/yaml"
"""RFC 9512. The catalog's reader does not look at it."""

ROUTE: Final = "/catalogs/{prefix:[0-9a-f]{8}}/{namespace}/{name}.yaml"

_LABEL: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_NAME: Final = re.compile(r"(?=.{1,63}\Z)[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?")
_BLOCK: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Served:
    """A document as it lies in memory: gzip only."""

    sha256: str
    """Of the uncompressed document, hex: the strong ETag."""
    size: int
    """Bytes of the uncompressed document."""
    compressed: bytes = field(repr=False)
    """gzip of the document."""

    @classmethod
    def of(cls, document: bytes) -> Self:
        """Compress a document; blocks for about 20 ms per MiB."""
        return cls(
            sha256=hashlib.sha256(document).hexdigest(),
            size=len(document),
            compressed=gzip.compress(document, compresslevel=6, mtime=0),
        )


@dataclass(frozen=True, slots=True)
class NotFound:
    """There is no such document: no CatalogSource of this name publishes here."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """There will be a document, but what it holds is not decided yet."""

    retry_after: int = 5
    """Seconds after which it is worth to ask again."""


class DocumentProvider(Protocol):
    """Where documents come from."""

    async def document(self, prefix: str, namespace: str, name: str) -> Served | NotFound | NotYet:
        """The document of a CatalogSource, as its head says now.

        Args:
            prefix: first 8 hex digits of the cluster's UID.
            namespace: of the CatalogSource.
            name: of the CatalogSource.
        """
        ...


class Documents:
    """Answers requests for documents."""

    def __init__(
        self,
        provider: DocumentProvider,
        *,
        decide_within: float = 5.0,
        send_within: float = 60.0,
    ) -> None:
        """Prepare the handler.

        Args:
            provider: where documents come from; asked once for each connection at a time.
            decide_within: seconds that the provider may take.
            send_within: seconds that a client may take to read one document.
        """
        self._provider = provider
        self._decide_within = decide_within
        self._send_within = send_within

    def add_routes(self, app: web.Application) -> None:
        """Serve the documents in an application."""
        app.router.add_get(ROUTE, self._answer, allow_head=True)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        names = request.match_info
        if not _LABEL.fullmatch(names["namespace"]) or not _NAME.fullmatch(names["name"]):
            return _not_found()
        try:
            async with asyncio.timeout(self._decide_within):
                found = await self._provider.document(names["prefix"], names["namespace"], names["name"])
        except TimeoutError:
            return _come_again(NotYet().retry_after, "The state of this document cannot be read now.")
        match found:
            case NotFound():
                return _not_found()
            case NotYet(retry_after=seconds):
                return _come_again(seconds, "This document is not decided yet.")
            case Served():
                return await self._send(request, found)

    async def _send(self, request: web.Request, found: Served) -> web.StreamResponse:
        compressed = _accepts_gzip(request)
        tag = ETag(f"{found.sha256}-gzip" if compressed else found.sha256)
        headers = {"Vary": "Accept-Encoding", "Cache-Control": "no-cache"}
        if _has(request, tag):
            response = web.Response(status=304, headers=headers)
            response.etag = tag
            return response
        answer = web.StreamResponse(headers={**headers, "Content-Type": CONTENT_TYPE})
        answer.etag = tag
        answer.content_length = len(found.compressed) if compressed else found.size
        if compressed:
            answer.headers["Content-Encoding"] = "gzip"
        try:
            async with asyncio.timeout(self._send_within):
                await answer.prepare(request)
                if request.method != "HEAD":
                    await _write(answer, found.compressed, inflate=not compressed)
                await answer.write_eof()
        except TimeoutError:
            logger.info("A client did not read a document in time and was disconnected")
            if request.transport is not None:
                request.transport.abort()
        return answer


async def _write(answer: web.StreamResponse, compressed: bytes, *, inflate: bool) -> None:
    """Send a body block by block, so that a slow client costs one block and not the whole document again."""
    inflater = zlib.decompressobj(wbits=31)
    for start in range(0, len(compressed), _BLOCK):
        block = compressed[start : start + _BLOCK]
        if not inflate:
            await answer.write(block)
            continue
        while block:
            await answer.write(inflater.decompress(block, _BLOCK))
            block = inflater.unconsumed_tail
    # What did not fit into the last block, though all input was taken.
    await answer.write(inflater.flush())


def _accepts_gzip(request: web.Request) -> bool:
    """Whether gzip is among the encodings that the client takes (RFC 9110, section 12.5.3)."""
    weights: dict[str, float] = {}
    for item in ",".join(request.headers.getall("Accept-Encoding", [])).split(","):
        coding, *parameters = (part.strip().lower() for part in item.split(";"))
        weights[coding] = _weight(parameters)
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _has(request: web.Request, tag: ETag) -> bool:
    """Whether the client has the variant it would get (RFC 9110, section 13.1.2: weak comparison)."""
    known = request.if_none_match or ()
    return any(entry.value in ("*", tag.value) for entry in known)


def _not_found() -> web.Response:
    return web.Response(
        status=404, text="There is no such document.\n", headers={"Cache-Control": "no-store"}
    )


def _come_again(seconds: int, said: str) -> web.Response:
    headers = {"Cache-Control": "no-store", "Retry-After": str(seconds)}
    return web.Response(status=503, text=f"{said}\n", headers=headers)
