"""A relay of TCP connections before a server that speaks TLS, so that it can be cut off without touching it."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

from testbed.ports import LOOPBACK, ports


class Relay:
    """Forwards connections to a server on this machine; ``cut`` ends them all and refuses new ones."""

    def __init__(self, port: int) -> None:
        self.port = ports.take()
        self._target = port
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []

    def up(self) -> Self:
        """Listen and forward."""
        listener = socket.create_server((LOOPBACK, self.port))
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return self

    def cut(self) -> None:
        """End every connection, and refuse further ones."""
        if self._listener is None:
            return
        listener, self._listener = self._listener, None
        for one in (listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection((LOOPBACK, self._target), timeout=5)
            except OSError:
                return
            far.settimeout(None)
            self._open += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=pair, daemon=True).start()

    def __enter__(self) -> Self:
        return self.up()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
