"""Random runs: the laws hold, whatever happens, and everything settles afterwards.

``SIMULATION_DAYS`` says how many simulated days are run (20 in ``make test``, 1,000 in ``make test-long``),
``SIMULATION_SEED`` which seed comes first. A failing run prints the one command that replays it.
"""

from __future__ import annotations

import math
import os

import pytest

from tests.simulation.randomly import DAYS_A_RUN, Run

DAYS = float(os.environ.get("SIMULATION_DAYS", "20"))
FIRST = int(os.environ.get("SIMULATION_SEED", "1"))
SEEDS = range(FIRST, FIRST + math.ceil(DAYS / DAYS_A_RUN))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_laws_hold(seed: int) -> None:
    one = Run(seed)
    try:
        one.execute()
    except BaseException as error:
        told = "\n".join(one.log[-40:])
        replay = (
            f"SIMULATION_SEED={seed} SIMULATION_DAYS=0.1 python -m pytest tests/simulation/test_random.py"
        )
        raise AssertionError(f"seed {seed}: {error}\nreplay: PYTHONHASHSEED=0 {replay}\n{told}") from error


def test_a_seed_replays_exactly() -> None:
    assert Run(FIRST).execute() == Run(FIRST).execute()
