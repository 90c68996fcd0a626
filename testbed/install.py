"""Installing the parts: each into the cache folder, all of them side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from testbed.errors import CancelledError, PartError
from testbed.prerequisites import check_compiler, check_disk, check_make, check_python
from testbed.programs import PROGRAMS, find_control_plane, find_judge, install_control_plane, install_judge
from testbed.servers import find_backstage, find_skillmeat, install_backstage, install_skillmeat
from testbed.workshop import Workshop

PARTS = ("controlplane", "skillmeat", "backstage", "judge")
DEMO_PARTS = ("controlplane", "skillmeat", "backstage")

_GIB = 1 << 30
_NEEDED = {"controlplane": 4.0, "judge": 0.3, "skillmeat": 0.3, "backstage": 0.7}
"""GiB of disk that a part takes while and after it is installed, what its package manager keeps included."""


def install(workshop: Workshop, *, parts: Sequence[str] = PARTS, programs: Sequence[str] = PROGRAMS) -> None:
    """Install what is missing of the parts and, for the control plane, of its programs.

    Raises the ``PartError`` (``MissingPrerequisiteError``) of the part that failed first; the others are
    given up.
    """
    check_prerequisites(workshop, parts=parts, programs=programs)
    work: dict[str, Callable[[], object]] = {
        "controlplane": lambda: install_control_plane(workshop, programs),
        "judge": lambda: install_judge(workshop),
        "skillmeat": lambda: install_skillmeat(workshop),
        "backstage": lambda: install_backstage(workshop),
    }
    with ThreadPoolExecutor(max_workers=len(work)) as pool:
        running = [pool.submit(work[part]) for part in work if part in parts]
        try:
            done, _ = wait(running, return_when=FIRST_EXCEPTION)
        finally:
            workshop.cancelled.set()  # harmless when all are done
        errors = [error for future in done if (error := future.exception()) is not None]
    for error in errors:
        if not isinstance(error, CancelledError):
            raise error
    if errors:
        raise errors[0]


def check_prerequisites(
    workshop: Workshop, *, parts: Sequence[str] = PARTS, programs: Sequence[str] = PROGRAMS
) -> list[str]:
    """Check what the missing parts need of the machine, and return which parts are missing.

    Raises ``MissingPrerequisiteError``.
    """
    machine = workshop.machine
    check_python(machine)
    missing = [part for part in parts if not installed(workshop, part, programs)]
    if "backstage" in missing:
        check_compiler(machine)
        check_make(machine)
    if missing:
        check_disk(machine, workshop.cache.folder, int(sum(_NEEDED[part] for part in missing) * _GIB))
    return missing


def installed(workshop: Workshop, part: str, programs: Sequence[str] = PROGRAMS) -> bool:
    """Whether a part is there, complete and for its present pins."""
    try:
        match part:
            case "controlplane":
                find_control_plane(workshop, programs)
            case "judge":
                find_judge(workshop)
            case "skillmeat":
                find_skillmeat(workshop)
            case "backstage":
                find_backstage(workshop)
            case _:
                raise ValueError(f"there is no part {part}")
    except PartError:
        return False
    return True
