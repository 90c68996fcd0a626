"""A part that must not end: one that does is begun anew, and the rest goes on meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

logger = logging.getLogger(__name__)

_FIRST: Final = 1.0
_LONGEST: Final = 30.0
"""Seconds before an ended part is begun anew, doubled each time."""


async def keep_running(
    name: str,
    part: Callable[[], Awaitable[object]],
    *,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Run a part until cancelled; where it ends, which is a defect, say so and begin it anew.

    Args:
        name: of the part, for the log.
        part: runs it; called again for each beginning.
        sleep: waits for some seconds.
    """
    pause = _FIRST
    while True:
        try:
            await part()
            logger.error("%s ended and is begun anew", name)
        except Exception:
            logger.exception("%s failed and is begun anew", name)
        await sleep(pause)
        pause = min(2 * pause, _LONGEST)
