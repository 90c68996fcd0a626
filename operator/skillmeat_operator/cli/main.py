"""Entry point of the program `skillmeat-operator`, also installed as `kubectl-skillmeat`.

Only the file of the command that was asked for is loaded: `kubectl skillmeat status` starts fast, and `crds`
needs neither a cluster nor the packages that talk to one.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import shell_complete

from skillmeat_operator import __version__
from skillmeat_operator.cli.command import Command, Program, sentence_of
from skillmeat_operator.cli.completion import COMPLETE_VARIABLE
from skillmeat_operator.cli.context import Context
from skillmeat_operator.cli.errors import CommandError, ExitCode
from skillmeat_operator.cli.options import leading_options
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
        "completion": "Print the script that makes a shell complete the program.",
    }
)
"""Commands with one line of help, in the order of the help text; each lives in the module of its name."""

PROGRAM: Final = "skillmeat-operator"
PLUGIN: Final = "kubectl-skillmeat"
_INTERRUPTED: Final = 130
"""128 + SIGINT, as shells count."""
_HELP_WIDTH: Final = 110


def command(name: str) -> Command:
    """Load a command; its module has `COMMAND`."""
    module: Any = importlib.import_module(f"skillmeat_operator.cli.commands.{name.replace('-', '_')}")
    found: Command = module.COMMAND
    return found


def program() -> Program:
    """Return the program as click runs it and completes it."""
    made = Program(
        COMMANDS,
        command,
        shared=leading_options(),
        help="Keeps a Backstage catalog in step with SkillMeat and says in status whether it is.",
        subcommand_metavar="COMMAND [ARGS]...",
        context_settings={"max_content_width": _HELP_WIDTH, "help_option_names": ["-h", "--help"]},
    )
    return click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")(made)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line of this process and return its exit code."""
    invoked = Path(sys.argv[0]).name
    name = PLUGIN.replace("-", " ", 1) if invoked.startswith(PLUGIN) else PROGRAM
    if COMPLETE_VARIABLE in os.environ:
        return shell_complete(program(), {}, name, COMPLETE_VARIABLE, os.environ[COMPLETE_VARIABLE])
    context = process_context(name)
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
        made = program()
        with made.make_context(context.program, list(arguments), obj=context) as parsed:
            return int(made.invoke(parsed))
    except click.exceptions.NoArgsIsHelpError as error:
        context.console.print(error.ctx.get_help() if error.ctx is not None else "")
        return ExitCode.WRONG_USE
    except click.UsageError as error:
        context.console.progress(f"error: {sentence_of(error)}")
        return ExitCode.WRONG_USE
    except click.exceptions.Exit as stop:
        # After --help and --version, which have printed already.
        return stop.exit_code
    except CommandError as error:
        context.console.progress(f"error: {error}")
        return error.exit_code


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
