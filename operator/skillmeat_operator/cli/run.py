"""`run`: the operator itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from skillmeat_operator.cli.command import Command
from skillmeat_operator.cli.kubeconfig import choose_cluster
from skillmeat_operator.cli.settings_sources import read_settings, settings_options

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
        "run --public-url http://skillmeat-operator.skillmeat-system:8080 --allowed-hosts '*.example.org'",
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
    # Loads kopf and every adapter, which `run --help` does not need.
    from skillmeat_operator.controller.operator import run_operator  # noqa: PLC0415

    return asyncio.run(run_operator(settings))


def _namespace_of(kubeconfig: str | None, cluster_context: str | None, context: Context) -> str:
    return choose_cluster(kubeconfig, cluster_context, context.environ, pod_first=True).namespace
