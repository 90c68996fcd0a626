"""What every install step shares: the cache, progress, and running a package manager to its end."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from testbed.cache import Cache, digest
from testbed.errors import MissingPrerequisiteError, PartError
from testbed.prerequisites import Machine
from testbed.process import Process, run
from testbed.progress import Progress

_NO_NETWORK = re.compile(
    r"temporary failure in name resolution|name or service not known|no such host|network is unreachable"
    r"|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|connection refused"
    r"|connection timed out|i/o timeout|Failed to establish a new connection"
    r"|ConnectTimeoutError|Max retries exceeded|server misbehaving"
    r"|TLS handshake timeout|Could not resolve host",
    re.IGNORECASE,
)
_FOREIGN = re.compile(r"PYTHON|VIRTUAL_ENV$|MAKE(FLAGS|LEVEL|OVERRIDES)$|MFLAGS$")
"""Variables that are about this interpreter, or about the make that may have called it."""
_DISK_FULL = re.compile(r"no space left on device|ENOSPC", re.IGNORECASE)


@dataclass(frozen=True)
class Workshop:
    """Where and how parts are installed."""

    cache: Cache = field(default_factory=Cache)
    machine: Machine = field(default_factory=Machine)
    progress: Progress = field(default_factory=Progress)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def run(
        self,
        part: str,
        text: str,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        detail: Callable[[str], str] | None = None,
    ) -> None:
        """Run one step of a part, with progress; ``detail`` makes a word about the step from its log so far.

        Raises ``MissingPrerequisiteError`` when the step failed for want of network or disk, else
        ``PartError``; both name the log.
        """
        log = self.cache.logs / f"{part.replace(' ', '-')}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        begin = log.stat().st_size if log.exists() else 0

        def output() -> str:
            with log.open("rb") as lines:
                lines.seek(begin)
                return lines.read().decode(errors="replace")

        process = Process(part, argv, log=log, env=env if env is not None else environment(), cwd=cwd)
        with self.progress.step(part, text, detail=(lambda: detail(output())) if detail else None):
            code = run(process, cancelled=self.cancelled)
            if code != 0:
                raise explain(part, text, output(), log)

    def waiting(self, part: str) -> Callable[[], None]:
        """What to say when another install holds the part's lock."""
        return lambda: self.progress.say(part, "another install is at it, waiting for that")


def environment(**extra: str) -> dict[str, str]:
    """The caller's environment for a package manager, which keeps its settings there (proxies, mirrors)."""
    kept = {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}
    return {**kept, **extra}


def explain(part: str, text: str, output: str, log: Path) -> PartError:
    """Tell in one sentence why a step failed."""
    if _DISK_FULL.search(output):
        return MissingPrerequisiteError(
            f"The disk became full while {part} was installed; make room, or set SKILLMEAT_TESTBED_CACHE to "
            "a folder on a larger disk."
        )
    if _NO_NETWORK.search(output):
        return MissingPrerequisiteError(
            f"The package registry for {part} cannot be reached; connect this machine to the network (or set "
            f"its proxy or mirror) and run this again (log: {log})."
        )
    last = next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "no output")
    return PartError(f"{part}: {text} failed: {last[:300]} (log: {log})")


def python_environment(workshop: Workshop, part: str, name: str, requirements: Path) -> Path:
    """A virtual environment in the cache with the hash-pinned requirements; returns its folder.

    Its programs in ``bin`` other than ``python`` do not work, because it was moved; use ``python -m``.
    """
    folder = environment_name(workshop.machine, name, requirements)
    with workshop.cache.lock(name, waiting=workshop.waiting(part), cancelled=workshop.cancelled):
        if not workshop.cache.complete(folder, ["bin/python"]):
            workshop.cache.fill(
                folder, lambda target: _fill_environment(workshop, part, target, requirements)
            )
    return workshop.cache.folder / folder


def environment_name(machine: Machine, name: str, requirements: Path) -> str:
    """The name of that environment's folder in the cache."""
    major, minor = machine.python_version()
    return f"{name}-py{major}.{minor}-{digest(requirements)}"


def site_packages(environment_folder: Path) -> Path:
    """Where the packages of an environment lie."""
    return next(environment_folder.glob("lib/python3.*/site-packages"))


def _fill_environment(workshop: Workshop, part: str, target: Path, requirements: Path) -> None:
    downloads = workshop.cache.downloads / "pip"
    env = environment(
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        PIP_NO_INPUT="1",
        PIP_CACHE_DIR=os.environ.get("PIP_CACHE_DIR", str(downloads)),
    )
    workshop.run(part, "making its Python environment", [sys.executable, "-m", "venv", target], env=env)
    pip: list[str | Path] = [
        target / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--retries=2",
        "--no-compile",
    ]
    workshop.run(
        part, "installing its Python packages", [*pip, "--require-hashes", "-r", requirements], env=env
    )
