"""Where a command prints: results on one stream, progress on another, colour only where a person looks."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping


class Style(StrEnum):
    """How a piece of text is set off; the values are SGR parameters of ECMA-48."""

    GOOD = "32"
    BAD = "31"
    WARNING = "33"
    HEADING = "1"
    FAINT = "2"


@dataclass(frozen=True, slots=True)
class Console:
    """Output streams of one command."""

    out: TextIO
    err: TextIO
    colour: bool = False

    @classmethod
    def of_process(cls, environ: Mapping[str, str]) -> Self:
        """Return the process's own streams.

        Colour is on when standard output is a terminal, TERM is not `dumb`, and NO_COLOR is unset or empty
        (https://no-color.org).
        """
        terminal = sys.stdout.isatty() and environ.get("TERM") != "dumb"
        return cls(out=sys.stdout, err=sys.stderr, colour=terminal and not environ.get("NO_COLOR"))

    def print(self, text: str = "") -> None:
        """Write one line of the result."""
        self.out.write(f"{text}\n")

    def progress(self, text: str) -> None:
        """Write one line that is not part of the result, at once."""
        self.err.write(f"{text}\n")
        self.err.flush()

    def paint(self, text: str, style: Style | None) -> str:
        """Return the text in the style, or as it is where there is no colour."""
        return f"\x1b[{style.value}m{text}\x1b[0m" if self.colour and style is not None else text


def swallow_broken_pipe(stream: TextIO) -> None:
    """Let what is still buffered go nowhere, after the reader of a pipe (`head`, `less`) has left.

    Without it the interpreter complains once more when it flushes the stream at its end.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)
