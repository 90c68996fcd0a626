"""The commands' calls to a real cluster; every failure becomes one sentence for the person who waits."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from skillmeat_operator.adapters.kubernetes.configuration import AccessError, find_access
from skillmeat_operator.adapters.kubernetes.errors import (
    ForbiddenError,
    KubernetesError,
    NotFoundError,
    RejectedError,
    UnavailableError,
)
from skillmeat_operator.adapters.kubernetes.transport import MERGE_PATCH, Transport
from skillmeat_operator.api.keys import GROUP, VERSION, KindNames
from skillmeat_operator.cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from skillmeat_operator.cli.cluster.kubeconfig import ClusterChoice
    from skillmeat_operator.cli.context import Json

CALL_SECONDS: Final = 15.0
"""Time-out of one call to the API server."""
LOGIN_SECONDS: Final = 120.0
"""Time-out of a credential plugin, which may ask its user to log in."""
FIELD_MANAGER: Final = "skillmeat-operator-cli"
"""Under this name the API server notes what people changed by our commands; also our user agent."""


@asynccontextmanager
async def open_cluster(
    choice: ClusterChoice, *, environ: Mapping[str, str] = os.environ
) -> AsyncIterator[KubernetesCluster]:
    """Connect to the chosen cluster for the time of one command.

    Raises:
        CommandError: the kubeconfig's files, certificates or credential plugin cannot be used.
    """
    # The client's package logs the failure of a credential plugin; we say it in a sentence of our own.
    logging.getLogger("kubernetes").addHandler(logging.NullHandler())
    try:
        async with asyncio.timeout(LOGIN_SECONDS):
            access = await find_access(kubeconfig=choice.kubeconfig, context=choice.context, environ=environ)
        configuration = access.configuration
        if choice.exec_command and not configuration.api_key and not configuration.cert_file:
            raise _plugin_error(choice.exec_command)
        transport = Transport(configuration, timeout=CALL_SECONDS, user_agent=FIELD_MANAGER)
    except TimeoutError:
        raise _plugin_error(choice.exec_command or "of the kubeconfig") from None
    except AccessError as error:
        raise CommandError(f"The kubeconfig cannot be used: {error}.") from None
    except OSError as error:
        # ssl.SSLError is one too: a CA or client certificate that cannot be read.
        raise CommandError(
            f"A certificate or key that the kubeconfig names cannot be read ({error.strerror or error})."
        ) from None
    try:
        yield KubernetesCluster(transport, server=configuration.host)
    finally:
        await transport.close()


class KubernetesCluster:
    """The calls of :class:`skillmeat_operator.cli.context.Cluster`, each with a time-out of CALL_SECONDS."""

    def __init__(self, transport: Transport, *, server: str) -> None:
        self._transport = transport
        self._server = server

    async def list(self, kind: KindNames, namespace: str | None) -> list[Json]:
        """Return all objects of the kind, of one namespace or of all (None)."""
        answer = await self._call(
            "GET", _path(kind, namespace), verb="list", resource=kind.crd, namespace=namespace
        )
        return list(answer["items"])

    async def get(self, kind: KindNames, namespace: str, name: str) -> Json | None:
        """Return one object, None where it does not exist."""
        path = f"{_path(kind, namespace)}/{name}"
        return await self._found("GET", path, verb="get", resource=kind.crd, namespace=namespace)

    async def patch(self, kind: KindNames, namespace: str, name: str, body: Json) -> Json:
        """Apply a JSON merge patch and return the object."""
        path = f"{_path(kind, namespace)}/{name}"
        answer = await self._found(
            "PATCH", path, verb="patch", resource=kind.crd, namespace=namespace, body=body
        )
        if answer is None:
            raise CommandError(f"The {kind.kind} {name!r} was deleted a moment ago.")
        return answer

    async def lease(self, namespace: str, name: str) -> Json | None:
        """Return a Lease, None where it does not exist."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}"
        return await self._found(
            "GET", path, verb="get", resource="leases.coordination.k8s.io", namespace=namespace
        )

    async def cluster_uid(self) -> str:
        """Return the UID of namespace kube-system."""
        answer = await self._call(
            "GET", "/api/v1/namespaces/kube-system", verb="get", resource="namespaces", namespace=None
        )
        return str(answer["metadata"]["uid"])

    async def _found(
        self, method: str, path: str, *, verb: str, resource: str, namespace: str, body: Json = None
    ) -> Json | None:
        try:
            return await self._call(
                method, path, verb=verb, resource=resource, namespace=namespace, body=body
            )
        except _AbsentError:
            return None

    async def _call(
        self, method: str, path: str, *, verb: str, resource: str, namespace: str | None, body: Json = None
    ) -> Json:
        try:
            if body is None:
                return await self._transport.request(method, path)
            return await self._transport.request(
                method, path, query={"fieldManager": FIELD_MANAGER}, body=body, content_type=MERGE_PATCH
            )
        except NotFoundError as error:
            raise _AbsentError(f"The API server does not have it: {error}.") from None
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


class _AbsentError(CommandError):
    """The one object that was asked for does not exist."""


def _plugin_error(command: str) -> CommandError:
    return CommandError(
        f"The credential plugin {command} gave no credential: run it by hand to see why, or log in with it "
        "again."
    )


def _path(kind: KindNames, namespace: str | None) -> str:
    scope = f"/namespaces/{namespace}" if namespace is not None else ""
    return f"/apis/{GROUP}/{VERSION}{scope}/{kind.plural}"
