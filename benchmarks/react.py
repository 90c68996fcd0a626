"""How long a requested reconcile takes to its echo in status."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from benchmarks.figures import Figure, Unit, median, percentile
from benchmarks.site import TEMPLATES, Site
from testbed.web import expect

COUNT = 100
SAMPLES = 25
_PATH = "/apis/skillmeat.io/v1alpha1/namespaces/react/catalogsources/main"
LONGEST = 20.0
"""Seconds after which an echo counts as this long."""


def measure(site: Site, say: Callable[[str], None]) -> list[Figure]:
    """Requested reconciles, too far apart for the limit towards SkillMeat (0.8 equal reads a second)."""
    site.skillmeat.add_templates_fast(COUNT)
    site.make_namespace("react")
    site.create(site.source("react", "main", interval="5m", catalog_namespace="react"))
    with site.operator:
        site.wait_all_ready("react", within=180, every=0.5)
        time.sleep(8)
        say(f"requesting {SAMPLES} reconciles")
        spread = random.Random(1)  # noqa: S311  moments, not secrets
        took = []
        for number in range(SAMPLES):
            time.sleep(spread.uniform(1.4, 2.2))
            took.append(_request(site, f"bench-{number}"))
    say("measuring the bare calls")
    bare = median([_bare(site, number) for number in range(9)])
    means = "one list read, one by-query, one status write, in a row"
    return [
        Figure("requested reconcile to its echo, p50", median(took), Unit.SECONDS, bare=bare, bare_is=means),
        Figure("requested reconcile to its echo, p95", percentile(took, 95), Unit.SECONDS, budget=2),
    ]


def _request(site: Site, token: str) -> float:
    """Seconds from the annotation to its echo, to about 20 ms."""
    wanted = site.one("react", "main")
    wanted["metadata"].setdefault("annotations", {})["skillmeat.io/reconcile-requested-at"] = token
    began = time.monotonic()
    expect(site.cluster.api.request("PUT", _PATH, wanted), 200, what="An annotation")
    while time.monotonic() - began < LONGEST:
        status: dict[str, Any] = site.one("react", "main").get("status", {})
        if status.get("handledRequests", {}).get("skillmeat") == token:
            return time.monotonic() - began
        time.sleep(0.02)
    return LONGEST


def _bare(site: Site, number: int) -> float:
    """The calls that a requested reconcile cannot do without."""
    wanted = site.one("react", "main")
    wanted["status"]["handledRequests"] = {"skillmeat": f"bare-{number}"}
    began = time.monotonic()
    expect(site.skillmeat.request("GET", TEMPLATES), 200, what="SkillMeat's template list")
    site.backstage.catalog.by_query(
        "kind=template,metadata.annotations.skillmeat.io/managed-by",
        fields=["kind", "metadata.namespace", "metadata.name", "metadata.annotations"],
    )
    expect(site.cluster.api.request("PUT", f"{_PATH}/status", wanted), 200, what="A status write")
    return time.monotonic() - began
