"""Async tests in a loop whose time passes at once, and the helpers they share."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.domain.failure import FailedError, Failure, FailureKind, Side


class _Selector(selectors.DefaultSelector):
    """Waits for nothing: the loop's time moves on to when something is due."""

    elapsed = 1000.0
    idle = 0

    def select(self, timeout: float | None = None) -> list[Any]:
        found = super().select(0)
        if not found and timeout is None:
            raise RuntimeError("all tasks wait for ever")
        if not found and timeout is not None and timeout > 0:
            self.elapsed += timeout
            self.idle = 0
        else:
            # Timers fire up to a nanosecond early (the loop's resolution); a real clock would move meanwhile.
            self.idle += 1
            self.elapsed += 1e-9 if self.idle > 1000 else 0.0
        return found


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._passing = _Selector()
        super().__init__(self._passing)

    def time(self) -> float:
        return self._passing.elapsed


def virtual(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test in virtual time, which begins at 1000 s; at most a day may pass."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(86_400):
                await test(*args, **kwargs)

        with asyncio.Runner(loop_factory=_Loop) as runner:
            runner.run(bounded())

    # pytest takes the parameters of a wrapped function for fixtures; an async one would be run by its plugin.
    return run


def clock() -> float:
    """Seconds of the running loop."""
    return asyncio.get_running_loop().time()


def middle(low: float, high: float) -> float:
    """The least surprising random number."""
    return (low + high) / 2


def failure(
    kind: FailureKind = FailureKind.TRANSIENT,
    *,
    side: Side = Side.SOURCE,
    retry_after: float | None = None,
    reason: Reason = Reason.SOURCE_UNREACHABLE,
    whole_server: bool = False,
) -> Failure:
    """A failure of a remote side."""
    return Failure(
        side=side,
        kind=kind,
        reason=reason,
        message="it fails",
        retry_after=retry_after,
        whole_server=whole_server,
    )


@dataclass
class Server:
    """Something that is read: counts, takes its time, and answers what it is told to."""

    answer: Any = "answer"
    seconds: float = 0.0
    began: list[float] = field(default_factory=list)

    async def read(self) -> Any:
        """One reading."""
        self.began.append(clock())
        answer = self.answer
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if isinstance(answer, Failure):
            raise FailedError(answer)
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class Calls:
    """Notes calls with the time of each."""

    made: list[tuple[Any, ...]] = field(default_factory=list)

    def __call__(self, *args: Any) -> None:
        self.made.append(args)

    def clear(self) -> None:
        """Forget them."""
        self.made.clear()

    @property
    def first(self) -> list[Any]:
        """The first argument of each call."""
        return [args[0] for args in self.made]
