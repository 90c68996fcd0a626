"""Entry point of the program `skillmeat-operator`, also installed as `kubectl-skillmeat`.

Only the file of the command that was asked for is loaded: `kubectl skillmeat status` starts fast, and `crds`
needs neither a cluster nor the packages that talk to one.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from skillmeat_operator import __version__
from skillmeat_operator.cli.command import SentenceParser, leading_command
from skillmeat_operator.cli.context import Context
from skillmeat_operator.cli.errors import CommandError, ExitCode, WrongUseError
from skillmeat_operator.cli.output.console import Console, swallow_broken_pipe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "run": "Run the operator.",
        "crds": "Print the CustomResourceDefinitions.",
        "status": "Show CatalogSources and TemplateBundles, what is wrong and what helps.",
        "sync": "Request a sync, and wait for its outcome.",
        "suspend": "Stop working on an object.",
        "resume": "Go on working on a suspended object.",
        "portal-config": "Print the lines that a portal's app-config needs for a CatalogSource.",
    }
)
"""Commands with one line of help, in the order of the help text; each lives in the module of its name."""

PROGRAM: Final = "skillmeat-operator"
PLUGIN: Final = "kubectl-skillmeat"
_FLAGS_WITH_VALUES: Final = ("-n", "--namespace", "--context", "--kubeconfig")
_INTERRUPTED: Final = 130
"""128 + SIGINT, as shells count."""


def command_module(name: str) -> Any:
    """Load the module of a command: it has `COMMAND` and `execute(arguments, context) -> exit code`."""
    return importlib.import_module(f"skillmeat_operator.cli.commands.{name.replace('-', '_')}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line of this process and return its exit code."""
    invoked = Path(sys.argv[0]).name
    program = PLUGIN.replace("-", " ", 1) if invoked.startswith(PLUGIN) else PROGRAM
    context = process_context(program)
    try:
        code = dispatch(sys.argv[1:] if arguments is None else arguments, context)
        sys.stdout.flush()
    except BrokenPipeError:
        swallow_broken_pipe(sys.stdout)
        return ExitCode.DONE
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def dispatch(arguments: Sequence[str], context: Context) -> int:
    """Run the command the arguments name and return its exit code; an error becomes one line on stderr."""
    try:
        parser = _program_parser(context.program)
        ordered = leading_command(arguments, tuple(COMMANDS), takes_value=_FLAGS_WITH_VALUES)
        if not ordered:
            context.console.print(parser.format_help().rstrip("\n"))
            return ExitCode.WRONG_USE
        if ordered[0] not in COMMANDS:
            parser.parse_args(ordered)
            raise WrongUseError(f"{ordered[0]!r} is no command; see `{context.program} --help`.")
        module = command_module(ordered[0])
        parsed = module.COMMAND.parser(context.program).parse_args(ordered[1:])
        return int(module.execute(parsed, context))
    except CommandError as error:
        context.console.progress(f"error: {error}")
        return error.exit_code
    except SystemExit as stop:
        # argparse ends the process after --help and --version; both have printed already.
        return int(stop.code or 0)


def process_context(program: str) -> Context:
    """Return the context of a real process."""
    return Context(
        console=Console.of_process(os.environ),
        environ=os.environ,
        program=program,
        now=lambda: datetime.now(UTC),
        monotonic=time.monotonic,
        sleep=asyncio.sleep,
        new_token=_fresh_token,
        open_cluster=_open_cluster,
    )


def _program_parser(program: str) -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items())
    parser = SentenceParser(
        prog=program,
        usage=f"{program} COMMAND [options]",
        description="Keeps a Backstage catalog in step with SkillMeat and says in status whether it is.",
        epilog=f"commands:\n{listed}\n\nHelp of one command: {program} COMMAND --help",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument("command", nargs="?", metavar="COMMAND", help=argparse.SUPPRESS)
    return parser


def _fresh_token() -> str:
    """Return the time in RFC 3339 with nanoseconds: readable, and never the same twice in one process."""
    nanoseconds = time.time_ns()
    moment = datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds % 1_000_000_000:09d}Z"


def _open_cluster(choice: Any) -> Any:
    # Loads the client of the API server, which takes longer than everything else: only where it is used.
    opened = importlib.import_module("skillmeat_operator.cli.cluster.kubernetes_cluster")
    return opened.open_cluster(choice)


if __name__ == "__main__":
    sys.exit(main())
