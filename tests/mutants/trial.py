"""The tests against one tree, nearest to the fault first."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock
from xml.etree import ElementTree

PACKAGES = PurePosixPath("operator/skillmeat_operator")
UNIT = PurePosixPath("tests/unit")
SIMULATION = tuple(
    f"tests/simulation/test_{name}.py" for name in ("scenarios", "shares", "first", "evidence")
)

_MEMORY_KIB = 4 * 1024 * 1024
_ONE_TEST = 120
"""Seconds; the longest test takes about 25, and twice that on a busy machine."""
_SLOW = 10
"""Seconds from which a file of another folder comes last."""
_PYTEST = (
    "-m",
    "pytest",
    "-x",
    "-q",
    "--tb=no",
    "--no-header",
    "--hypothesis-seed=0",
    f"--timeout={_ONE_TEST}",
    "-p",
    "no:cacheprovider",
    # What the garbage collector says about some earlier test is no verdict of the one that it came upon.
    "-W",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)


class BrokenTreeError(Exception):
    """The tests do not pass without a fault, so they prove nothing with one."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant."""

    killed: bool
    by: str
    """The test, or what else ended the run."""
    seconds: float


class Trials:
    """Runs of pytest that can all be ended at once."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = Lock()
        self._ended = False

    def end(self) -> None:
        """Kill what runs, and let nothing new begin."""
        with self._lock:
            self._ended = True
            for process in self._running:
                _kill(process)

    def baseline(self, tree: Path) -> Mapping[str, float]:
        """How long each file of tests takes on the tree without a fault; leaves the compiled modules there."""
        files = [*_unit_files(tree), *SIMULATION]
        report = tree.parent / "baseline.xml"
        where = [sys.executable, "-c", "import skillmeat_operator; print(skillmeat_operator.__file__)"]
        _, said = self._run(tree, where, 60)
        if not Path(said.strip()).is_relative_to(tree):
            raise BrokenTreeError(f"the tests would not import from the copy of the tree: {said}")
        code, said = self._run(
            tree,
            [sys.executable, *_PYTEST, f"--junitxml={report}", *files],
            1200,
            compiled=True,
        )
        if code != 0:
            raise BrokenTreeError(said)
        taken = dict.fromkeys(files, 0.0)
        modules = {name.removesuffix(".py").replace("/", "."): name for name in files}
        for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it
            taken[modules[case.get("classname", "")]] += float(case.get("time", "0"))
        return taken

    def judge(self, tree: Path, path: str, taken: Mapping[str, float]) -> Verdict:
        """Run the tests of the module's own package, then all others, until one fails."""
        began = time.monotonic()
        for files in turns(path, taken):
            limit = max(120.0, 4 * sum(taken[name] for name in files))
            code, said = self._run(tree, [sys.executable, *_PYTEST, *files], limit)
            if code != 0:
                return Verdict(killed=True, by=_culprit(code, said), seconds=time.monotonic() - began)
        return Verdict(killed=False, by="", seconds=time.monotonic() - began)

    def _run(
        self, tree: Path, command: Sequence[str], limit: float, *, compiled: bool = False
    ) -> tuple[int | None, str]:
        """Exit code, None when the time was up, and output."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MAKE", "MFLAGS", "PYTEST"))
        }
        environment["PYTHONPATH"] = f"{tree / 'operator'}:{tree}"
        environment["PYTHONDONTWRITEBYTECODE"] = "" if compiled else "1"
        limited = ["/bin/sh", "-c", f'ulimit -v {_MEMORY_KIB}; exec "$@"', "sh", *command]
        with self._lock:
            if self._ended:
                raise KeyboardInterrupt
            process = subprocess.Popen(  # noqa: S603 - running pytest is the purpose
                limited,
                cwd=tree,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            self._running.add(process)
        try:
            said, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            return None, ""
        else:
            return process.returncode, said
        finally:
            _kill(process)
            process.wait()
            with self._lock:
                self._running.discard(process)


def turns(path: str, taken: Mapping[str, float]) -> list[list[str]]:
    """The files of tests for a module: those of its package, and all others; the nearest and quickest first."""
    module = PurePosixPath(path).relative_to(PACKAGES)
    own, nearest = UNIT / module.parts[0], UNIT / module.parent

    def near(name: str) -> bool:
        return PurePosixPath(name).is_relative_to(nearest)

    def first(name: str) -> bool:
        return PurePosixPath(name).is_relative_to(own) and (near(name) or taken[name] < _SLOW)

    def turn(name: str) -> tuple[bool, bool, bool, bool, float]:
        file = PurePosixPath(name)
        unit = file.is_relative_to(UNIT)
        return (
            unit and not near(name) and taken[name] >= _SLOW,
            not unit,
            not near(name),
            file.name != f"test_{module.stem}.py",
            taken[name],
        )

    ordered = sorted(taken, key=turn)
    parts = [name for name in ordered if first(name)], [name for name in ordered if not first(name)]
    return [part for part in parts if part]


def _unit_files(tree: Path) -> list[str]:
    return sorted(str(path.relative_to(tree)) for path in (tree / UNIT).rglob("test_*.py"))


def _culprit(code: int | None, said: str) -> str:
    if code is None:
        return "the time limit"
    failed = re.search(r"^(?:FAILED|ERROR) ([^\n]*?)(?: - .*)?$", said, re.MULTILINE)
    return failed[1] if failed else f"exit code {code}"


def _kill(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
