"""What the machine has to bring along, and the one sentence that says so when it does not.

Everything else comes from the package registries. The questions go through ``Machine`` so that tests can ask
them of a machine that lacks something.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import MissingPrerequisiteError

OLDEST_PYTHON = (3, 11)
GO_VERSION = "1.26"
NODE_VERSIONS = (20, 22, 24)
_GIB = 1 << 30


class Machine:
    """The machine that this runs on."""

    def python_version(self) -> tuple[int, int]:
        """Major and minor version of the running interpreter."""
        return sys.version_info[:2]

    def has_module(self, name: str) -> bool:
        """Whether the running interpreter could import a module."""
        return importlib.util.find_spec(name) is not None

    def which(self, program: str) -> str | None:
        """The path of a program on ``PATH``."""
        return shutil.which(program)

    def variable(self, name: str) -> str | None:
        """An environment variable, ``None`` when it is not set or empty."""
        return os.environ.get(name) or None

    def output(self, *argv: str) -> str | None:
        """What a short program prints; ``None`` when it fails, hangs or is not there."""
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True)  # noqa: S603
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    def free_bytes(self, folder: Path) -> int:
        """Free disk space where a folder is or would be."""
        while not folder.exists():
            folder = folder.parent
        return shutil.disk_usage(folder).free


@dataclass(frozen=True)
class Node:
    """A Node that can run and compile Backstage."""

    version: str
    program: Path
    npm: tuple[str, ...]
    """The command line of its npm."""
    headers: Path
    """The folder whose ``include/node`` has its headers."""


def check_python(machine: Machine) -> None:
    """Raise ``MissingPrerequisiteError`` under a Python that is too old or has no venv."""
    version = machine.python_version()
    if version < OLDEST_PYTHON:
        raise MissingPrerequisiteError(
            f"Python {version[0]}.{version[1]} is too old; install Python 3.11 or newer and run this with "
            "it, for instance make PYTHON=python3.11."
        )
    if not (machine.has_module("venv") and machine.has_module("ensurepip")):
        raise MissingPrerequisiteError(
            "Python's venv module is missing; install the package python3-venv of your distribution "
            "(apt-get install python3-venv)."
        )


def check_make(machine: Machine) -> None:
    """Raise ``MissingPrerequisiteError`` without make."""
    if machine.which("make") is None:
        raise MissingPrerequisiteError("make is missing; install it (apt-get install make).")


def check_compiler(machine: Machine) -> None:
    """Raise ``MissingPrerequisiteError`` without a C++ compiler, which Backstage's database module needs."""
    named = machine.variable("CXX")
    if not any(machine.which(name) for name in ((named.split()[0],) if named else ("g++", "c++", "clang++"))):
        raise MissingPrerequisiteError(
            f"The C++ compiler that CXX names ({named}) is missing; install it or unset CXX."
            if named
            else "A C++ compiler is missing; install one (apt-get install g++)."
        )


def check_disk(machine: Machine, folder: Path, needed: int) -> None:
    """Raise ``MissingPrerequisiteError`` when fewer than ``needed`` bytes are free for the cache folder."""
    free = machine.free_bytes(folder)
    if free < needed:
        raise MissingPrerequisiteError(
            f"The disk has too little space for {folder}: {free / _GIB:.1f} GiB are free and "
            f"{needed / _GIB:.1f} GiB are needed; make room, or set SKILLMEAT_TESTBED_CACHE to a "
            "folder on a larger disk."
        )


def find_go(machine: Machine) -> tuple[str | None, str]:
    """The machine's Go if it is of the right version, and what was found, for messages.

    Not just any newer one: with Go 1.27 the API server builds, but its OpenAPI is broken and
    ``kubectl apply`` fails.
    """
    program = machine.which("go")
    if program is None:
        return None, "no Go"
    printed = machine.output(program, "env", "GOVERSION") or ""
    match = re.search(r"go(\d+\.\d+)", printed)
    if match is None:
        return None, "a Go that does not run"
    found = match[1]
    return (program if found == GO_VERSION else None), f"Go {found}"


def find_node(machine: Machine) -> Node | None:
    """The machine's Node if Backstage can be compiled for it and run on it.

    It needs npm beside it and its headers; without them the compilation would fetch the headers from
    outside the registries.
    """
    program, npm = machine.which("node"), machine.which("npm")
    if program is None or npm is None:
        return None
    printed = machine.output(program, "-p", "process.versions.node + ' ' + process.execPath") or ""
    match = re.fullmatch(r"((\d+)\.\d+\.\d+) (/.+)", printed)
    if match is None or int(match[2]) not in NODE_VERSIONS:
        return None
    real = Path(match[3])
    prefix = real.parent.parent
    if not (prefix / "include" / "node" / "node_api.h").exists():
        return None
    return Node(version=match[1], program=real, npm=(npm,), headers=prefix)
