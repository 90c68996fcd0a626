"""Shell completion: scripts for bash, zsh and fish, and what kubectl asks its plugins' helpers.

kubectl completes `kubectl skillmeat …` by running `kubectl_complete-skillmeat` with the words so far; it
expects one proposal a line, a tab before its description, and at the end a colon with a number that says what
the shell does besides (https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from click.shell_completion import ShellComplete, get_completion_class

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

SHELLS: Final = ("bash", "zsh", "fish")
COMPLETE_VARIABLE: Final = "_SKILLMEAT_OPERATOR_COMPLETE"
"""Set by the scripts when they ask for proposals."""
_NO_FILES: Final = 4
_FILES: Final = 0
"""Directives of kubectl: propose no files besides, or do as the shell does by itself."""


def script(program: click.Command, name: str, shell: str) -> str:
    """Return the script that makes a shell complete the program of this name."""
    kind = get_completion_class(shell)
    if kind is None:
        raise ValueError(f"no completion for {shell}")
    # Not the class's own: that of bash starts a bash to ask for its version.
    return ShellComplete.source(kind(program, {}, name, COMPLETE_VARIABLE))


def for_kubectl(program: click.Command, words: Sequence[str]) -> str:
    """Return kubectl's form of what completes the last of the words."""
    *before, last = words or [""]
    found = ShellComplete(program, {}, "kubectl skillmeat", COMPLETE_VARIABLE).get_completions(before, last)
    lines = [
        f"{item.value}\t{item.help}" if item.help else item.value for item in found if item.type == "plain"
    ]
    directive = _NO_FILES if len(lines) == len(found) else _FILES
    return "".join(f"{line}\n" for line in [*lines, f":{directive}"])


def kubectl_main() -> int:
    """Run as the executable `kubectl_complete-skillmeat`."""
    from skillmeat_operator.cli.main import program  # noqa: PLC0415  it knows this module

    sys.stdout.write(for_kubectl(program(), sys.argv[1:]))
    return 0
