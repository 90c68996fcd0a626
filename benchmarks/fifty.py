"""50 CatalogSources with 200 templates each: what is published costs memory only as gzip bytes."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.figures import Figure, Unit
from benchmarks.site import Site, memory, operator_pid

SOURCES, EACH = 50, 200


def measure(site: Site, say: Callable[[str], None]) -> list[Figure]:
    """Memory with 50 CatalogSources of 200 templates each."""
    site.skillmeat.add_templates_fast(EACH)
    site.make_namespace("fifty")
    site.create(
        *[
            site.source("fifty", f"s-{number:02d}", interval="10m", catalog_namespace=f"fifty-{number:02d}")
            for number in range(SOURCES)
        ]
    )
    say(f"waiting for {SOURCES * EACH:,} entities in the portal")
    with site.operator:
        passed = site.wait_all_ready("fifty", within=900, every=1.0)
        time.sleep(10)
        resident = memory(operator_pid(site))
        peak = memory(operator_pid(site), "VmHWM")
    return [
        Figure(f"{SOURCES} CatalogSources of {EACH} templates each to Ready", passed, Unit.SECONDS),
        Figure("RSS then", resident, Unit.MEBIBYTES, budget=150),
        Figure("the same at its highest", peak, Unit.MEBIBYTES),
    ]
