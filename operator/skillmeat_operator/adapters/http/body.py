"""The body of an answer, decoded under a limit: a few kilobytes of gzip can stand for gigabytes."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable

from skillmeat_operator.adapters.http.call_errors import CallError, CallProblem

_GZIP = 16 + zlib.MAX_WBITS
_GZIP_MAGIC = b"\x1f\x8b"
_ENCODINGS = frozenset({"gzip", "x-gzip"})


async def read_body(parts: AsyncIterable[bytes], *, encoding: str, limit: int) -> bytes:
    """The whole body.

    A body that begins as gzip does is read as such although nobody said so: no JSON begins like that, and
    servers that keep gzip bytes behind a proxy that drops the header are not rare.

    Args:
        parts: The body as it comes over the wire.
        encoding: Value of ``Content-Encoding``.
        limit: Most bytes, on the wire and decoded.

    Raises:
        CallError: ``TOO_LARGE``; ``ENCODING`` for an encoding other than gzip or a broken one; ``CUT_SHORT``
            for half a gzip stream.
    """
    names = [name for one in encoding.split(",") if (name := one.strip().lower()) not in {"", "identity"}]
    if len(names) > 1 or not _ENCODINGS.issuperset(names):
        raise CallError(CallProblem.ENCODING)
    body = bytearray()
    received = 0
    gunzip = _Gunzip(limit) if names else None
    async for part in parts:
        received += len(part)
        if received > limit:
            raise CallError(CallProblem.TOO_LARGE)
        if gunzip is not None:
            gunzip.feed(part)
            continue
        body += part
        if body.startswith(_GZIP_MAGIC):
            gunzip = _Gunzip(limit)
            gunzip.feed(bytes(body))
    return gunzip.end() if gunzip is not None else bytes(body)


class _Gunzip:
    """Decodes gzip of one or several members (RFC 1952, 2.2), with zero bytes behind them as some writers
    leave; the limit holds for all members together.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._body = bytearray()
        self._member = zlib.decompressobj(_GZIP)
        self._any = False
        self._padded = False

    def feed(self, data: bytes) -> None:
        """Take in a part of the stream."""
        while data:
            if self._member.eof:
                self._padded = self._padded or data.startswith(b"\0")
                if self._padded:
                    if data.strip(b"\0"):
                        raise CallError(CallProblem.ENCODING)
                    return
                self._member = zlib.decompressobj(_GZIP)
            data = self._decode(data)

    def end(self) -> bytes:
        """The decoded body, once all of it has come; nothing at all is an empty body."""
        if self._any and not self._member.eof:
            raise CallError(CallProblem.CUT_SHORT)
        return bytes(self._body)

    def _decode(self, data: bytes) -> bytes:
        self._any = True
        try:
            # max_length bounds what one part may swell to; 0 would mean no bound.
            self._body += self._member.decompress(data, self._limit - len(self._body) + 1)
        except zlib.error as error:
            raise CallError(CallProblem.ENCODING) from error
        if len(self._body) > self._limit or self._member.unconsumed_tail:
            raise CallError(CallProblem.TOO_LARGE)
        return self._member.unused_data
