"""A server that repeats the headers of a request in each part of its answer, as a careless proxy's error page does."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import quote

from testbed.ports import LOOPBACK


class Parrot:
    """Answers with the status that the first part of the path says, and repeats the request's headers everywhere."""

    def __init__(self) -> None:
        heard: set[str] = set()
        self.heard = heard
        """Values of the headers that carry tokens."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                secrets = [
                    self.headers.get(name, "") for name in ("Authorization", "X-SkillMeat-Service-Token")
                ]
                heard.update(secrets)
                repeated = " ".join(secrets).strip()
                error = {"name": repeated, "message": repeated}
                body = json.dumps({"detail": repeated, "error": error, "items": [repeated]}).encode()
                self.send_response(int(self.path.split("/")[1]), repeated)
                for name in ("WWW-Authenticate", "X-Request-ID", "Retry-After", "Server-Timing"):
                    self.send_header(name, repeated)
                self.send_header("Location", f"http://{LOOPBACK}/?token={quote(repeated)}")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_DELETE = do_GET  # noqa: N815  # names that http.server asks for

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def url(self, status: int) -> str:
        """Base URL under which every answer has this status."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}/{status}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
