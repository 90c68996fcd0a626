"""One connection to a name with several addresses: all are tried, and a dead one holds up no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import httpcore

STAGGER = 0.25
"""Seconds after which the next address is tried beside those that have not answered (RFC 8305, section 5,
"Connection Attempt Delay")."""

Connect = Callable[[str], Awaitable[httpcore.AsyncNetworkStream]]
"""Connects to an address. Raises httpcore.ConnectError or httpcore.ConnectTimeout."""


async def first_connected(
    addresses: Sequence[str], connect: Connect
) -> tuple[str, httpcore.AsyncNetworkStream]:
    """Connect to the first address that answers.

    Each is tried :data:`STAGGER` after the one before it, or as soon as that one failed.

    Args:
        addresses: at least one, in the order in which to try them.
        connect: makes one connection.

    Returns:
        The address and the connection to it; all other tries are over.

    Raises:
        httpcore.ConnectError, httpcore.ConnectTimeout: none answers; that of the last one.
    """
    waiting = list(reversed(addresses))
    tries: dict[asyncio.Future[httpcore.AsyncNetworkStream], str] = {}
    try:
        while True:
            if waiting:
                address = waiting.pop()
                tries[asyncio.ensure_future(connect(address))] = address
            done, _ = await asyncio.wait(
                tries, timeout=STAGGER if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for one in done:
                address = tries[one]
                failure = one.exception()
                if failure is None:
                    del tries[one]
                    return address, one.result()
                if not isinstance(failure, (httpcore.ConnectError, httpcore.ConnectTimeout)):
                    raise failure
                del tries[one]
                if not (waiting or tries):
                    raise failure
    finally:
        for one in tries:
            one.cancel()
        for late in await asyncio.gather(*tries, return_exceptions=True):
            if isinstance(late, httpcore.AsyncNetworkStream):
                await late.aclose()
