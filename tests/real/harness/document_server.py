"""A server of catalog documents that are not the operator's: another team's location, another provider."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from testbed.ports import LOOPBACK


class DocumentServer:
    """Serves ``documents`` (bytes by path) on a port that the portal may read from."""

    def __init__(self, port: int) -> None:
        self.documents: dict[str, bytes] = {}
        documents = self.documents

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = documents.get(self.path)
                self.send_response_only(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            block_on_close = False

        self._server = Server((LOOPBACK, port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def put(self, path: str, entities: Sequence[Mapping[str, Any]]) -> str:
        """Serve entities as one document; returns its URL."""
        self.documents[path] = b"".join(b"---\n" + json.dumps(entity).encode() + b"\n" for entity in entities)
        return f"http://{LOOPBACK}:{self._server.server_port}{path}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def template(ref: str, *, version: str | None = None, title: str = "Somebody else's") -> dict[str, Any]:
    """A small Template with the ref ``template:namespace/name``."""
    namespace, _, name = ref.removeprefix("template:").partition("/")
    annotations = {"skillmeat.io/bundle-version": version} if version is not None else {}
    metadata = {"name": name, "namespace": namespace, "title": title, "annotations": annotations}
    spec = {"owner": "group:default/others", "type": "service", "steps": [{"action": "debug:log"}]}
    return {
        "apiVersion": "scaffolder.backstage.io/v1beta3",
        "kind": "Template",
        "metadata": metadata,
        "spec": spec,
    }
