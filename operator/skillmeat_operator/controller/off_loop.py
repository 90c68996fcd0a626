"""Long computations away from the event loop: in a thread where the input is large, else in place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

LARGE: Final = 200
"""Templates from which on what is computed of all of them is large."""


async def compute(call: Callable[[], T], *, large: bool) -> T:
    """The result of ``call``; a thread costs more than it saves where the input is small."""
    return await asyncio.to_thread(call) if large else call()
