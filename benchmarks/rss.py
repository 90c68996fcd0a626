"""Memory of the operator with one CatalogSource and 100 templates."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks.figures import Figure, Unit, median
from benchmarks.site import ROOT, Site, memory, operator_pid

TEMPLATES = 100
_IMPORTS = (
    "import skillmeat_operator.cli.main, skillmeat_operator.cli.commands.run; "
    "import skillmeat_operator.controller.operator; "
    "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmRSS')))"
)


def measure(site: Site, say: Callable[[str], None]) -> list[Figure]:
    """Resident memory at rest and at most, beside an interpreter that only has imported the same modules."""
    site.skillmeat.add_templates_fast(TEMPLATES)
    site.make_namespace("rss")
    site.create(site.source("rss", "main", interval="10s", catalog_namespace="rss"))
    with site.operator:
        say(f"waiting for {TEMPLATES} templates, then two intervals of 10 s")
        site.wait_all_ready("rss", within=180, every=0.5)
        samples = []
        for _ in range(8):
            time.sleep(2.5)
            samples.append(memory(operator_pid(site)))
        peak = memory(operator_pid(site), "VmHWM")
    bare = median([_imports() for _ in range(3)])
    return [
        Figure(
            f"RSS, 1 CatalogSource, {TEMPLATES} templates",
            median(samples),
            Unit.MEBIBYTES,
            budget=110,
            bare=bare,
            bare_is="the interpreter with the same imports",
        ),
        Figure("the same at its highest", peak, Unit.MEBIBYTES),
    ]


def _imports() -> float:
    """MiB of an interpreter with the operator's modules and nothing started."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "operator")}
    done = subprocess.run(  # noqa: S603  our own interpreter with our own text
        [sys.executable, "-c", _IMPORTS],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return int(done.stdout) / 1024
