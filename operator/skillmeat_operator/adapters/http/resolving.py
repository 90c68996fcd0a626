"""Look-ups of host names, apart from everything else that the process does in threads.

The system's resolver blocks its thread for as long as a name server does not answer, half a minute and more.
In a pool that others use, half a dozen such names would hold up every other name, and whatever else is
computed there; so each look-up has a thread of its own, which does not keep the process from ending either.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Collection
from typing import Any, Final

MOST_THREADS: Final = 128
"""Look-ups at the same time, those included that nobody waits for any more."""

_places = threading.BoundedSemaphore(MOST_THREADS)


async def system_resolver(name: str, port: int) -> Collection[str]:
    """The addresses of a name as the system's resolver gives them, each once.

    Raises:
        OSError: it has none, or too many look-ups are under way.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Any]] = loop.create_future()
    if not _places.acquire(blocking=False):
        raise OSError("too many names are being looked up")

    def tell(rows: list[Any] | None, error: Exception | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(rows or [])

    def look_up() -> None:
        rows, failed = None, None
        try:
            rows = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            failed = error
        finally:
            _places.release()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, rows, failed)

    threading.Thread(target=look_up, name="resolve", daemon=True).start()
    return list(dict.fromkeys(str(row[4][0]) for row in await answer))
