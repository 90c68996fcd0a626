"""`run`: the operator itself."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

from skillmeat_operator.cli.command import Command
from skillmeat_operator.cli.errors import CommandError, WrongUseError
from skillmeat_operator.cli.output.logs import set_up_logging
from skillmeat_operator.cli.settings.sources import read_settings, settings_options

if TYPE_CHECKING:
    from types import SimpleNamespace

    from skillmeat_operator.cli.context import Context


def execute(arguments: SimpleNamespace, context: Context) -> int:
    """Read the settings and run the operator; returns its exit code."""
    settings = read_settings(vars(arguments), context.environ)
    set_up_logging(settings.log_format, settings.log_level, context.console.err)
    # What is loaded now stays: looking for garbage meanwhile would take a sixth of the start.
    gc.disable()
    # Loads kopf and every adapter, which `run --help` does not need.
    from skillmeat_operator.adapters.kubernetes.errors import AccessError  # noqa: PLC0415
    from skillmeat_operator.adapters.kubernetes.kubeconfig import KubeconfigError  # noqa: PLC0415
    from skillmeat_operator.controller.operator import run_operator  # noqa: PLC0415

    gc.enable()
    try:
        return asyncio.run(run_operator(settings))
    except KubeconfigError as error:
        raise WrongUseError(str(error)) from None
    except AccessError as error:
        raise CommandError(f"The operator cannot reach a cluster. {error}") from None


COMMAND = Command(
    "run",
    "Run the operator until SIGTERM or SIGINT. Each flag can also be given as an environment "
    "variable; a flag wins over its variable. Flags that may be repeated also take several values with "
    "commas between them.",
    execute,
    params=settings_options(),
    examples=(
        "run --public-url http://skillmeat-operator.skillmeat-operator.svc:8080 --allowed-hosts "
        "'*.example.org'",
        "run --namespace team-a --operator-namespace team-a --kubeconfig ~/.kube/config --log-format text",
    ),
    exits="0 after it was told to stop, 1 when it cannot go on, 2 when a setting is wrong.",
)
