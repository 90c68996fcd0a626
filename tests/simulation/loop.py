"""Virtual time: a loop whose clock jumps to the next timer, and in which nothing runs beside it.

What would run in a thread runs at once, in place, so that a run depends on its seed alone and replays exactly.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

T = TypeVar("T")

BEGINNING = 1_000.0
"""Seconds of the loop's clock at the beginning."""

SPIN = 20_000
"""Turns of the loop without a step of time after which something turns in a circle."""


class StuckError(Exception):
    """Everything waits for ever, or something turns without time passing."""


class _Selector(selectors.DefaultSelector):
    now = BEGINNING
    turns = 0

    def select(self, timeout: float | None = None) -> list[Any]:
        found = super().select(0)
        if not found and timeout is None:
            raise StuckError("all tasks wait for ever")
        if not found and timeout is not None and timeout > 0:
            self.now += timeout
            self.turns = 0
            return found
        self.turns += 1
        if self.turns > 100:
            # Timers fire up to a nanosecond early (the loop's resolution); a real clock would move meanwhile.
            self.now += 1e-9
        if self.turns > SPIN:
            raise StuckError("the loop turns without time passing")
        return found


class _InPlace(Executor):
    """Runs what is submitted at once."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  # handed over to whoever awaits it
            future.set_exception(error)
        return future


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        return asyncio.wrap_future(_InPlace().submit(func, *args), loop=self)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time, and end what it leaves behind."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
