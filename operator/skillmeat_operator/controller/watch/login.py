"""kopf logs in with the very credential of our own client, so that both see and may do the same."""

from __future__ import annotations

import inspect
from typing import Any

import kopf

from skillmeat_operator.adapters.kubernetes.configuration import ClusterAccess


def add_login(handlers: kopf.OperatorRegistry, access: ClusterAccess) -> None:
    """Register the login handler; kopf calls it at the start and whenever the API server answers 401."""

    @kopf.on.login(registry=handlers, id="login", retries=3)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        configuration = access.configuration
        hook = configuration.refresh_api_key_hook
        if hook is not None:
            waiting = hook(configuration)
            if inspect.isawaitable(waiting):
                await waiting
        scheme, token = _bearer(configuration)
        return kopf.ConnectionInfo(
            server=configuration.host,
            ca_path=configuration.ssl_ca_cert,
            insecure=None if configuration.verify_ssl else True,
            certificate_path=configuration.cert_file,
            private_key_path=configuration.key_file,
            scheme=scheme,
            token=token,
        )


def _bearer(configuration: Any) -> tuple[str | None, str | None]:
    value = configuration.api_key.get("BearerToken") or configuration.api_key.get("authorization")
    if not value:
        return None, None
    scheme, _, token = value.rpartition(" ")
    return scheme or "Bearer", token
