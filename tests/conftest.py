"""What all tests share: the order of the modules, and a Python that looks for garbage less often."""

from __future__ import annotations

import gc
from itertools import groupby
from pathlib import Path

import pytest

# Three thousand tests and what they import stay to the end: looking through them again and again took a tenth of
# the time of what computes.
gc.set_threshold(100_000, 50, 50)

REAL = Path(__file__).parent / "real"
LONGEST = (
    "crowd",
    "lost_snapshot",
    "killed",
    "deletion",
    "removal_guard",
    "content",
    "credentials",
    "leaving",
    "bundles",
    "restart",
    "entities",
    "source_outage",
    "backstage_adapter",
    "ownership",
    "process",
    "portal_configuration",
    "requests",
    "portal_outage",
    "bundle_versions",
    "skillmeat_adapter",
    "ingestion",
)
"""Modules on the real parts that take 20 to 90 s each, about longest first. Others need not be listed."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Longest modules first, those that only compute last: so several workers are done at the same time."""
    modules = [list(group) for _, group in groupby(items, key=lambda item: item.path)]
    modules.sort(key=lambda module: _turn(module[0].path))
    items[:] = [item for module in modules for item in module]


def _turn(path: Path) -> int:
    name = path.stem.removeprefix("test_")
    if REAL not in path.parents:
        return len(LONGEST) + 1
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)
