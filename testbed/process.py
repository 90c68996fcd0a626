"""A child process that never outlives its parent, with its output in a log file."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from testbed.errors import CancelledError, PartError

_GUARDIAN = Path(__file__).with_name("child.py")
_TAIL_BYTES = 4000


class Running:
    """What runs beside this process and writes a log: whether it is there, and waiting for it to be ready."""

    def __init__(self, name: str, log: Path) -> None:
        """``name`` is for messages."""
        self.name = name
        self.log = log

    @property
    def running(self) -> bool:
        """Whether it is there."""
        raise NotImplementedError

    @property
    def exit_code(self) -> int | None:
        """Its exit code, 128 + N for signal N; ``None`` while it runs or before the start."""
        raise NotImplementedError

    def log_tail(self) -> str:
        """The end of the log, for error messages."""
        try:
            return self.log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
        except FileNotFoundError:
            return ""

    def wait_ready(self, ready: Callable[[], bool], *, timeout: float, every: float = 0.05) -> None:
        """Poll ``ready`` until it is true.

        Raises ``PartError`` with the end of the log when the program ends first or ``timeout`` seconds pass.
        """
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.running:
                raise PartError(
                    f"{self.name} ended with code {self.exit_code} instead of starting:\n{self.log_tail()}"
                )
            if time.monotonic() > deadline:
                raise PartError(f"{self.name} was not ready after {timeout:.0f} s:\n{self.log_tail()}")
            time.sleep(every)


class Process(Running):
    """One program under a guardian (``testbed/child.py``) in a process group of its own.

    ``stop`` is polite, ``kill`` is not, and both leave nothing of the program behind. So does the death of
    this process, by whatever signal.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        pipes: bool = False,
    ) -> None:
        """Describe the program; nothing runs yet.

        ``env`` is the whole environment (``None``: this process's own). With ``pipes`` the program's
        standard input and output are ``stdin`` and ``stdout`` here, and only its errors go to the log.
        """
        super().__init__(name, log)
        self.argv = [str(part) for part in argv]
        self.env = None if env is None else dict(env)
        self.cwd = cwd
        self._pipes = pipes
        self._guardian: subprocess.Popen[bytes] | None = None
        self._lifeline: socket.socket | None = None
        self._pid: int | None = None
        self._lock = threading.Lock()

    def start(self) -> Process:
        """Start the program, appending to its log; raises ``PartError`` when it runs already."""
        if self.running:
            raise PartError(f"{self.name} runs already.")
        self.kill()
        ours, theirs = socket.socketpair()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with theirs, self.log.open("ab") as log:
            pipe = subprocess.PIPE if self._pipes else None
            self._guardian = subprocess.Popen(  # noqa: S603 - starting programs is the purpose
                [sys.executable, "-I", "-S", str(_GUARDIAN), str(theirs.fileno()), *self.argv],
                stdin=pipe or subprocess.DEVNULL,
                stdout=pipe or log,
                stderr=log,
                env=self.env,
                cwd=self.cwd,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C at the terminal is for us, not for the program
            )
        self._lifeline, self._pid = ours, None
        return self

    @property
    def running(self) -> bool:
        """Whether the program (or its guardian, about to report its end) is there."""
        return self._guardian is not None and self.exit_code is None

    @property
    def exit_code(self) -> int | None:
        """The program's exit code, 128 + N for signal N; ``None`` while it runs or before the start."""
        code = None if self._guardian is None else self._guardian.poll()
        if code is not None:
            self._let_go()
        return code

    @property
    def pid(self) -> int:
        """The program's own process id, for memory figures and signals to it alone."""
        with self._lock:
            if self._pid is None:
                if self._lifeline is None:
                    raise PartError(f"{self.name} was not started.")
                self._lifeline.settimeout(10)
                answer = self._lifeline.recv(32)
                if not answer:
                    raise PartError(f"{self.name} ended at once; its log is {self.log}.")
                self._pid = int(answer)
            return self._pid

    @property
    def stdin(self) -> IO[bytes]:
        """The program's standard input; only with ``pipes``."""
        return self._pipe("stdin")

    @property
    def stdout(self) -> IO[bytes]:
        """The program's standard output; only with ``pipes``."""
        return self._pipe("stdout")

    def _pipe(self, which: str) -> IO[bytes]:
        pipe: IO[bytes] | None = getattr(self._guardian, which, None)
        if pipe is None:
            raise PartError(f"{self.name} was not started with pipes.")
        return pipe

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, at most ``timeout`` seconds; raises ``TimeoutError``."""
        if self._guardian is None:
            raise PartError(f"{self.name} was not started.")
        try:
            code = self._guardian.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.name} still runs after {timeout} s") from None
        self._let_go()
        return code

    def signal(self, number: int) -> None:
        """Send SIGTERM, SIGINT or SIGHUP to the program's whole group; nothing when it has ended."""
        if self._guardian is not None and self._guardian.poll() is None:
            self._guardian.send_signal(number)

    def stop(self, grace: float = 10.0) -> int | None:
        """End the program: SIGTERM to its group, after ``grace`` seconds SIGKILL. Returns its exit code."""
        if self._guardian is None:
            return None
        if self.running:
            self.signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._guardian.wait(grace)
        return self.kill()

    def kill(self) -> int | None:
        """End the program and all it started with SIGKILL, and wait for that. Returns its exit code."""
        guardian = self._guardian
        if guardian is None:
            return None
        self._let_go()  # the guardian takes this for our death
        try:
            code = guardian.wait(10)
        except subprocess.TimeoutExpired:
            guardian.kill()  # the program's own parent-death signal does the rest
            code = guardian.wait()
        for pipe in (guardian.stdin, guardian.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        return code

    def _let_go(self) -> None:
        if self._lifeline is not None:
            self._lifeline.close()
            self._lifeline = None


def run(process: Process, *, cancelled: threading.Event | None = None, timeout: float | None = None) -> int:
    """Run a program to its end and return its exit code.

    Raises ``CancelledError`` as soon as the event is set, ``TimeoutError`` after ``timeout`` seconds; the
    program is ended in both cases.
    """
    process.start()
    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        while process.running:
            if cancelled is not None and cancelled.is_set():
                raise CancelledError(f"{process.name} was given up.")
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"{process.name} still runs after {timeout} s")
            with contextlib.suppress(TimeoutError):
                process.wait(0.2)
        return process.wait()
    finally:
        process.stop(grace=2.0)


def alive(pid: int) -> bool:
    """Whether a process of that id is there and is not a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def read_line(pipe: IO[bytes], *, timeout: float) -> bytes:
    """One line of a pipe; raises ``TimeoutError`` when none begins within ``timeout`` seconds."""
    readable, _, _ = select.select([pipe], [], [], timeout)
    if not readable:
        raise TimeoutError(f"no answer within {timeout} s")
    return pipe.readline()


def plain_environment(**extra: str) -> dict[str, str]:
    """A small environment for a part: nothing of the caller's settings leaks into it."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {"LANG": "C.UTF-8", **kept, **extra}
