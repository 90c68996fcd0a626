"""The operator in a fork of a process that has its modules loaded: a start without the loading.

Loading takes 0.7 s of a core, two thirds of a start, and the tests start some eighty operators.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from skillmeat_operator.cli.main import main
from testbed.errors import PartError
from testbed.process import Running

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["skillmeat_operator.cli.commands.run", "skillmeat_operator.controller.operator"]
)


class ForkedOperator(Running):
    """One run of the operator's program; it never outlives this process."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str],
        before: Callable[[], None] | None = None,
    ) -> None:
        """Describe the run; nothing runs yet.

        ``arguments`` are those of the program ``skillmeat-operator``, ``env`` its whole environment.
        ``before`` is called in its process before the program begins.
        """
        super().__init__("operator", log)
        self._run = partial(_operate, list(arguments), log, dict(env), before)
        self._process: ForkServerProcess | None = None

    def start(self) -> None:
        """Start the program, appending to its log."""
        self._process = _FORKS.Process(target=self._run, daemon=True)
        self._process.start()

    @property
    def running(self) -> bool:
        """Whether it is there."""
        return self._process is not None and self._process.is_alive()

    @property
    def exit_code(self) -> int | None:
        """Its exit code, 128 + N for signal N; ``None`` while it runs or before the start."""
        code = None if self._process is None else self._process.exitcode
        return code if code is None or code >= 0 else 128 - code

    @property
    def pid(self) -> int:
        """The program's process id; raises ``PartError`` before the start."""
        if self._process is None or self._process.pid is None:
            raise PartError("The operator was not started.")
        return self._process.pid

    def wait(self, timeout: float) -> int:
        """Wait for the end; its exit code. Raises ``TimeoutError`` after ``timeout`` seconds."""
        if self._process is not None:
            self._process.join(timeout)
        if self.exit_code is None:
            raise TimeoutError(f"the operator still runs after {timeout} s")
        return self.exit_code

    def stop(self, grace: float) -> int | None:
        """End it: SIGTERM, after ``grace`` seconds SIGKILL. Returns its exit code."""
        if self._process is not None:
            self._process.terminate()
            self._process.join(grace)
        return self.kill()

    def kill(self) -> int | None:
        """End it with SIGKILL and wait for that. Returns its exit code."""
        if self._process is not None:
            self._process.kill()
            self._process.join(10)
        return self.exit_code


def _operate(arguments: list[str], log: Path, env: dict[str, str], before: Callable[[], None] | None) -> None:
    """Become the operator: what ``exec`` would have done, and then its own ``main``."""
    os.setsid()  # Ctrl-C at the terminal is for the tests
    threading.Thread(target=_die_with_parent, daemon=True).start()
    with log.open("ab") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    os.environ.clear()
    os.environ.update(env)
    if before is not None:
        before()
    sys.exit(main(arguments))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGKILL)
