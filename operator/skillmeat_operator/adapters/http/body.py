"""The body of an answer, decoded under a limit: a few kilobytes of gzip can stand for gigabytes."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable

from skillmeat_operator.adapters.http.call_errors import CallError, CallProblem

_GZIP = 16 + zlib.MAX_WBITS
_ENCODINGS = frozenset({"gzip", "x-gzip"})


async def read_body(parts: AsyncIterable[bytes], *, encoding: str, limit: int) -> bytes:
    """The whole body.

    Args:
        parts: The body as it comes over the wire.
        encoding: Value of ``Content-Encoding``.
        limit: Most bytes, on the wire and decoded.

    Raises:
        CallError: ``TOO_LARGE``; ``MALFORMED`` for an encoding other than gzip or a broken one; ``CUT_SHORT``
            for half a gzip stream.
    """
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return await _read_plain(parts, limit)
    if name not in _ENCODINGS:
        raise CallError(CallProblem.MALFORMED)
    return await _read_gzip(parts, limit)


async def _read_plain(parts: AsyncIterable[bytes], limit: int) -> bytes:
    body = bytearray()
    async for part in parts:
        body += part
        if len(body) > limit:
            raise CallError(CallProblem.TOO_LARGE)
    return bytes(body)


async def _read_gzip(parts: AsyncIterable[bytes], limit: int) -> bytes:
    body = bytearray()
    stream = zlib.decompressobj(_GZIP)
    received = 0
    async for part in parts:
        received += len(part)
        if received > limit:
            raise CallError(CallProblem.TOO_LARGE)
        try:
            # max_length bounds what one part may swell to; 0 would mean no bound.
            body += stream.decompress(part, limit - len(body) + 1)
        except zlib.error as error:
            raise CallError(CallProblem.MALFORMED) from error
        if len(body) > limit or stream.unconsumed_tail:
            raise CallError(CallProblem.TOO_LARGE)
        if stream.unused_data:
            raise CallError(CallProblem.MALFORMED)
    if received and not stream.eof:
        raise CallError(CallProblem.CUT_SHORT)
    return bytes(body)
