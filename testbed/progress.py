"""Progress of long steps, on stderr, one whole line at a time with the time since the start."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

_EVERY = 20.0


class Progress:
    """Lines of the form ``[ 1:05] backstage: installing 815 packages``."""

    def __init__(self, *, write: Callable[[str], None] | None = None) -> None:
        self._write = write or _to_stderr
        self._start = time.monotonic()

    def say(self, part: str, text: str) -> None:
        """Print one line about a part."""
        seconds = int(time.monotonic() - self._start)
        self._write(f"[{seconds // 60:2d}:{seconds % 60:02d}] {part}: {text}\n")

    @contextlib.contextmanager
    def step(self, part: str, text: str, *, detail: Callable[[], str] | None = None) -> Iterator[None]:
        """Announce a step, say every 20 s that it still runs (with ``detail``), and how long it took."""
        self.say(part, text)
        begun = time.monotonic()
        over = threading.Event()

        def remind() -> None:
            while not over.wait(_EVERY):
                more = f", {detail()}" if detail is not None else ""
                self.say(part, f"{text} … {time.monotonic() - begun:.0f} s{more}")

        reminder = threading.Thread(target=remind, name=f"progress {part}", daemon=True)
        reminder.start()
        try:
            yield
        finally:
            over.set()
            reminder.join()
        self.say(part, f"{text}: done in {time.monotonic() - begun:.0f} s")


def _to_stderr(line: str) -> None:
    with contextlib.suppress(OSError):  # a closed terminal must not end an install
        sys.stderr.write(line)
        sys.stderr.flush()
