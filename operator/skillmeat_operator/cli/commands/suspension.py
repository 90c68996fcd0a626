"""What `suspend` and `resume` share: setting spec.suspend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skillmeat_operator.cli.cluster.object_names import Target
from skillmeat_operator.cli.cluster.session import CLUSTER_OPTIONS, Place, with_cluster
from skillmeat_operator.cli.command import Option
from skillmeat_operator.cli.errors import CommandError, ExitCode

if TYPE_CHECKING:
    import argparse

    from skillmeat_operator.cli.context import Cluster, Context

SUSPENSION_OPTIONS = (
    Option(("name",), "The object, as `source/NAME` or `bundle/NAME`.", "NAME"),
    *CLUSTER_OPTIONS,
)


def set_suspend(arguments: argparse.Namespace, context: Context, *, suspend: bool) -> int:
    """Set spec.suspend of the named object and say so, also when it was so already.

    Raises:
        CommandError: there is no such object, or the API server does not let it be changed.
    """
    target = Target.parse(arguments.name)

    async def body(cluster: Cluster, place: Place) -> int:
        found = await cluster.get(target.kind, place.namespace, target.name)
        if found is None:
            raise missing(target, place.namespace)
        word = "suspended" if suspend else "resumed"
        if bool((found.get("spec") or {}).get("suspend")) == suspend:
            state = "suspended already" if suspend else "not suspended"
            context.console.print(f"{target} in namespace {place.namespace} is {state}.")
            return ExitCode.DONE
        await cluster.patch(target.kind, place.namespace, target.name, {"spec": {"suspend": suspend}})
        context.console.print(f"{target} in namespace {place.namespace} is {word}.")
        return ExitCode.DONE

    return with_cluster(arguments, context, body)


def missing(target: Target, namespace: str) -> CommandError:
    """Return the error that an object does not exist."""
    return CommandError(
        f"There is no {target.kind.kind} {target.name!r} in namespace {namespace!r}: see `kubectl get "
        f"{target.kind.crd} --all-namespaces`."
    )
