"""A number of places that namespaces share: whoever waits gets one in turns, not by who came first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairPool:
    """At most ``size`` holders at a time; shares that wait take turns."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """By share, in the order in which shares take turns."""

    @asynccontextmanager
    async def place(self, share: str) -> AsyncIterator[None]:
        """Hold a place, after waiting for it."""
        await self._enter(share)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, share: str) -> None:
        if self._free > 0 and not self._waiting:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(share, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # The place was given in the very moment of the cancellation: it goes on to the next.
                self._leave()
            else:
                self._drop(share, turn)
            raise

    def _leave(self) -> None:
        self._free += 1
        while self._free > 0 and self._waiting:
            share = next(iter(self._waiting))
            line = self._waiting.pop(share)
            turn = line.popleft()
            if line:
                # To the end of the line of shares.
                self._waiting[share] = line
            if not turn.done():
                self._free -= 1
                turn.set_result(None)

    def _drop(self, share: str, turn: asyncio.Future[None]) -> None:
        line = self._waiting.get(share)
        if line is None:
            return
        if turn in line:
            line.remove(turn)
        if not line:
            del self._waiting[share]
