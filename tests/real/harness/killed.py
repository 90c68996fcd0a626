"""The operator, ended by SIGKILL right before or after the n-th call of one step of the publishing order."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skillmeat_operator.adapters.backstage.client import BackstageClient
from skillmeat_operator.adapters.kubernetes.snapshots import SnapshotStore
from skillmeat_operator.adapters.kubernetes.status import StatusWriter

STEPS: dict[str, tuple[type, str]] = {
    "chunks": (SnapshotStore, "write_chunks"),
    "head": (SnapshotStore, "write_head"),
    "register": (BackstageClient, "register"),
    "refresh": (BackstageClient, "refresh"),
    "verify": (BackstageClient, "view"),
    "status": (StatusWriter, "write"),
    "tidy": (SnapshotStore, "delete_chunks"),
}
"""The steps in their order, and the method that takes each of them."""

Step = Callable[..., Awaitable[Any]]


@dataclass(frozen=True)
class Point:
    """Where the operator ends: before or after (``moment``) which call of a step."""

    moment: str
    step: str
    number: int

    def arm(self, file: Path) -> None:
        """Let the operator that looks at this file end itself there; calls count from now on."""
        file.write_text(f"{self.moment} {self.step} {self.number}", encoding="ascii")


def end_where_told(file: Path) -> None:
    """Let this process end itself at the point that a file names, as soon as there is one."""
    for step, (owner, name) in STEPS.items():
        setattr(owner, name, _ending(step, getattr(owner, name), file))


def _ending(step: str, original: Step, file: Path) -> Step:
    calls = 0

    async def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        point = _armed(file)
        if point is None or point.step != step:
            return await original(*args, **kwargs)
        calls += 1
        due = calls == point.number
        if due and point.moment == "before":
            _end()
        result = await original(*args, **kwargs)
        if due:
            _end()
        return result

    return call


def _armed(file: Path) -> Point | None:
    try:
        moment, step, number = file.read_text(encoding="ascii").split()
    except (FileNotFoundError, ValueError):  # not there, or just being written
        return None
    return Point(moment, step, int(number))


def _end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
