"""One HTTP call to the API server: plain JSON in and out, a time-out on each, errors of our own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import ApiClient
from kubernetes.aio.client.exceptions import OpenApiException
from kubernetes.aio.config import ConfigException

from skillmeat_operator.adapters.kubernetes.configuration import ClusterAccess
from skillmeat_operator.adapters.kubernetes.errors import UnavailableError, error_of
from skillmeat_operator.domain.observation import Json

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
"""RFC 7396; strategic merge, which built-in kinds take, is 415 for custom resources."""
METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Accept header for a list without the objects' contents."""

_UNAUTHORIZED: Final = 401
_TOO_MANY_REQUESTS: Final = 429
_DEFAULT_RETRY: Final = 1.0


class Transport:
    """Calls the API server through one client of ``kubernetes.aio`` and its pool of connections."""

    def __init__(
        self,
        configuration: Any,
        *,
        access: ClusterAccess | None = None,
        timeout: float,
        user_agent: str = "skillmeat-operator",
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Prepare the transport; it connects with its first call.

        Args:
            configuration: ``kubernetes.aio.client.Configuration``.
            access: where a configuration that was read anew comes from after a refusal; None: from nowhere.
            timeout: seconds for each call that names no other.
            user_agent: what the API server's audit log shows.
            clock: monotonic seconds.
            sleep: waits for some seconds.
        """
        self._pool = _Pool(configuration, revision=access.revision if access is not None else 0)
        self._access = access
        self._user_agent = user_agent
        self._timeout = timeout
        self._clock = clock
        self._sleep = sleep

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.api.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json = None,
        content_type: str = JSON,
        accept: str = JSON,
        within: float | None = None,
    ) -> Json:
        """One call and the decoded body of its answer.

        A refused credential or certificate is read again, and the call made again where that found another.
        Waits as long as the API server asks to (429 while it starts a kind or sheds load; for reads also 5xx
        with ``Retry-After``), but never beyond the time-out.

        Args:
            method: HTTP method.
            path: of the URL, each segment already quoted.
            query: parameters of the URL.
            body: JSON value, or None for no body.
            content_type: of the body.
            accept: what the answer shall be.
            within: seconds for the call, waiting and reading included; default: that of the transport.

        Raises:
            KubernetesError: one of its kinds, see :mod:`skillmeat_operator.adapters.kubernetes.errors`.
        """
        call = f"{method} {path}"
        deadline = self._clock() + (self._timeout if within is None else within)
        url = path + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": accept, "Content-Type": content_type, "User-Agent": self._user_agent}
        renewed = False
        while True:
            left = deadline - self._clock()
            if left <= 0:
                raise UnavailableError(f"{call}: timed out")
            pool = await self._current()
            try:
                status, asked, data = await self._once(
                    pool, call, method, url, body=body, headers=dict(headers), within=left
                )
            except _UntrustedError:
                # The handshake failed: nothing was sent.
                if renewed or not await self._renew(pool):
                    raise
                renewed = True
                continue
            except UnavailableError:
                await self._renew(pool)
                raise
            answer = _decoded(data)
            if 200 <= status < 300:
                if answer is None:
                    raise UnavailableError(f"{call}: the answer is no JSON")
                return answer
            if status == _UNAUTHORIZED and not renewed and await self._renew(pool):
                renewed = True
                continue
            wait = _wait(method, status, asked)
            if wait is None or self._clock() + wait >= deadline:
                raise error_of(call, status, answer, retry_after=asked)
            await self._sleep(wait)

    async def _renew(self, pool: _Pool) -> bool:
        return self._access is not None and await self._access.renew(pool.revision)

    async def _current(self) -> _Pool:
        """The connections made with what was read last; those before are closed when nobody uses them."""
        access, former = self._access, self._pool
        if access is None or access.revision == former.revision:
            return former
        try:
            self._pool = _Pool(access.configuration, revision=access.revision)
        except (OSError, ValueError):
            # A certificate that cannot be used: another one moves the revision again.
            former.revision = access.revision
            return former
        if not former.users:
            await former.api.close()
        return self._pool

    async def _once(
        self,
        pool: _Pool,
        call: str,
        method: str,
        url: str,
        *,
        body: Json,
        headers: dict[str, str],
        within: float,
    ) -> tuple[int, float | None, bytes]:
        """Status, seconds of ``Retry-After`` and body of one exchange."""
        pool.users += 1
        try:
            await pool.api.update_params_for_auth(headers, None, ["BearerToken"], url, method, None)
            response = await pool.api.call_api(
                method,
                pool.api.configuration.host + url,
                header_params=headers,
                body=body,
                _request_timeout=aiohttp.ClientTimeout(total=within),
            )
            return response.status, _seconds(response.headers.get("Retry-After")), await response.read()
        except TimeoutError:
            raise UnavailableError(f"{call}: timed out") from None
        except aiohttp.ClientSSLError:
            raise _UntrustedError(f"{call}: the API server's certificate is not trusted") from None
        except aiohttp.ClientConnectorError:
            raise UnavailableError(f"{call}: no connection to the API server") from None
        except (aiohttp.ClientError, OSError):
            raise UnavailableError(f"{call}: the connection to the API server broke") from None
        except (ConfigException, OpenApiException):
            raise UnavailableError(f"{call}: the credential for the API server cannot be renewed") from None
        finally:
            pool.users -= 1
            if pool is not self._pool and not pool.users:
                await pool.api.close()


class _Pool:
    """Connections made with one revision of what leads to the API server."""

    def __init__(self, configuration: Any, *, revision: int) -> None:
        self.api: Any = ApiClient(configuration=configuration)
        self.revision = revision
        self.users = 0


class _UntrustedError(UnavailableError):
    """One side does not trust the other's certificate."""


def _wait(method: str, status: int, asked: float | None) -> float | None:
    """Seconds after which the same call may be made again; None: it may not.

    A 429 was not carried out. A write that ended in 5xx may have been.
    """
    if status == _TOO_MANY_REQUESTS:
        return _DEFAULT_RETRY if asked is None else asked
    if status >= 500 and method == "GET":
        return asked
    return None


def _decoded(data: bytes) -> Json:
    try:
        return json.loads(data)
    except ValueError:
        return None


def _seconds(value: str | None) -> float | None:
    return float(value) if value is not None and value.isascii() and value.isdigit() else None
