"""What the HTTP library says of its clients, without a word of theirs (design, section 3, law 12).

aiohttp logs a request that is no HTTP with a traceback that repeats the client's bytes, credentials among
them, and does so for each one. Here such a client is counted, and told of at most once a minute; a defect of
ours keeps its traceback.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from aiohttp import ClientError
from aiohttp.http_exceptions import HttpProcessingError

QUIET: Final = 60.0
"""Seconds between two lines about clients."""


class ClientFaults(logging.Filter):
    """Lets a line about a client's fault through once in a while, in words of ours."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._told: float | None = None
        self._untold = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is written; what it says of a client is replaced."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, (HttpProcessingError, ClientError, OSError)):
            record.msg, record.args = "a request was not answered", ()
            return True
        self._untold += 1
        now = self._clock()
        if self._told is not None and now - self._told < QUIET:
            return False
        self._told = now
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg = "%d requests were no proper HTTP, or their clients went away"
        record.args = (self._untold,)
        record.exc_info = record.exc_text = None
        self._untold = 0
        return True


def protocol_log() -> logging.Logger:
    """The log of all listeners."""
    log = logging.getLogger("skillmeat_operator.serving.protocol")
    if not any(isinstance(one, ClientFaults) for one in log.filters):
        log.addFilter(ClientFaults())
    return log
