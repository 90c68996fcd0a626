"""Plain HTTP calls to the parts: no proxies, no redirects, no third-party packages."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from testbed.errors import PartError


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, read in full."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace")


def call(
    method: str,
    url: str,
    *,
    body: object | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 30.0,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """Make one call; ``body`` is sent as JSON (``bytes``: as they are).

    Any status is an answer. Raises ``OSError`` or ``http.client.HTTPException`` when there is none within
    ``timeout`` seconds.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=tls)
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=timeout)
    sent = dict(headers or {})
    payload: bytes | None = None
    if isinstance(body, bytes):
        payload = body
    elif body is not None:
        payload = json.dumps(body).encode()
        sent.setdefault("Content-Type", "application/json")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        return exchange(connection, method, path, payload, sent)
    finally:
        connection.close()


def exchange(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    payload: bytes | None,
    headers: Mapping[str, str],
) -> Answer:
    """One call over an open or new connection, which stays open; raises as ``call`` does."""
    connection.request(method, path, payload, dict(headers))
    answer = connection.getresponse()
    received = {name.lower(): value for name, value in answer.getheaders()}
    return Answer(status=answer.status, headers=received, body=answer.read())


def expect(answer: Answer, *statuses: int, what: str) -> Answer:
    """Return the answer when its status is one of ``statuses``; else raises ``PartError``."""
    if answer.status not in statuses:
        raise PartError(f"{what}: HTTP {answer.status}: {answer.text[:500]}")
    return answer


def answers(url: str, *, tls: ssl.SSLContext | None = None, headers: Mapping[str, str] | None = None) -> bool:
    """Whether a GET of ``url`` is answered 200 within two seconds; for readiness polls."""
    try:
        return call("GET", url, timeout=2.0, tls=tls, headers=headers).status == 200
    except (OSError, http.client.HTTPException):
        return False
