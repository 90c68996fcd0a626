"""Many CatalogSources on one server, credential and portal, a catalog namespace each."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tests.real.harness.tenant import Object, Tenant, eventually

INTERVAL = 10
"""Seconds between two polls."""
LIST = "/api/v1/integrations/idp/templates"
UNHURRIED: dict[str, float | list[float]] = {
    "diagnose_after": 10.0,
    "progress_deadline": 60.0,
    "verify_every": 5.0,
}
"""Production times where a crowd depends on them: hurried looks at a busy portal keep it busy."""


@dataclass
class Crowd:
    """CatalogSources of one namespace that differ in nothing but their catalog namespace."""

    tenant: Tenant
    names: list[str] = field(default_factory=list)
    ready_after: float = 0.0
    """Seconds until all were Ready."""
    portal_requests: int = 0
    """Requests that the portal served until all were Ready."""

    def add(self, count: int) -> float:
        """Create further ones in one go; seconds until all of them are Ready."""
        first = len(self.names)
        names = [f"c{number:03d}" for number in range(first, first + count)]
        self.names += names
        objects = [
            self.tenant.source(
                name,
                backstage={"catalogNamespace": f"{self.tenant.namespace}-{name}"},
                interval=f"{INTERVAL}s",
            )
            for name in names
        ]
        began = time.monotonic()
        self.tenant.apply(*objects)
        eventually(
            lambda: self.ready() == set(self.names), within=120, what=f"{count} CatalogSources are Ready"
        )
        return time.monotonic() - began

    def leave(self) -> float:
        """Delete all of them; seconds until they are gone."""
        began = time.monotonic()
        self.tenant.cluster.api.delete("CatalogSource", None, self.tenant.namespace)

        def gone() -> bool:
            time.sleep(0.2)
            return not self.objects()

        eventually(gone, within=120, what="all are deleted")
        return time.monotonic() - began

    def ready(self) -> set[str]:
        """Names of those whose Ready is True."""
        time.sleep(0.5)  # looking is work for the API server too
        return {
            one["metadata"]["name"]
            for one in self.objects()
            if ("Ready", "True")
            in {(it["type"], it["status"]) for it in one.get("status", {}).get("conditions", [])}
        }

    def objects(self) -> list[Object]:
        """The CatalogSources as stored."""
        return self.tenant.cluster.api.list("CatalogSource", self.tenant.namespace)

    def shown(self) -> dict[str, int]:
        """Templates that the portal shows, by catalog namespace."""
        found: dict[str, int] = {}
        entities = self.tenant.backstage.catalog.by_query("kind=template", fields=["metadata.namespace"])
        for namespace in (one["metadata"]["namespace"] for one in entities):
            if namespace.startswith(f"{self.tenant.namespace}-"):
                found[namespace] = found.get(namespace, 0) + 1
        return found
