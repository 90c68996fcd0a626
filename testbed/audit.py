"""The API server's audit log: who wrote what, as the server saw it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
        {"level": "None"},
    ],
}
"""Every write, with nothing of its body."""


@dataclass(frozen=True)
class Write:
    """One write that reached the API server, also a refused one."""

    verb: str
    user: str
    user_agent: str
    resource: str
    subresource: str
    namespace: str
    name: str
    status: int
    at: datetime

    def __str__(self) -> str:
        path = "/".join(part for part in (self.namespace, self.resource, self.name, self.subresource) if part)
        return f"{self.at.isoformat()} {self.user} {self.verb} {path} → {self.status}"


def read(log: Path, *, since: datetime | None = None, user: str | None = None) -> list[Write]:
    """The writes in an audit log in order, those received at ``since`` or later, by ``user`` if given."""
    if not log.exists():
        return []
    found = []
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):
                break  # the server is writing this one
            event = json.loads(line)
            target = event.get("objectRef", {})
            write = Write(
                verb=event["verb"],
                user=event["user"].get("username", ""),
                user_agent=event.get("userAgent", ""),
                resource=target.get("resource", ""),
                subresource=target.get("subresource", ""),
                namespace=target.get("namespace", ""),
                name=target.get("name", ""),
                status=event.get("responseStatus", {}).get("code", 0),
                at=datetime.fromisoformat(event["requestReceivedTimestamp"]),
            )
            if (since is None or write.at >= since) and (user is None or write.user == user):
                found.append(write)
    return found
