"""`run`: the operator itself."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

from skillmeat_operator.cli.cluster.kubeconfig import choose_cluster
from skillmeat_operator.cli.command import Command
from skillmeat_operator.cli.errors import CommandError
from skillmeat_operator.cli.output.logs import set_up_logging
from skillmeat_operator.cli.settings.sources import read_settings, settings_options

if TYPE_CHECKING:
    import argparse

    from skillmeat_operator.cli.context import Context

COMMAND = Command(
    name="run",
    description="Run the operator until SIGTERM or SIGINT. Each flag can also be given as an environment "
    "variable; a flag wins over its variable. Flags that may be repeated also take several values with "
    "commas between them.",
    options=settings_options(),
    examples=(
        "run --public-url http://skillmeat-operator.skillmeat-operator.svc:8080 --allowed-hosts "
        "'*.example.org'",
        "run --namespace team-a --operator-namespace team-a --kubeconfig ~/.kube/config --log-format text",
    ),
    exits="0 after it was told to stop, 1 when it cannot go on, 2 when a setting is wrong.",
)


def execute(arguments: argparse.Namespace, context: Context) -> int:
    """Read the settings and run the operator; returns its exit code."""
    settings = read_settings(
        vars(arguments),
        context.environ,
        kubeconfig_namespace=lambda file, name: _namespace_of(file, name, context),
    )
    set_up_logging(settings.log_format, settings.log_level, context.console.err)
    # What is loaded now stays: looking for garbage meanwhile would take a sixth of the start.
    gc.disable()
    # Loads kopf and every adapter, which `run --help` does not need.
    from skillmeat_operator.adapters.kubernetes.configuration import AccessError  # noqa: PLC0415
    from skillmeat_operator.controller.operator import run_operator  # noqa: PLC0415

    gc.enable()
    try:
        return asyncio.run(run_operator(settings))
    except AccessError as error:
        raise CommandError(f"The operator cannot reach a cluster: {error}.") from None


def _namespace_of(kubeconfig: str | None, cluster_context: str | None, context: Context) -> str:
    return choose_cluster(kubeconfig, cluster_context, context.environ, pod_first=True).namespace
