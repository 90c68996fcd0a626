"""A proxy before a real server that can be made to fail in ways the server itself cannot be made to."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from testbed.ports import LOOPBACK, ports

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "server", "date"}


@dataclass(frozen=True)
class Fault:
    """What is answered instead of the real answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    cut: bool = False
    """Announce the whole body, send half of it and hang up."""
    delay: float = 0.0
    path: str | None = None
    """Only for paths that contain this text."""
    method: str | None = None


@dataclass(frozen=True)
class Seen:
    """One request that went through."""

    method: str
    path: str
    status: int
    at: float
    body: bytes = b""
    """What was answered, where ``FaultProxy.keep_bodies`` is set."""


class FaultProxy:
    """Forwards to ``target`` (a base URL) unless ``fault`` is set; ``down()`` refuses connections.

    Watches of an API server (``watch=true``) are forwarded as they come; ``say`` adds a line to each.
    """

    def __init__(self, target: str, *, tls: ssl.SSLContext | None = None) -> None:
        self.target = target
        self._tls = tls
        self._watches: set[BaseHTTPRequestHandler] = set()
        self._lock = threading.Lock()
        self.port = ports.take()
        self.fault: Fault | None = None
        self.seen: list[Seen] = []
        self.keep_bodies = False
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Base URL of the proxy."""
        return f"http://{LOOPBACK}:{self.port}"

    def up(self) -> Self:
        """Listen, again on the same port."""
        if self._server is not None:
            return self
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                proxy.handle(self)

            do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

            def log_message(self, *_: Any) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            block_on_close = False

            def handle_error(self, *_: Any) -> None:
                return

        self._server = Server((LOOPBACK, self.port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def down(self) -> None:
        """Refuse connections."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        self.end_watches()

    def say(self, line: bytes) -> int:
        """Add a line to each watch; how many there are."""
        with self._lock:
            for handler in self._watches:
                with contextlib.suppress(OSError):
                    _chunk(handler, line + b"\n")
            return len(self._watches)

    def end_watches(self) -> None:
        """Hang up on whoever watches."""
        with self._lock:
            for handler in self._watches:
                with contextlib.suppress(OSError):
                    handler.connection.shutdown(socket.SHUT_RDWR)

    def requests(self, path: str = "", method: str | None = None) -> list[Seen]:
        """Requests whose path contains the text."""
        return [one for one in self.seen if path in one.path and method in {None, one.method}]

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        length = int(handler.headers.get("Content-Length") or 0)
        sent = handler.rfile.read(length) if length else None
        fault = self.fault
        if self._server is None:
            # A kept connection outlives the listening socket: to its user the server is gone all the same.
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        applies = (
            fault is not None
            and (fault.path is None or fault.path in handler.path)
            and fault.method in {None, handler.command}
        )
        if fault is not None and applies:
            time.sleep(fault.delay)
            self.seen.append(Seen(handler.command, handler.path, fault.status, time.monotonic()))
            self._send(handler, fault.status, dict(fault.headers), fault.body, cut=fault.cut)
            return
        parts = urlsplit(self.target)
        connection = self._connect(parts.hostname or LOOPBACK, parts.port)
        try:
            headers = {key: value for key, value in handler.headers.items() if key.lower() not in _HOP_BY_HOP}
            # The server counts equal requests by client: each proxy stands for one of its own.
            headers.setdefault("X-Forwarded-For", f"172.16.{self.port >> 8}.{self.port & 255}")
            connection.request(handler.command, handler.path, body=sent, headers=headers)
            answer = connection.getresponse()
            if answer.status == 200 and "watch=true" in handler.path:
                self.seen.append(Seen(handler.command, handler.path, 200, time.monotonic()))
                self._stream(handler, answer)
                return
            body = answer.read()
            kept = {key: value for key, value in answer.getheaders() if key.lower() not in _HOP_BY_HOP}
            status = answer.status
        except OSError:
            status, kept, body = 502, {}, b""
        finally:
            connection.close()
        kept_body = body if self.keep_bodies else b""
        self.seen.append(Seen(handler.command, handler.path, status, time.monotonic(), kept_body))
        self._send(handler, status, kept, body)

    def _connect(self, host: str, port: int | None) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(host, port or 80, timeout=60)
        return http.client.HTTPSConnection(host, port or 443, timeout=60, context=self._tls)

    def _stream(self, handler: BaseHTTPRequestHandler, answer: http.client.HTTPResponse) -> None:
        """Forward a watch as it comes, until one side hangs up."""
        handler.send_response_only(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.close_connection = True
        with self._lock:
            self._watches.add(handler)
        try:
            while data := answer.read1(65536):
                with self._lock:
                    _chunk(handler, data)
            with self._lock:
                _chunk(handler, b"")
        except OSError:
            return
        finally:
            with self._lock:
                self._watches.discard(handler)

    def _send(
        self,
        handler: BaseHTTPRequestHandler,
        status: int,
        headers: dict[str, str],
        body: bytes,
        *,
        cut: bool = False,
    ) -> None:
        handler.send_response_only(status)
        for key, value in headers.items():
            handler.send_header(key, value)
        if status != 204:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            handler.wfile.flush()
            handler.close_connection = True

    def __enter__(self) -> Self:
        return self.up()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()


def _chunk(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    handler.wfile.flush()
