"""Where a command prints: results on one stream, progress on another, colour only where a person looks.

rich is loaded where something is to be laid out, and not before: the operator itself needs none of it.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rich.console import Console as RichConsole
    from rich.console import RenderableType

_UNBOUNDED: Final = 1_000_000
"""Columns of a file or pipe: what reads it decides where lines end."""


@dataclass(frozen=True, slots=True)
class Console:
    """Output streams of one command."""

    out: TextIO
    err: TextIO
    environ: Mapping[str, str] = field(default_factory=dict)
    """`NO_COLOR` (https://no-color.org), `TERM` and `COLUMNS` count."""

    @classmethod
    def of_process(cls, environ: Mapping[str, str]) -> Self:
        """Return the process's own streams."""
        return cls(out=sys.stdout, err=sys.stderr, environ=environ)

    def print(self, text: str = "") -> None:
        """Write one line of the result as it is."""
        self.out.write(f"{text}\n")

    def show(self, page: RenderableType) -> None:
        """Write what rich lays out: in the terminal's width and in colour, or plain and as wide as it is."""
        rich = self._rich(self.out)
        with rich.capture() as laid_out:
            rich.print(page, crop=False)
        self.out.write(re.sub(r" +$", "", laid_out.get(), flags=re.MULTILINE))

    def progress(self, text: str) -> None:
        """Write one line that is not part of the result, at once."""
        self.err.write(f"{text}\n")
        self.err.flush()

    @contextmanager
    def waiting(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show that something takes its time; gives a function that tells how far it is.

        A terminal shows one line that moves and goes away at the end; anything else gets a line for each
        text.
        """
        if not self.err.isatty():
            self.progress(text)
            yield self.progress
            return
        with self._rich(self.err).status(_plain(text)) as status:
            yield lambda told: status.update(_plain(told))

    def _rich(self, stream: TextIO) -> RichConsole:
        from rich.console import Console as RichConsole  # noqa: PLC0415

        terminal = stream.isatty()
        plain = bool(self.environ.get("NO_COLOR")) or self.environ.get("TERM") == "dumb"
        return RichConsole(
            file=stream,
            force_terminal=terminal,
            width=None if terminal else _UNBOUNDED,
            color_system=None if plain or not terminal else "auto",
            highlight=False,
            markup=False,
            emoji=False,
            _environ=self.environ,
        )


def _plain(text: str) -> str:
    # A status line is read as markup, which nothing that we show is.
    return text.replace("[", r"\[")


def swallow_broken_pipe(stream: TextIO) -> None:
    """Let what is still buffered go nowhere, after the reader of a pipe (`head`, `less`) has left.

    Without it the interpreter complains once more when it flushes the stream at its end.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)
