"""Which API server to talk to, and with which credential: in a pod, or by a kubeconfig."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kubernetes.aio import config
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import incluster_config

from skillmeat_operator.adapters.kubernetes.errors import KubernetesError

SERVICE_ACCOUNT_DIR: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet puts token, CA and namespace of a pod's ServiceAccount."""

CONNECTIONS: Final = 50
"""Connections to the API server at a time; further calls wait for one within their time-out."""

_REFRESH_EVERY: Final = 60.0

# The package says that it is typed, but these are not.
_InClusterLoader: Any = incluster_config.InClusterConfigLoader
_load_kube_config: Any = config.load_kube_config


class AccessError(KubernetesError):
    """There is no usable way to the API server; one sentence that says what is wrong."""


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """A way to one API server."""

    configuration: Any = field(repr=False)
    """``kubernetes.aio.client.Configuration``, which renews its credential by itself."""
    namespace: str | None
    """Namespace of the pod, or of the kubeconfig's context."""


async def find_access(
    *,
    kubeconfig: str | None = None,
    context: str | None = None,
    environ: Mapping[str, str] = os.environ,
    service_account_dir: Path = SERVICE_ACCOUNT_DIR,
    clock: Callable[[], float] = time.monotonic,
) -> ClusterAccess:
    """The way that the arguments name, else the pod's own, else kubectl's.

    Args:
        kubeconfig: path of a kubeconfig.
        context: a context of the kubeconfig other than its current one.
        environ: ``KUBECONFIG`` and the service variables of a pod are looked up in it.
        service_account_dir: see :data:`SERVICE_ACCOUNT_DIR`.
        clock: monotonic seconds.

    Raises:
        AccessError: nothing usable was found.
    """
    named = kubeconfig or environ.get("KUBECONFIG") or None
    try:
        if named is None and context is None and environ.get(incluster_config.SERVICE_HOST_ENV_NAME):
            return _in_cluster(service_account_dir, environ)
        path = named or str(Path.home() / ".kube" / "config")
        return await _by_kubeconfig(path, context, clock)
    except (config.ConfigException, OSError) as error:
        raise AccessError(f"cannot tell how to reach the API server: {error}") from None


def _in_cluster(folder: Path, environ: Mapping[str, str]) -> ClusterAccess:
    configuration = _configuration()
    # The loader reads the token's file again once a minute; the kubelet rotates it at 80 % of its life.
    loader = _InClusterLoader(
        token_filename=str(folder / "token"), cert_filename=str(folder / "ca.crt"), environ=environ
    )
    loader.load_and_set(configuration)
    stated = folder / "namespace"
    namespace = stated.read_text(encoding="utf-8").strip() if stated.exists() else ""
    return ClusterAccess(configuration=configuration, namespace=namespace or None)


async def _by_kubeconfig(path: str, context: str | None, clock: Callable[[], float]) -> ClusterAccess:
    configuration = _configuration()
    loader = await _load_kube_config(
        config_file=path, context=context, client_configuration=configuration, persist_config=False
    )
    configuration.refresh_api_key_hook = _refresher(loader, clock)
    chosen = loader.current_context["context"]
    return ClusterAccess(configuration=configuration, namespace=chosen.get("namespace"))


def _refresher(loader: Any, clock: Callable[[], float]) -> Callable[[Any], Awaitable[None]]:
    """Loads tokens of files and of credential plugins again, which the package does not do by itself."""
    due = clock() + _REFRESH_EVERY

    async def refresh(configuration: Any) -> None:
        nonlocal due
        if clock() < due:
            return
        due = clock() + _REFRESH_EVERY
        await loader.load_and_set(configuration)

    return refresh


def _configuration() -> Any:
    configuration = Configuration()
    configuration.connection_pool_maxsize = CONNECTIONS
    # Proxies of the environment are for the world outside; a kubeconfig's own proxy-url still counts.
    configuration.client_session_kwargs = {"trust_env": False}
    configuration.retries = None
    return configuration
