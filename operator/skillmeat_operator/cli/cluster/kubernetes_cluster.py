"""The commands' calls to a real cluster; every failure becomes one sentence for the person who waits."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from skillmeat_operator.adapters.kubernetes.client import KubernetesClient
from skillmeat_operator.adapters.kubernetes.configuration import find_access
from skillmeat_operator.adapters.kubernetes.errors import (
    AccessError,
    ForbiddenError,
    KubernetesError,
    NotFoundError,
    RejectedError,
    UnavailableError,
)
from skillmeat_operator.adapters.kubernetes.kubeconfig import KubeconfigError
from skillmeat_operator.cli.errors import CommandError, WrongUseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from skillmeat_operator.api.keys import KindNames
    from skillmeat_operator.cli.context import ClusterChoice, Json

FIELD_MANAGER: Final = "skillmeat-operator-cli"
"""Under this name the API server notes what people changed by our commands; also our user agent."""
DEFAULT_NAMESPACE: Final = "default"

_Answer = TypeVar("_Answer")


@asynccontextmanager
async def open_cluster(choice: ClusterChoice) -> AsyncIterator[KubernetesCluster]:
    """Connect to the chosen cluster for the time of one command.

    Raises:
        WrongUseError: there is no kubeconfig, or what it says has to be changed.
        CommandError: its files, certificates or credential plugin cannot be used.
    """
    # What the client's package logs, we say in a sentence of our own.
    logging.getLogger("kubernetes").addHandler(logging.NullHandler())
    try:
        access = await find_access(
            kubeconfig=choice.kubeconfig, context=choice.context, environ=choice.environ, pod_first=False
        )
    except KubeconfigError as error:
        raise WrongUseError(str(error)) from None
    except AccessError as error:
        raise CommandError(str(error)) from None
    async with KubernetesClient(
        access, timeout=choice.request_timeout, field_manager=FIELD_MANAGER
    ) as client:
        yield KubernetesCluster(client, server=access.configuration.host)


class KubernetesCluster:
    """The calls of :class:`skillmeat_operator.cli.context.Cluster`, each within the client's time-out."""

    def __init__(self, client: KubernetesClient, *, server: str) -> None:
        """Take over a client; ``server`` is what messages name."""
        self._client = client
        self._server = server
        self.namespace = client.namespace or DEFAULT_NAMESPACE
        """Namespace that counts where none is given."""

    async def list(self, kind: KindNames, namespace: str | None) -> list[Json]:
        """Return all objects of the kind, of one namespace or of all (None)."""
        found = await self._told(
            self._client.list_all(kind.plural, namespace), verb="list", resource=kind.crd, namespace=namespace
        )
        return list(found.items)

    async def get(self, kind: KindNames, namespace: str, name: str) -> Json | None:
        """Return one object, None where it does not exist."""
        return await self._found(
            self._client.get(kind.plural, namespace, name), resource=kind.crd, namespace=namespace
        )

    async def patch(self, kind: KindNames, namespace: str, name: str, body: Json) -> Json:
        """Apply a JSON merge patch and return the object."""
        call = self._client.patch(kind.plural, namespace, name, body, resource_version=None)
        try:
            return await self._told(call, verb="patch", resource=kind.crd, namespace=namespace)
        except NotFoundError:
            raise CommandError(f"The {kind.kind} {name!r} was deleted a moment ago.") from None

    async def lease(self, namespace: str, name: str) -> Json | None:
        """Return a Lease, None where it does not exist."""
        return await self._found(
            self._client.get("leases", namespace, name),
            resource="leases.coordination.k8s.io",
            namespace=namespace,
        )

    async def cluster_uid(self) -> str:
        """Return the UID of namespace kube-system."""
        return await self._told(self._client.cluster_uid(), verb="get", resource="namespaces", namespace=None)

    async def _found(self, call: Awaitable[Json], *, resource: str, namespace: str) -> Json | None:
        try:
            return await self._told(call, verb="get", resource=resource, namespace=namespace)
        except NotFoundError:
            return None

    async def _told(
        self, call: Awaitable[_Answer], *, verb: str, resource: str, namespace: str | None
    ) -> _Answer:
        """The call's answer; NotFoundError passes, every other failure becomes a sentence."""
        try:
            return await call
        except NotFoundError:
            raise
        except ForbiddenError:
            scope = "--all-namespaces" if namespace is None else f"-n {namespace}"
            raise CommandError(
                f"You are not allowed to {verb} {resource}: ask for the permission that `kubectl auth can-i "
                f"{verb} {resource} {scope}` denies."
            ) from None
        except RejectedError as error:
            raise CommandError(f"The API server refuses the change ({error}).") from None
        except KubernetesError as error:
            raise CommandError(self._sentence(error, resource)) from None

    def _sentence(self, error: KubernetesError, resource: str) -> str:
        """Return what to do about an answer that is neither an object nor a refusal."""
        match error.status if isinstance(error, UnavailableError) else None:
            case 404:
                return (
                    f"The API server does not know {resource}: install the CRDs with "
                    "`skillmeat-operator crds | kubectl apply --server-side -f -`."
                )
            case 401:
                return "The API server does not accept the kubeconfig's credential: log in again or renew it."
            case _:
                what = str(error).rpartition(": ")[2]
                return (
                    f"The API server {self._server} cannot be used ({what}): check that it runs, the network "
                    "and that --kubeconfig and --context name the right cluster."
                )
