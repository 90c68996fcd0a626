"""What a benchmark measured, and the table that shows it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """Units of figures, as they stand behind a number."""

    SECONDS = "s"
    MEBIBYTES = "MiB"
    COUNT = ""
    RATIO = "each"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number."""

    name: str
    value: float
    unit: Unit
    budget: float | None = None
    """Of design, section 6, or of an acceptance line; None for a figure that explains another."""
    bare: float | None = None
    """The same work without the operator, in the same run: what no operator could do better."""
    bare_is: str = ""
    """What was measured for it."""

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        bare = self._text(self.bare)
        return (
            self.name,
            self._text(self.value),
            f"≤ {self._text(self.budget)}" if self.budget is not None else "",
            f"{bare}: {self.bare_is}" if self.bare is not None else "",
        )

    def _text(self, number: float | None) -> str:
        if number is None:
            return ""
        fine = self.unit in {Unit.SECONDS, Unit.RATIO}
        digits = 2 if fine and number < 10 and number != int(number) else 0
        return f"{number:.{digits}f} {self.unit}".strip()


def table(figures: Sequence[Figure]) -> str:
    """A Markdown table of figures, aligned so that it reads on a terminal too."""
    rows = [("figure", "measured", "budget", "bare limit, same run"), *[one.cells() for one in figures]]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    rows.insert(1, tuple("-" * width for width in widths))
    lines = (" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(f"| {line} |" for line in lines)


def percentile(values: Sequence[float], percent: int) -> float:
    """The value below which ``percent`` of 100 lie; with few values the upper neighbour.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("there is nothing to take a percentile of")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, -(-len(ordered) * percent // 100) - 1)]


def median(values: Sequence[float]) -> float:
    """The middle value; see :func:`percentile` for errors."""
    if not values:
        raise ValueError("there is nothing to take a median of")
    return statistics.median(values)
