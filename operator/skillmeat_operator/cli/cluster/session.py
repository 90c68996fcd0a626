"""Runs a command against the cluster that its flags name."""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skillmeat_operator.cli.context import ClusterChoice
from skillmeat_operator.cli.options import call_seconds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import SimpleNamespace

    from skillmeat_operator.cli.context import Cluster, Context


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the cluster a command works."""

    namespace: str
    """The namespace that was asked for, else the context's."""
    kubectl: str = "kubectl"
    """kubectl with the flags that lead it to the same cluster, for lines that are copied into a shell."""
    all_namespaces: bool = False
    """Whether all namespaces were asked for; the one above then does not count."""


def with_cluster(
    arguments: SimpleNamespace, context: Context, body: Callable[[Cluster, Place], Awaitable[int]]
) -> int:
    """Connect to the cluster, run the command's body and return its exit code.

    Raises:
        CommandError: the cluster cannot be found or reached, or the body says so.
    """
    choice = ClusterChoice(
        environ=context.environ,
        kubeconfig=arguments.kubeconfig,
        context=arguments.context,
        request_timeout=call_seconds(arguments.request_timeout),
    )

    async def connected() -> int:
        async with context.open_cluster(choice) as cluster:
            return await body(cluster, _place(arguments, cluster))

    return asyncio.run(connected())


def _place(arguments: SimpleNamespace, cluster: Cluster) -> Place:
    flags = {"--kubeconfig": arguments.kubeconfig, "--context": arguments.context}
    return Place(
        namespace=arguments.namespace or cluster.namespace,
        kubectl=shlex.join(["kubectl", *(f"{flag}={value}" for flag, value in flags.items() if value)]),
        all_namespaces=bool(getattr(arguments, "all_namespaces", False)),
    )
