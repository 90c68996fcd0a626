"""What `suspend` and `resume` share: setting spec.suspend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skillmeat_operator.cli.cluster.object_names import Target
from skillmeat_operator.cli.cluster.session import Place, with_cluster
from skillmeat_operator.cli.command import Positional
from skillmeat_operator.cli.errors import CommandError, ExitCode
from skillmeat_operator.cli.options import CLUSTER_OPTIONS

if TYPE_CHECKING:
    from types import SimpleNamespace

    from skillmeat_operator.cli.context import Cluster, Context

SUSPENSION_PARAMS = (
    Positional("names", "Objects, as `source/NAME` or `bundle/NAME`.", "NAME...", nargs=-1, required=True),
    *CLUSTER_OPTIONS,
)


def set_suspend(arguments: SimpleNamespace, context: Context, *, suspend: bool) -> int:
    """Set spec.suspend of the named objects and say so, also when it was so already.

    Raises:
        CommandError: there is no such object, or the API server does not let it be changed.
    """
    targets = Target.parse_all(arguments.names)

    async def body(cluster: Cluster, place: Place) -> int:
        for target in targets:
            await _set(target, cluster, place.namespace, context, suspend=suspend)
        return ExitCode.DONE

    return with_cluster(arguments, context, body)


async def _set(target: Target, cluster: Cluster, namespace: str, context: Context, *, suspend: bool) -> None:
    found = await cluster.get(target.kind, namespace, target.name)
    if found is None:
        raise missing(target, namespace)
    if bool((found.get("spec") or {}).get("suspend")) == suspend:
        state = "suspended already" if suspend else "not suspended"
    else:
        await cluster.patch(target.kind, namespace, target.name, {"spec": {"suspend": suspend}})
        state = "suspended" if suspend else "resumed"
    context.console.print(f"{target} in namespace {namespace} is {state}.")


def missing(target: Target, namespace: str) -> CommandError:
    """Return the error that an object does not exist."""
    return CommandError(
        f"There is no {target.kind.kind} {target.name!r} in namespace {namespace!r}: see `kubectl get "
        f"{target.kind.crd} --all-namespaces`."
    )
