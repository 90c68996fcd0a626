"""kopf logs in with the very credential of our own client, so that both see and may do the same."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import aiohttp
import kopf
from kubernetes.aio.client.rest import RESTClientObject
from multidict import CIMultiDict

from skillmeat_operator.adapters.kubernetes.configuration import ClusterAccess


@dataclass(frozen=True, slots=True)
class _Credential:
    configuration: Any
    revision: int
    authorization: str | None


_CLOSING = 0.1
"""Seconds for connections to close."""


class Login:
    """The login handler of one kopf operator; kopf calls it at the start and whenever it gets a 401.

    A credential that was refused and is still the same ends that kopf operator: whether and when to try again
    is its supervisor's business, and kopf would try without a pause.
    """

    def __init__(
        self,
        access: ClusterAccess,
        *,
        loop: asyncio.AbstractEventLoop,
        traces: tuple[aiohttp.TraceConfig, ...] = (),
    ) -> None:
        """Prepare the handler.

        Args:
            access: shared by the whole operator, and used in ``loop`` alone; kopf runs in another.
            loop: the operator's.
            traces: what sees kopf's calls.
        """
        self._access = access
        self._loop = loop
        self._traces = traces
        self._former: _Credential | None = None
        self._sessions: list[aiohttp.ClientSession] = []

    async def close(self) -> None:
        """Close all sessions, in kopf's loop and at its end: kopf leaves those that it was still using."""
        for session in self._sessions:
            await session.close()
        # A connection is closed by the loop after its session is (aiohttp, "Graceful shutdown").
        await asyncio.sleep(_CLOSING)

    def add_to(self, handlers: kopf.OperatorRegistry) -> None:
        """Register the handler."""

        @kopf.on.login(registry=handlers, id="login", retries=1)
        async def login(**_: Any) -> kopf.AiohttpSession:
            asked = asyncio.run_coroutine_threadsafe(self._credential(self._former), self._loop)
            found = await asyncio.wrap_future(asked)
            if found is None:
                raise kopf.PermanentError("the API server refuses the credential, and there is no other")
            self._former = found
            return self._session(found)

    async def _credential(self, former: _Credential | None) -> _Credential | None:
        """What to log in with; None where that is what was just refused."""
        access = self._access
        if former is not None:
            await access.renew(former.revision)
        configuration = access.configuration
        authorization = await configuration.get_api_key_with_prefix("BearerToken")
        found = _Credential(configuration, access.revision, authorization)
        same = former is not None and (former.revision, former.authorization) == (
            found.revision,
            found.authorization,
        )
        return None if same else found

    def _session(self, credential: _Credential) -> kopf.AiohttpSession:
        configuration = credential.configuration
        # With all that our own client sends besides: on whose behalf it acts, and the name it expects of the
        # API server.
        kept = dict(configuration.client_session_kwargs or {})
        headers = CIMultiDict(kept.pop("headers", {}))
        headers["User-Agent"] = "skillmeat-operator"
        if credential.authorization:
            headers["Authorization"] = credential.authorization
        # The TLS settings of a configuration, as our own client reads them.
        tls: Any = RESTClientObject(configuration)
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=tls.ssl_context),
            headers=headers,
            proxy=configuration.proxy,
            **{**kept, "trust_env": False},
            trace_configs=list(self._traces),
        )
        self._sessions.append(session)
        return kopf.AiohttpSession(server=configuration.host, aiohttp_session=session)
