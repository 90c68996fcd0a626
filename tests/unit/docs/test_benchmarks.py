"""What is computed of a benchmark's samples, and that its page names every benchmark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import Figure, Unit, median, percentile, table

README = Path(__file__).parents[3] / "benchmarks" / "README.md"
HOMES = {path.stem for path in README.parent.glob("[a-z]*.py")} - {"figures", "site"}


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        pytest.param([3.0], 95, 3.0, id="of-one-it-is-that-one"),
        pytest.param([float(one) for one in range(1, 101)], 95, 95.0, id="of-a-hundred"),
        pytest.param([float(one) for one in range(1, 26)], 95, 24.0, id="of-few-the-upper-neighbour"),
        pytest.param([2.0, 1.0], 100, 2.0, id="the-largest"),
    ],
)
def test_percentile(values: list[float], percent: int, expected: float) -> None:
    assert percentile(values, percent) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(1, 100))
def test_at_least_the_percentage_lies_at_or_below(values: list[float], percent: int) -> None:
    bound = percentile(values, percent)
    assert sum(one <= bound for one in values) * 100 >= percent * len(values)


def test_nothing_has_no_figures() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 50)
    with pytest.raises(ValueError, match="nothing"):
        median([])


def test_a_row_shows_figure_budget_and_bare_limit() -> None:
    figure = Figure("time", 1.234, Unit.SECONDS, budget=30, bare=0.5, bare_is="one call")
    assert table([figure]).splitlines()[-1] == "| time   | 1.23 s   | ≤ 30 s | 0.50 s: one call     |"


def test_the_page_has_a_section_for_each_benchmark() -> None:
    headings = set(re.findall(r"^### `(\w+)`$", README.read_text(encoding="utf-8"), re.MULTILINE))
    assert headings == HOMES
