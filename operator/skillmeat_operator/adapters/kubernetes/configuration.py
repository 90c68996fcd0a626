"""Which API server to talk to, and with which credential: in a pod, or by a kubeconfig."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from kubernetes.aio import config
from kubernetes.aio.config import incluster_config

from skillmeat_operator.adapters.kubernetes.errors import AccessError
from skillmeat_operator.adapters.kubernetes.kubeconfig import KubeconfigFiles
from skillmeat_operator.adapters.kubernetes.kubeconfig_configuration import (
    bare_configuration,
    load_configuration,
)

SERVICE_ACCOUNT_DIR: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet puts token, CA and namespace of a pod's ServiceAccount."""

_RENEW_EVERY: Final = 2.0

# The package says that it is typed, but this is not.
_InClusterLoader: Any = incluster_config.InClusterConfigLoader


class ClusterAccess:
    """A way to one API server, with a credential that is read again when it is refused.

    ``configuration`` renews its token by itself, once a minute. CA and client certificate are read by whoever
    connects: :meth:`renew` tells whether it is worth to connect anew.
    """

    def __init__(
        self,
        *,
        configuration: Any,
        namespace: str | None,
        load: Callable[[], Awaitable[Any]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take over what was loaded.

        Args:
            configuration: ``kubernetes.aio.client.Configuration``.
            namespace: see :attr:`namespace`.
            load: reads all files again and gives another configuration; None: nothing can be renewed.
            clock: monotonic seconds.
        """
        self.configuration = configuration
        self.namespace = namespace
        """Namespace of the pod, or of the kubeconfig's context."""
        self.revision = 0
        """Moves when the server, its CA, the client certificate or the token was found to be another."""
        self._load = load
        self._clock = clock
        self._fingerprint = _fingerprint(configuration)
        self._read_at = -_RENEW_EVERY
        self._lock = asyncio.Lock()

    async def renew(self, tried: int) -> bool:
        """Read the credential, the CA and the client certificate again, after a call that was refused.

        At most every two seconds, for all who ask, and never an error: what cannot be read stays as it was.

        Args:
            tried: the revision with which the call was made.

        Returns:
            Whether another revision is there now, so that another try makes sense.
        """
        async with self._lock:
            if self.revision == tried and self._load is not None:
                await self._read(self._load)
            return self.revision != tried

    async def _read(self, load: Callable[[], Awaitable[Any]]) -> None:
        if self._clock() - self._read_at < _RENEW_EVERY:
            return
        self._read_at = self._clock()
        try:
            found = await load()
            fingerprint = _fingerprint(found)
        except Exception:  # noqa: BLE001  the package raises whatever a half-written file makes of it
            return
        if fingerprint != self._fingerprint:
            self.configuration, self._fingerprint = found, fingerprint
            self.revision += 1


def _fingerprint(configuration: Any) -> tuple[object, ...]:
    """What a connection depends on; files by their content."""
    files = (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file)
    return (
        configuration.host,
        configuration.proxy,
        configuration.verify_ssl,
        tuple(sorted(configuration.api_key.items())),
        configuration.username,
        configuration.password,
        configuration.tls_server_name,
        tuple((configuration.client_session_kwargs or {}).get("headers", {}).items()),
        tuple(hashlib.sha256(Path(file).read_bytes()).digest() if file else None for file in files),
    )


async def find_access(
    *,
    kubeconfig: str | None = None,
    context: str | None = None,
    environ: Mapping[str, str] = os.environ,
    pod_first: bool = True,
    service_account_dir: Path = SERVICE_ACCOUNT_DIR,
    clock: Callable[[], float] = time.monotonic,
) -> ClusterAccess:
    """The way that arguments and environment name, else the pod's own or kubectl's.

    Args:
        kubeconfig: path of a kubeconfig.
        context: a context of the kubeconfig other than its current one.
        environ: ``KUBECONFIG``, ``HOME`` and the service variables of a pod are looked up in it; credential
            plugins get it.
        pod_first: whether the pod's service account comes before ``~/.kube/config``; for people, as with
            kubectl, it comes after.
        service_account_dir: see :data:`SERVICE_ACCOUNT_DIR`.
        clock: monotonic seconds.

    Raises:
        AccessError: nothing usable was found; a :class:`~.kubeconfig.KubeconfigError` where the kubeconfig or
            what names it has to be changed.
    """
    files = KubeconfigFiles.find(kubeconfig, environ)
    in_pod = (
        files.named_by is None
        and context is None
        and bool(environ.get(incluster_config.SERVICE_HOST_ENV_NAME))
    )
    if in_pod and (pod_first or not files.paths):
        try:
            return await _in_cluster(service_account_dir, environ, clock)
        except (config.ConfigException, OSError) as error:
            raise AccessError(
                f"The pod's service account cannot be used: {str(error).rstrip('.')}."
            ) from None
    return await _by_kubeconfig(files, context, environ, clock)


async def _in_cluster(folder: Path, environ: Mapping[str, str], clock: Callable[[], float]) -> ClusterAccess:
    async def load() -> Any:
        configuration = bare_configuration()
        # The loader reads the token's file again once a minute; the kubelet rotates it at 80 % of its life.
        loader = _InClusterLoader(
            token_filename=str(folder / "token"), cert_filename=str(folder / "ca.crt"), environ=environ
        )
        loader.load_and_set(configuration)
        return configuration

    stated = folder / "namespace"
    namespace = stated.read_text(encoding="utf-8").strip() if stated.exists() else ""
    return ClusterAccess(configuration=await load(), namespace=namespace or None, load=load, clock=clock)


async def _by_kubeconfig(
    files: KubeconfigFiles, context: str | None, environ: Mapping[str, str], clock: Callable[[], float]
) -> ClusterAccess:
    async def load() -> Any:
        return await load_configuration(files.context(context), environ, clock)

    return ClusterAccess(
        configuration=await load(), namespace=files.context(context).namespace, load=load, clock=clock
    )
