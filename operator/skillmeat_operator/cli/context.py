"""What a command gets from outside: streams, environment, clock, sleep, ids and the way to a cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from skillmeat_operator.api.keys import KindNames
    from skillmeat_operator.cli.output.console import Console

Json = Any


@dataclass(frozen=True, slots=True)
class ClusterChoice:
    """Which cluster to talk to, as flags and environment name it."""

    environ: Mapping[str, str] = field(repr=False)
    """Where KUBECONFIG, HOME and a pod's variables are looked up; credential plugins get it."""
    kubeconfig: str | None = None
    """File of --kubeconfig; None: where kubectl looks."""
    context: str | None = None
    """Name of --context; None: the current one."""
    request_timeout: float = 15.0
    """Seconds for one call to the API server."""


class Cluster(Protocol):
    """The calls that commands make to a cluster.

    Every call has a time-out. All raise CommandError with one sentence when the API server cannot be reached,
    does not know the kinds, or refuses the call.
    """

    @property
    def namespace(self) -> str:
        """Namespace that counts where none is given: that of the kubeconfig's context, or of the pod."""
        ...

    async def list(self, kind: KindNames, namespace: str | None) -> list[Json]:
        """Return all objects of the kind, of one namespace or of all (None)."""
        ...

    async def get(self, kind: KindNames, namespace: str, name: str) -> Json | None:
        """Return one object, None where it does not exist."""
        ...

    async def patch(self, kind: KindNames, namespace: str, name: str, body: Json) -> Json:
        """Apply a JSON merge patch and return the object."""
        ...

    async def lease(self, namespace: str, name: str) -> Json | None:
        """Return a Lease, None where it does not exist."""
        ...

    async def cluster_uid(self) -> str:
        """Return the UID of namespace kube-system."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a command touches besides its arguments."""

    console: Console
    environ: Mapping[str, str]
    program: str
    """How the user called us, for texts that name a command: `skillmeat-operator` or `kubectl skillmeat`."""
    now: Callable[[], datetime]
    """The time, aware, UTC."""
    monotonic: Callable[[], float]
    """Seconds of a clock that never goes back."""
    sleep: Callable[[float], Awaitable[None]]
    new_token: Callable[[], str]
    """Makes a value for skillmeat.io/reconcile-requested-at that was never used before."""
    open_cluster: Callable[[ClusterChoice], AbstractAsyncContextManager[Cluster]]
