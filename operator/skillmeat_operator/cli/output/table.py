"""Tables and paragraphs for people, as rich lays them out."""

from __future__ import annotations

import textwrap
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.measure import Measurement
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

INDENT: Final = 2
_ANY_WIDTH: Final = 100_000
_SENTENCES: Final = frozenset({"MESSAGE", "MEANING"})
"""Columns whose cells may be wrapped."""


class Style(StrEnum):
    """How a piece of text is set off."""

    GOOD = "green"
    BAD = "red"
    WARNING = "yellow"
    HEADING = "bold"
    FAINT = "dim"


def cell(text: str, style: Style | None = None) -> Text:
    """Return text in a style, as it is: nothing in it is markup."""
    return Text.styled(text, style or "")


def heading(text: str) -> Text:
    """Return a heading."""
    return cell(text, Style.HEADING)


def table(headings: Sequence[str], rows: Iterable[Sequence[Text]]) -> Whole:
    """Return a table without lines. Where the terminal is too narrow, sentences in it are wrapped."""
    made = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style=Style.HEADING.value)
    for name in headings:
        made.add_column(name, overflow="fold", no_wrap=name not in _SENTENCES)
    for row in rows:
        made.add_row(*row)
    return Whole(made)


def indented(block: RenderableType, by: int = INDENT) -> Padding:
    """Return a block, indented."""
    return Padding(block, (0, 0, 0, by), expand=False)


def join(blocks: Iterable[RenderableType | None]) -> Group:
    """Return the blocks with an empty line between them, without those that are None."""
    parts: list[RenderableType] = []
    for block in blocks:
        if block is not None:
            parts += ["", block] if parts else [block]
    return Group(*parts)


class Whole:
    """A table that is never narrower than what is in it: a terminal wraps its lines, as it does kubectl's.

    Args:
        table: the table.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from console.render(self._table, self._options(console, options))

    def lines(self, console: Console, options: ConsoleOptions) -> list[list[Segment]]:
        """Return what is in each line."""
        return console.render_lines(self._table, self._options(console, options), pad=False)

    def _options(self, console: Console, options: ConsoleOptions) -> ConsoleOptions:
        least = Measurement.get(console, options.update(max_width=_ANY_WIDTH), self._table).minimum
        return options.update(max_width=max(options.max_width, least))


class Sentence:
    """A text wrapped in the terminal's width; long words (URLs, refs) stay whole so that they can be copied.

    Args:
        text: one paragraph.
        indent: columns in front of each line.
        style: how it is set off.
    """

    def __init__(self, text: str, *, indent: int = INDENT, style: Style | None = None) -> None:
        self._text, self._indent, self._style = text, " " * indent, style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = textwrap.wrap(
            self._text,
            width=max(options.max_width, 2 * len(self._indent) + 1),
            initial_indent=self._indent,
            subsequent_indent=self._indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines:
            yield Text(line, style=self._style or "", no_wrap=True, overflow="ignore")


class Verbatim(Sentence):
    """A line that is never wrapped, since it is there to be copied."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self._indent + self._text, style=self._style or "", no_wrap=True, overflow="ignore")


class Annotated:
    """A table with a sentence below each of its rows, or nothing.

    Args:
        table: the rows, without sentences in them.
        notes: one for each row; an empty one takes no line.
    """

    def __init__(self, table: Whole, notes: Sequence[str]) -> None:
        self._table, self._notes = table, notes

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line, note in zip(self._table.lines(console, options), ["", *self._notes], strict=True):
            yield Segment(" " * INDENT)
            yield from line
            yield Segment.line()
            if note:
                yield Sentence(note, indent=2 * INDENT)
