"""The order of the test modules: those that wait for servers and those that compute take turns."""

from __future__ import annotations

from itertools import groupby, islice
from pathlib import Path

import pytest

REAL = Path(__file__).parent / "real"
EACH = 2
"""Computing modules after each one on the real parts; the others come last and fill the workers' ends."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several workers the waits of some are the time of others, and no long module is left for the end."""
    modules = [list(group) for _, group in groupby(items, key=lambda item: item.path)]
    real = [module for module in modules if REAL in module[0].path.parents]
    computing = iter([module for module in modules if REAL not in module[0].path.parents])
    ordered: list[pytest.Item] = []
    for module in real:
        ordered += module
        for other in islice(computing, EACH):
            ordered += other
    for other in computing:
        ordered += other
    items[:] = ordered
