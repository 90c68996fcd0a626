"""What an operator writes while nothing changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from benchmarks.figures import Figure, Unit
from benchmarks.site import OPERATOR_USER, TEMPLATES, Site, cpu_seconds, operator_pid

COUNT = 100
INTERVAL = 10
INTERVALS = 3
_READING = ("/entities/by-refs", "/entities/by-query")
"""Endpoints of the catalog that read although they are POSTed to."""


def measure(site: Site, say: Callable[[str], None]) -> list[Figure]:
    """Writes to the API server (its audit log) and to the portal (its own log) in three intervals."""
    site.skillmeat.add_templates_fast(COUNT)
    site.make_namespace("idle")
    site.create(site.source("idle", "main", interval=f"{INTERVAL}s", catalog_namespace="idle"))
    with site.operator:
        site.wait_all_ready("idle", within=180, every=0.5)
        time.sleep(1.5 * INTERVAL)
        say(f"watching {INTERVALS} intervals of {INTERVAL} s")
        before, polls, cpu = _portal_writes(site), _polls(site), cpu_seconds(operator_pid(site))
        since, began = datetime.now(UTC), time.monotonic()
        # An interval is at most 10 % longer by its jitter.
        time.sleep(INTERVALS * INTERVAL * 1.1 + 1)
        passed = time.monotonic() - began
        cluster = len(site.cluster.writes(since=since, user=OPERATOR_USER))
        portal = _portal_writes(site) - before
        used = cpu_seconds(operator_pid(site)) - cpu
        polled = _polls(site) - polls
    return [
        Figure(
            "idle: writes to Kubernetes in 3 intervals",
            cluster,
            Unit.COUNT,
            budget=0,
            bare=0,
            bare_is="nothing",
        ),
        Figure(
            "idle: writes to Backstage in 3 intervals",
            portal,
            Unit.COUNT,
            budget=0,
            bare=0,
            bare_is="nothing",
        ),
        Figure("idle: list reads of SkillMeat meanwhile", polled, Unit.COUNT),
        Figure("idle: CPU time for each minute", used * 60 / passed, Unit.SECONDS),
    ]


def _portal_writes(site: Site) -> int:
    return sum(
        one.method != "GET" and not any(path in one.path for path in _READING)
        for one in site.backstage.requests()
    )


def _polls(site: Site) -> int:
    return len(site.proxy.requests(TEMPLATES, method="GET"))
