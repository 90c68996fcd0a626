"""The command line: ``python -m testbed install | check | up | where``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from testbed.cache import Cache, default_folder
from testbed.errors import MissingPrerequisiteError, PartError
from testbed.install import DEMO_PARTS, PARTS, check_prerequisites, install
from testbed.programs import DEMO_PROGRAMS, PROGRAMS, find_control_plane
from testbed.workshop import Workshop

DONE, FAILED, WRONG_USE_OR_MISSING, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None, *, workshop: Workshop | None = None) -> int:
    """Run one command; returns its exit code.

    A missing prerequisite is one sentence on stderr and 2, any other failure of a part one message and 1.
    """
    arguments = _parser().parse_args(argv)
    workshop = workshop or Workshop(cache=Cache())
    try:
        match arguments.command:
            case "install":
                _install(workshop, arguments)
            case "check":
                parts, programs = _wanted(arguments)
                check_prerequisites(workshop, parts=parts, programs=programs)
            case "where":
                print(find_control_plane(workshop, [arguments.program])[arguments.program])
            case "up":
                # Only here, because it needs the project's environment and the others do not.
                from testbed.up import up  # noqa: PLC0415

                only = [part for part in _wanted(arguments)[0] if part != "judge"]
                up(only=only, controller_manager=arguments.controller_manager)
    except MissingPrerequisiteError as error:
        print(error, file=sys.stderr)
        return WRONG_USE_OR_MISSING
    except PartError as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("Interrupted; what is complete is kept.", file=sys.stderr)
        return INTERRUPTED
    return DONE


def _install(workshop: Workshop, arguments: argparse.Namespace) -> None:
    parts, programs = _wanted(arguments)
    missing = check_prerequisites(workshop, parts=parts, programs=programs)
    if not missing:
        return
    workshop.progress.say("testbed", f"installing {', '.join(missing)} into {workshop.cache.folder}")
    install(workshop, parts=missing, programs=programs)
    workshop.progress.say("testbed", "all is installed")


def _wanted(arguments: argparse.Namespace) -> tuple[list[str], list[str]]:
    """The parts, and of the control plane the programs, that the arguments ask for."""
    parts = list(DEMO_PARTS if arguments.demo else PARTS)
    programs = list(DEMO_PROGRAMS if arguments.demo else PROGRAMS)
    if not arguments.only:
        return parts, programs
    named = [name.strip() for name in arguments.only.split(",") if name.strip() not in {"", "none"}]
    for name in named:
        if name not in PARTS and name not in PROGRAMS:
            raise MissingPrerequisiteError(f"There is no part {name}; the parts are {', '.join(PARTS)}.")
    parts = [name for name in named if name in PARTS]
    single = [name for name in named if name in PROGRAMS]
    if single and "controlplane" not in parts:
        return ["controlplane", *parts], single
    return parts, programs


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m testbed",
        description="The real parts on loopback: a Kubernetes control plane, SkillMeat, Backstage.",
        epilog=f"Everything installed lies in {default_folder()} (SKILLMEAT_TESTBED_CACHE).",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("install", "fetch and build what is missing"),
        ("check", "check the prerequisites of what is missing, without installing anything"),
        ("up", "start the parts, print one line of JSON when ready, run until SIGTERM or SIGINT"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--only", metavar="PARTS", help=f"comma-separated, of {', '.join(PARTS)}; none")
        command.add_argument("--demo", action="store_true", help="only what the demo needs")
        if name == "up":
            command.add_argument(
                "--controller-manager",
                action="store_true",
                help="with garbage collection, namespace deletion and default service accounts",
            )
    where = commands.add_parser("where", help="print the path of an installed program of the control plane")
    where.add_argument("program", choices=PROGRAMS)
    return parser
