"""What one context of a kubeconfig means for the client: server, certificates, credential, proxy."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject

from skillmeat_operator.adapters.kubernetes.credential_plugin import PluginCredential, run_plugin
from skillmeat_operator.adapters.kubernetes.errors import AccessError
from skillmeat_operator.adapters.kubernetes.kubeconfig import KubeconfigContext, KubeconfigError
from skillmeat_operator.adapters.kubernetes.user_credential import checked_token, impersonation, user_token

CONNECTIONS: Final = 50
"""Connections to the API server at a time; further calls wait for one within their time-out."""

_REFRESH_EVERY: Final = 60.0

# The package says that it is typed, but this is not.
_load_from_dict: Any = config.load_kube_config_from_dict


def bare_configuration() -> Any:
    """A configuration with our bounds, and without a server."""
    configuration = Configuration()
    configuration.connection_pool_maxsize = CONNECTIONS
    # Proxies of the environment are for the world outside; a kubeconfig's own proxy-url still counts.
    configuration.client_session_kwargs = {"trust_env": False}
    configuration.retries = None
    # kubectl's verdict: chain and name are verified, and no more. From 3.13 on Python asks for extensions
    # that the certificates of some clusters do not have (EKS, microk8s).
    configuration.disable_strict_ssl_verification = True
    return configuration


async def load_configuration(
    context: KubeconfigContext, environ: Mapping[str, str], clock: Callable[[], float]
) -> Any:
    """The configuration that a context leads to; it renews its token by itself, once a minute.

    Args:
        context: of a kubeconfig.
        environ: of the credential plugin.
        clock: monotonic seconds.

    Raises:
        AccessError: a file cannot be read or used, or the plugin gives no credential.
    """

    async def load() -> Any:
        return await load_configuration(context, environ, clock)

    plugin = await run_plugin(context, environ) if _needs_plugin(context.user) else None
    configuration, loader = await _configured(context, plugin)
    # A refresh token is good for one use, so the package's loader has to keep what it got for it.
    again = _loaded_again(loader) if "auth-provider" in context.user else load
    configuration.refresh_api_key_hook = _refresher(again, plugin, clock)
    return configuration


def _needs_plugin(user: Mapping[str, Any]) -> bool:
    """Whether a plugin is asked: not where the user has a credential besides, as kubectl does."""
    return "exec" in user and not any(
        key in user
        for key in ("token", "tokenFile", "username", "client-certificate", "client-certificate-data")
    )


async def _configured(context: KubeconfigContext, plugin: PluginCredential | None) -> tuple[Any, Any]:
    """The package's configuration, and the loader that made it."""
    user = {key: value for key, value in context.user.items() if key not in {"exec", "token", "tokenFile"}}
    token = user_token(context.user)
    if plugin is not None:
        token = checked_token(plugin.token) if plugin.token else None
        if plugin.certificate is not None and plugin.key is not None:
            user["client-certificate-data"] = base64.b64encode(plugin.certificate.encode()).decode()
            user["client-key-data"] = base64.b64encode(plugin.key.encode()).decode()
    if token is not None:
        user["token"] = token
    proxy = context.cluster.get("proxy-url")
    if proxy is not None and urlsplit(proxy).scheme not in {"http", "https"}:
        raise KubeconfigError("The kubeconfig's proxy-url has to begin with http:// or https://.")
    configuration = bare_configuration()
    configuration.client_session_kwargs["headers"] = impersonation(context.user)
    try:
        # One context with what we found in the files: the package does the certificates and what is older.
        loader = await _load_from_dict(
            {
                "current-context": "it",
                "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
                "clusters": [{"name": "it", "cluster": dict(context.cluster)}],
                "users": [{"name": "it", "user": user}],
            },
            client_configuration=configuration,
        )
    except (config.ConfigException, OSError, ValueError, KeyError, TypeError) as error:
        raise AccessError(f"The kubeconfig cannot be used: {str(error).rstrip('.')}.") from None
    try:
        RESTClientObject(configuration)
    except OSError as error:
        # ssl.SSLError is one too: a CA or client certificate that cannot be read.
        raise AccessError(
            f"A certificate or key that the kubeconfig names cannot be read ({error.strerror or error})."
        ) from None
    name = configuration.tls_server_name
    if name:
        configuration.client_session_kwargs["middlewares"] = (_server_name(name),)
    return configuration, loader


def _server_name(name: str) -> aiohttp.ClientMiddlewareType:
    """Lets every request of a session expect this name in the server's certificate, kopf's requests too."""

    async def expect(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.server_hostname = name
        return await handler(request)

    return expect


def _refresher(
    load: Callable[[], Awaitable[Any]], plugin: PluginCredential | None, clock: Callable[[], float]
) -> Callable[[Any], Awaitable[None]]:
    """Reads tokens of files and of plugins again, which the package does not do by itself.

    What cannot be read stays as it was: whether it still holds is the API server's to say.
    """
    due = clock() + _REFRESH_EVERY

    async def refresh(configuration: Any) -> None:
        nonlocal due
        if clock() < due:
            return
        due = clock() + _REFRESH_EVERY
        if plugin is not None and not plugin.is_over(datetime.now(UTC)):
            return
        with contextlib.suppress(AccessError):
            found = await load()
            configuration.api_key = found.api_key
            # The next plugin's answer ends at another time.
            configuration.refresh_api_key_hook = found.refresh_api_key_hook or refresh

    return refresh


def _loaded_again(loader: Any) -> Callable[[], Awaitable[Any]]:
    async def load() -> Any:
        configuration = bare_configuration()
        try:
            await loader.load_and_set(configuration)
        except (config.ConfigException, OSError, ValueError, KeyError, aiohttp.ClientError) as error:
            raise AccessError(f"The kubeconfig cannot be used: {str(error).rstrip('.')}.") from None
        return configuration

    return load
