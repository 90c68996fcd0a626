"""Free ports on loopback that stay ours until they are given back.

Asking the kernel for port 0 and closing the socket again is a race: until the part binds, another part or
any outgoing connection may be given the same number. So ports come from below the kernel's own range, and
each is held by a lock file that every testbed of this user respects.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import IO

from testbed.errors import PartError

LOOPBACK = "127.0.0.1"
_LOWEST, _HIGHEST = 17000, 32000
_RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")


class Ports:
    """Hands out ports; each stays reserved for this process until ``release`` or its end."""

    def __init__(self, folder: Path | None = None) -> None:
        """Keep the lock files in ``folder``; by default one that all testbeds of this user share."""
        self._folder = folder or Path(tempfile.gettempdir()) / f"skillmeat-testbed-ports-{os.getuid()}"
        self._held: dict[int, IO[bytes]] = {}
        self._random = random.SystemRandom()

    def take(self) -> int:
        """Reserve one free port; raises ``PartError`` when none can be found."""
        lowest, highest = _bounds()
        for _ in range(500):
            port = self._random.randrange(lowest, highest)
            if port not in self._held and self._reserve(port):
                return port
        raise PartError(f"No free port could be found between {lowest} and {highest}.")

    def take_range(self, size: int) -> range:
        """Reserve ``size`` neighbouring ports, for a portal that must allow documents on each of them."""
        lowest, highest = _bounds()
        for _ in range(500):
            first = self._random.randrange(lowest, highest - size)
            taken = []
            for port in range(first, first + size):
                if port in self._held or not self._reserve(port):
                    break
                taken.append(port)
            if len(taken) == size:
                return range(first, first + size)
            for port in taken:
                self.release(port)
        raise PartError(f"No {size} neighbouring free ports could be found between {lowest} and {highest}.")

    def release(self, port: int) -> None:
        """Give a port back; nothing happens when it is not held."""
        lock = self._held.pop(port, None)
        if lock is not None:
            lock.close()

    def close(self) -> None:
        """Give all ports back."""
        for port in list(self._held):
            self.release(port)

    def _reserve(self, port: int) -> bool:
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = (self._folder / str(port)).open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((LOOPBACK, port))
        except OSError:
            lock.close()
            return False
        self._held[port] = lock
        return True


def _bounds() -> tuple[int, int]:
    """The ports to choose from: below those that the kernel gives to outgoing connections."""
    highest = _HIGHEST
    with contextlib.suppress(OSError, ValueError, IndexError):
        highest = min(highest, int(_RANGE_FILE.read_text(encoding="ascii").split()[0]))
    return (_LOWEST, highest) if highest - _LOWEST >= 1000 else (_LOWEST, _HIGHEST)


ports = Ports()
"""The ports of this process."""
