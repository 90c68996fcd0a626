"""What the demo prints: numbered steps with the time since the start, command lines, tables, verdicts."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TextIO

_BOLD: Final = "1"
_FAINT: Final = "2"
_GREEN: Final = "32"
_RED: Final = "31"
_CYAN: Final = "36"
_WIDTH: Final = 100
_INDENT: Final = " " * 4


class Screen:
    """Lines for people; colour (SGR parameters of ECMA-48) only where a person looks."""

    def __init__(
        self, stream: TextIO, *, colour: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Print on ``stream``; the times shown count from now on ``clock``, in seconds."""
        self._stream = stream
        self._colour = colour
        self._clock = clock
        self._start = clock()

    @classmethod
    def of_process(cls, stream: TextIO, environ: Mapping[str, str]) -> Screen:
        """A screen that has colour on a terminal, unless TERM is ``dumb`` or NO_COLOR is set."""
        wanted = stream.isatty() and environ.get("TERM") != "dumb" and not environ.get("NO_COLOR")
        return cls(stream, colour=wanted)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._start

    def heading(self, text: str) -> None:
        """A line that begins something, with the time."""
        seconds = int(self.elapsed)
        stamp = self._paint(f"[{seconds // 60}:{seconds % 60:02d}]", _FAINT)
        self._line(f"\n{stamp} {self._paint(text, _BOLD)}")

    def say(self, text: str) -> None:
        """A sentence, wrapped."""
        for line in textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False):
            self._line(f"  {line}")

    def prompt(self, command: str) -> None:
        """A command line as one would type it."""
        self._line(f"  {self._paint('$', _FAINT)} {self._paint(command, _CYAN)}")

    def request(self, method: str, url: str) -> None:
        """An HTTP request that is made."""
        self._line(f"  {self._paint(f'{method} {url}', _CYAN)}")

    def output(self, text: str) -> None:
        """What a program or server answered, as it is, indented."""
        for line in text.rstrip("\n").splitlines():
            self._line(f"{_INDENT}{line}".rstrip())

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Rows under a header, in columns; a header alone where there is nothing."""
        table = [header, *rows]
        widths = [max(len(row[column]) for row in table) for column in range(len(header))]
        for row in table:
            cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
            self._line(f"{_INDENT}{'   '.join(cells)}".rstrip())

    def shown(self, text: str) -> None:
        """Something was shown as it should be."""
        self._line(f"  {self._paint('✓', _GREEN)} {text}")

    def failed(self, text: str) -> None:
        """Something was not."""
        self._line(f"  {self._paint('✗', _RED)} {text}")

    def copyable(self, text: str) -> None:
        """A line to copy, however long it is."""
        self._line(f"  {text}")

    def gap(self) -> None:
        """An empty line."""
        self._line("")

    def _paint(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._colour else text

    def _line(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()
