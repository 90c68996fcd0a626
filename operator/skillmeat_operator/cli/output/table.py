"""Tables for people: columns padded to their widest cell, headings in capitals, colour by cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from skillmeat_operator.cli.output.console import Console, Style

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = "   "


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its text and how it is set off."""

    text: str
    style: Style | None = None


def render_table(headings: Sequence[str], rows: Sequence[Sequence[Cell]], console: Console) -> str:
    """Return the table as lines without trailing spaces, joined by line feeds.

    Raises:
        ValueError: a row has another number of cells than there are headings.
    """
    if any(len(row) != len(headings) for row in rows):
        raise ValueError("every row of a table has one cell for each heading")
    grid = [[Cell(heading, Style.HEADING) for heading in headings], *rows]
    widths = [max(len(row[column].text) for row in grid) for column in range(len(headings))]
    return "\n".join(_line(row, widths, console) for row in grid)


def _line(row: Sequence[Cell], widths: Sequence[int], console: Console) -> str:
    # Padding is added outside the colour codes, which have no width on the screen.
    last = len(row) - 1
    return GAP.join(
        console.paint(cell.text, cell.style) + ("" if column == last else " " * (width - len(cell.text)))
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ).rstrip(" ")
