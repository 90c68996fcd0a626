"""Reads the portal again and again while the demo goes on, so that "never" is a measurement."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from http.client import HTTPException

from testbed.errors import PartError


class PortalWatch:
    """One thread that reads the portal every ``every`` seconds and remembers what was missing."""

    def __init__(
        self, read: Callable[[], Collection[str]], wanted: Collection[str], *, every: float = 0.5
    ) -> None:
        """Prepare a watch; ``read`` returns the names the portal shows, ``wanted`` must all be among them."""
        self._read = read
        self._wanted = frozenset(wanted)
        self._every = every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="portal watch", daemon=True)
        self.reads = 0
        """How often the portal was read."""
        self.lacked: set[str] = set()
        """What was missing at any time."""
        self.failures = 0
        """How often the portal did not answer as it should."""

    def start(self) -> PortalWatch:
        """Begin."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End, after the read that is under way; also safe when it has not begun."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def complaint(self) -> str | None:
        """What went wrong so far, or nothing."""
        if self.lacked:
            return f"for a while the portal lacked {', '.join(sorted(self.lacked))}."
        if self.failures:
            return f"{self.failures} of {self.reads + self.failures} reads of the portal failed."
        return None if self.reads else "the portal was never read."

    def _watch(self) -> None:
        while not self._over.is_set():
            try:
                found = set(self._read())
            except (OSError, HTTPException, PartError):
                self.failures += 1
            else:
                self.reads += 1
                self.lacked |= self._wanted - found
            self._over.wait(self._every)
