"""The operator, ended by SIGKILL right before or after the n-th call of one step of the publishing order.

A program: ``python killed.py before|after STEP N FILE run …``, where everything from ``run`` on is the
operator's own. Calls count from the moment at which FILE exists.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from skillmeat_operator.adapters.backstage import BackstageClient
from skillmeat_operator.adapters.kubernetes.snapshots import SnapshotStore
from skillmeat_operator.adapters.kubernetes.status import StatusWriter
from skillmeat_operator.cli.main import main

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


def arm(moment: str, step: str, number: int, armed_by: Path) -> None:
    """Let this process end itself at a step, once ``armed_by`` exists."""
    owner, name = STEPS[step]
    original: Step = getattr(owner, name)
    calls = 0

    async def armed(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += os.path.exists(armed_by)  # noqa: ASYNC240 - one stat of a local file
        due = calls == number
        if due and moment == "before":
            _end()
        result = await original(*args, **kwargs)
        if due:
            _end()
        return result

    setattr(owner, name, armed)


def _end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    arm(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    sys.argv[1:5] = []
    sys.exit(main())
