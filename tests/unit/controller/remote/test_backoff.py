"""Growing delays after failures."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmeat_operator.controller.remote.backoff import Backoff
from skillmeat_operator.domain.timings import Timings

TIMINGS = Timings()


def highest(low: float, high: float) -> float:
    return high


def test_delays_double_up_to_the_longest() -> None:
    backoff = Backoff(timings=TIMINGS, uniform=highest)
    assert [backoff.next() for _ in range(10)] == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]
    assert backoff.failures == 10


def test_a_success_starts_over() -> None:
    backoff = Backoff(timings=TIMINGS, uniform=highest)
    backoff.next()
    backoff.next()
    backoff.reset()
    assert (backoff.failures, backoff.next()) == (0, 5)


@pytest.mark.parametrize(("asked", "delay"), [(None, 5), (1.0, 5), (30.0, 30), (5000.0, 5000)])
def test_it_is_never_shorter_than_the_server_asks(asked: float | None, delay: float) -> None:
    assert Backoff(timings=TIMINGS, uniform=highest).next(at_least=asked) == delay


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2000), st.integers())
def test_jitter_stays_below_the_ceiling_and_above_nothing(failures: int, seed: int) -> None:
    backoff = Backoff(timings=TIMINGS, uniform=random.Random(seed).uniform)
    for _ in range(min(failures, 40)):
        ceiling = min(900, 5 * 2**backoff.failures)
        assert ceiling / 4 <= backoff.next() <= ceiling
