"""Runs a command against the cluster that its flags name."""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from skillmeat_operator.cli.cluster.kubeconfig import choose_cluster
from skillmeat_operator.cli.command import Option
from skillmeat_operator.cli.errors import WrongUseError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    from skillmeat_operator.cli.context import Cluster, Context

CLUSTER_OPTIONS: Final = (
    Option(
        ("-n", "--namespace"), "Namespace of the object.", "NAMESPACE", default_text="the context's namespace"
    ),
    Option(("--context",), "Context of the kubeconfig.", "NAME", default_text="the current context"),
    Option(
        ("--kubeconfig",),
        "Kubeconfig file.",
        "FILE",
        default_text="`KUBECONFIG`, else `~/.kube/config`, else the pod's service account",
    ),
)
"""kubectl's own flags, for commands about one object."""

ALL_NAMESPACES: Final = Option(("-A", "--all-namespaces"), "Look at all namespaces.")


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the cluster a command works."""

    namespace: str
    """The namespace that was asked for, else the context's."""
    kubectl: str = "kubectl"
    """kubectl with the flags that lead it to the same cluster, for lines that are copied into a shell."""
    all_namespaces: bool = False


def with_cluster(
    arguments: argparse.Namespace, context: Context, body: Callable[[Cluster, Place], Awaitable[int]]
) -> int:
    """Connect to the cluster, run the command's body and return its exit code.

    Raises:
        CommandError: the cluster cannot be found or reached, or the body says so.
    """
    all_namespaces = bool(getattr(arguments, "all_namespaces", False))
    if all_namespaces and arguments.namespace:
        raise WrongUseError("Give either --namespace or --all-namespaces, not both.")
    choice = choose_cluster(arguments.kubeconfig, arguments.context, context.environ)
    flags = {"--kubeconfig": arguments.kubeconfig, "--context": arguments.context}
    place = Place(
        namespace=arguments.namespace or choice.namespace,
        kubectl=shlex.join(["kubectl", *(f"{flag}={value}" for flag, value in flags.items() if value)]),
        all_namespaces=all_namespaces,
    )

    async def connected() -> int:
        async with context.open_cluster(choice) as cluster:
            return await body(cluster, place)

    return asyncio.run(connected())
