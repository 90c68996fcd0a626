"""`crds`: prints the CustomResourceDefinitions, for `kubectl apply`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from skillmeat_operator.cli.command import Command
from skillmeat_operator.cli.errors import ExitCode

if TYPE_CHECKING:
    from types import SimpleNamespace

    from skillmeat_operator.cli.context import Context


def execute(_arguments: SimpleNamespace, context: Context) -> int:
    """Print one YAML document for each CRD."""
    # Loads pydantic's models, which `--help` does not need.
    from skillmeat_operator.api.crd.definitions import crds  # noqa: PLC0415

    text = yaml.safe_dump_all(crds(), sort_keys=False, allow_unicode=True, width=110)
    context.console.print(text.rstrip("\n"))
    return ExitCode.DONE


COMMAND = Command(
    "crds",
    "Print the CustomResourceDefinitions of this version as YAML. It needs no cluster.",
    execute,
    examples=("crds", "crds | kubectl apply --server-side -f -"),
)
