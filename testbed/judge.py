"""What GitOps tools make of an object: kstatus and Flux's own condition checkers, asked over a pipe."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from testbed.errors import PartError
from testbed.process import Process, plain_environment, read_line

Phase = Literal["rest", "progress"]

_ANSWER_SECONDS = 30.0  # an answer takes well under a millisecond; this is for a stuck machine


@dataclass(frozen=True)
class Verdict:
    """The answer about one object."""

    status: str
    """kstatus: ``Current``, ``InProgress``, ``Failed``, ``Terminating`` or ``Unknown``."""
    message: str
    fail: tuple[str, ...]
    """Flux's rules that the object breaks."""
    warn: tuple[str, ...]
    """Flux's rules that it had better not break."""


class Judge:
    """The judge's program, kept running; about 0.1 ms a verdict. Safe to share between threads."""

    def __init__(self, program: Path, *, log: Path) -> None:
        """``program`` is the built judge (``testbed.programs.find_judge``); ``log`` takes its errors."""
        self._process = Process("judge", [program], log=log, env=plain_environment(), pipes=True)
        self._lock = threading.Lock()

    def start(self) -> Judge:
        """Start the program."""
        self._process.start()
        return self

    def stop(self) -> None:
        """Stop it."""
        self._process.stop()

    def verdict(
        self,
        obj: Mapping[str, Any],
        phase: Phase = "rest",
        negative: Sequence[str] = (),
        positive: Sequence[str] = (),
    ) -> Verdict:
        """Judge one object as JSON would have it.

        ``phase``: ``rest`` for Flux's checker of an object at rest, ``progress`` for its in-progress checker.
        ``negative`` and ``positive`` are the condition types of that polarity; the in-progress checker does
        not look at them. Raises ``PartError`` when the object cannot be judged (no kind, a status that is no
        object) or the program does not answer.
        """
        request = {"object": obj, "phase": phase, "negative": list(negative), "positive": list(positive)}
        line = json.dumps(request).encode() + b"\n"
        with self._lock:
            try:
                self._process.stdin.write(line)
                self._process.stdin.flush()
                answered = read_line(self._process.stdout, timeout=_ANSWER_SECONDS)
            except (BrokenPipeError, TimeoutError) as error:
                raise PartError(f"The judge does not answer:\n{self._process.log_tail()}") from error
        if not answered:
            raise PartError(f"The judge ended:\n{self._process.log_tail()}")
        answer = json.loads(answered)
        if answer.get("error"):
            raise PartError(f"The judge cannot judge the object: {answer['error']}")
        return Verdict(
            status=answer["status"],
            message=answer["message"],
            fail=tuple(answer["fail"]),
            warn=tuple(answer["warn"]),
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
