"""One folder for the data and logs of a running testbed, swept by the next one if this one is killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

_LOCK = "in-use.lock"


class RunFolder:
    """A folder that is there while its owner lives.

    The lock in it ends with the process, so a later run can tell a folder in use from what a killed one
    left (a control plane's data alone take over 100 MB).
    """

    def __init__(self, parent: Path | None = None) -> None:
        """Make the folder below ``parent``, and remove abandoned ones beside it."""
        parent = parent or Path(tempfile.gettempdir()) / f"skillmeat-testbed-runs-{os.getuid()}"
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        sweep(parent)
        # Born with its lock: under a name that the sweep leaves alone, then renamed.
        born = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
        self._lock = (born / _LOCK).open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.path = parent / born.name.replace(".new-", "run-")
        born.rename(self.path)

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()

    def keep(self) -> None:
        """Leave the folder where it is, for a look at its logs; the next run sweeps it."""
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def sweep(parent: Path) -> None:
    """Remove the folders that no living process holds."""
    for folder in parent.glob("run-*"):
        with contextlib.suppress(OSError), (folder / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
