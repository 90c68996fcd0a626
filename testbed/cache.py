"""The one folder of the user in which everything lies that the testbed fetched or built.

Each part has a folder whose name carries its versions and a hash of its pins, so a changed pin never meets
old files. It is filled under another name and renamed when complete, under a lock: installing twice, or in
two terminals at once, is safe, and an interrupted install leaves nothing that looks finished.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from testbed.errors import CancelledError

CACHE_VARIABLE = "SKILLMEAT_TESTBED_CACHE"


def default_folder() -> Path:
    """The cache folder: the variable ``SKILLMEAT_TESTBED_CACHE``, else ``~/.cache/skillmeat-testbed``."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser().absolute() if named else Path.home() / ".cache" / "skillmeat-testbed"


def digest(*pins: str | bytes | Path) -> str:
    """Twelve hex digits that change with any of the pins (files by their content)."""
    total = hashlib.sha256()
    for pin in pins:
        content = pin.read_bytes() if isinstance(pin, Path) else pin.encode() if isinstance(pin, str) else pin
        total.update(len(content).to_bytes(8, "big") + content)
    return total.hexdigest()[:12]


class Cache:
    """The cache folder and its locks."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_folder()

    @property
    def logs(self) -> Path:
        """Where the output of install steps is kept."""
        return self.folder / "logs"

    @property
    def downloads(self) -> Path:
        """Where package managers keep what they fetched; may be deleted at any time."""
        return self.folder / "downloads"

    @contextlib.contextmanager
    def lock(
        self,
        name: str,
        *,
        waiting: Callable[[], None] | None = None,
        cancelled: threading.Event | None = None,
    ) -> Iterator[None]:
        """Hold the lock of that name, in this and all other processes.

        Calls ``waiting`` once when another one has it; raises ``CancelledError`` when the event is
        set meanwhile.
        """
        (self.folder / "locks").mkdir(parents=True, exist_ok=True)
        with (self.folder / "locks" / f"{name}.lock").open("ab") as handle:
            told = False
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if not told and waiting is not None:
                        waiting()
                    told = True
                    if cancelled is not None and cancelled.is_set():
                        raise CancelledError(f"The wait for the lock of {name} was given up.") from None
                    time.sleep(0.2)
            yield

    def complete(self, folder: str, needed: Iterable[str]) -> bool:
        """Whether the folder of that name has all the needed files."""
        return all((self.folder / folder / name).exists() for name in needed)

    def fill(self, folder: str, fill: Callable[[Path], None]) -> Path:
        """Let ``fill`` write into an empty folder and give it its name when that worked.

        What ``fill`` wrote before it failed is removed. Call it under the lock of the part.
        """
        final, partial = self.folder / folder, self.folder / f"{folder}.partial"
        for leftover in (partial, final):
            if leftover.exists():
                shutil.rmtree(leftover)
        partial.mkdir(parents=True)
        try:
            fill(partial)
            partial.rename(final)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        return final

    def fill_file(self, folder: str, name: str, fill: Callable[[Path], None]) -> Path:
        """The same for one file of a folder whose files come one by one."""
        final = self.folder / folder / name
        partial = final.with_name(f"{name}.partial")
        final.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        try:
            fill(partial)
            partial.replace(final)
        finally:
            partial.unlink(missing_ok=True)
        return final
