"""`completion`: prints the script that makes a shell complete the program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from skillmeat_operator.cli.command import Command, Positional
from skillmeat_operator.cli.completion import SHELLS, script
from skillmeat_operator.cli.errors import ExitCode

if TYPE_CHECKING:
    from types import SimpleNamespace

    from skillmeat_operator.cli.context import Context


def execute(arguments: SimpleNamespace, context: Context) -> int:
    """Print the script."""
    from skillmeat_operator.cli.main import PROGRAM, program  # noqa: PLC0415  it loads this module

    context.console.print(script(program(), PROGRAM, arguments.shell).strip("\n"))
    return ExitCode.DONE


COMMAND = Command(
    "completion",
    "Print the script that makes a shell complete skillmeat-operator; bash needs version 4.4. kubectl "
    "completes `kubectl skillmeat` by itself where kubectl_complete-skillmeat, which is installed beside the "
    "program, is in PATH.",
    execute,
    params=(Positional("shell", "Which shell: bash, zsh or fish.", "SHELL", type=click.Choice(SHELLS)),),
    examples=("completion bash > ~/.local/share/bash-completion/completions/skillmeat-operator",),
)
