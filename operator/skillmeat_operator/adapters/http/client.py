"""One call to a remote side: where and when it may go, how long it may take, how much it may answer."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from skillmeat_operator.adapters.http.body import read_body
from skillmeat_operator.adapters.http.call_errors import (
    CallError,
    CallProblem,
    before_answer,
    errnos,
    inside_answer,
)
from skillmeat_operator.adapters.http.egress import Egress
from skillmeat_operator.adapters.http.hosts import Host
from skillmeat_operator.adapters.http.pinning import REPEATABLE
from skillmeat_operator.adapters.http.pools import Transports
from skillmeat_operator.adapters.http.rate_limit import Endpoint, RateLimiter
from skillmeat_operator.adapters.http.retry_after import retry_after
from skillmeat_operator.adapters.http.tls import TlsMaterial

MAX_BODY = 32 * 1024 * 1024
"""Bytes of a decoded body (design, section 3)."""
MAX_ERROR_BODY = 256 * 1024
"""Bytes of the body of an answer that is no success; of a longer one nothing is looked at."""
NOT_READ = b"(not read)"
"""Stands for the body of an error that could not be read: not empty, and not JSON."""
CONNECT_TIMEOUT = 5.0
WRITE_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
"""Seconds without a byte; the call as a whole ends by its own time-out."""

_SUCCESS = range(200, 300)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    method: str
    url: str
    """http or https, without query."""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    payload: Any = field(default=None, repr=False)
    """Sent as JSON; ``None``: no body."""
    repeatable: bool = True
    """Whether it may be sent once more where its connection was closed before an answer began."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One complete answer, of whatever status."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case; of a repeated one the values joined by commas."""
    body: bytes = field(repr=False)
    retry_after: float | None = None
    """Seconds for which the server asks to be left alone."""

    @property
    def is_success(self) -> bool:
        """Whether the status is one of 200 to 299."""
        return self.status in _SUCCESS

    @property
    def is_json(self) -> bool:
        """Whether the answer says that it is JSON (RFC 8259, or a type with its suffix)."""
        media = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        return media == "application/json" or (media.startswith("application/") and media.endswith("+json"))


def _random_id() -> str:
    return str(uuid.uuid4())


def _utc_now() -> datetime:
    return datetime.now(UTC)


class HttpClient:
    """Makes calls; one for the whole operator, since limits and connections belong to servers."""

    def __init__(
        self,
        *,
        egress: Egress,
        transports: Transports,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _utc_now,
        new_id: Callable[[], str] = _random_id,
        user_agent: str = "skillmeat-operator",
    ) -> None:
        self._egress = egress
        self._transports = transports
        self._now = now
        self._new_id = new_id
        self._user_agent = user_agent
        self.clock = clock
        """Monotonic time in seconds, in which deadlines are given."""

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transports.aclose()

    async def endpoint(self, url: str, *, share: str = "") -> Endpoint:
        """The resolved address and port that a URL's server is known by towards the limits.

        Args:
            url: http or https.
            share: whose look-up of the name it is.

        Raises:
            CallError: ``EGRESS_REFUSED`` or ``NAME_NOT_RESOLVED``.
        """
        host = Host.of(url)
        # The least of a set: the same for all names of one server, in whatever order the resolver gives them.
        return min(await self._egress.addresses(host, share=share)), host.port

    async def send(
        self,
        call: Call,
        *,
        limiter: RateLimiter,
        tls: TlsMaterial,
        within: float,
        deadline: float,
        share: str = "",
    ) -> Answer:
        """Make one call and read its whole answer; a redirect is an answer like others.

        Args:
            call: The request.
            limiter: Limits of the side that the call goes to.
            tls: Material of an https connection.
            within: Seconds for the exchange, from the moment the limiter lets it go.
            deadline: Clock time up to which it waits for the limiter, and by which all of it ends.
            share: On whose behalf: of those that wait, shares take turns.

        Raises:
            CallError: there is no complete answer.
        """
        if call.url.startswith("https:"):
            tls.check_bindings(Host.of(call.url))
        endpoint = await self.endpoint(call.url, share=share)
        request_id = self._new_id()
        request = self._request(call, request_id)
        equal = (request.method, request.url.raw_path)
        async with limiter.slot(endpoint, equal, deadline=deadline, share=share):
            began = self.clock()
            outcome = "failed"
            try:
                answer = await self._exchange(request, tls, seconds=min(within, deadline - began))
                outcome = f"HTTP {answer.status}"
            except CallError as error:
                outcome = " ".join((str(error.problem), *errnos(error)))
                raise
            finally:
                _log.debug(
                    "%s %s%s: %s",
                    request.method,
                    Host.of(call.url),
                    request.url.path,
                    outcome,
                    extra={"request_id": request_id, "seconds": round(self.clock() - began, 3)},
                )
        return answer

    async def _exchange(self, request: httpx.Request, tls: TlsMaterial, *, seconds: float) -> Answer:
        try:
            async with (
                asyncio.timeout(seconds),
                self._transports.use(request.url.scheme, tls) as transport,
            ):
                return await self._answer(transport, request)
        except TimeoutError as error:
            raise CallError(CallProblem.TIMED_OUT) from error

    async def _answer(self, transport: httpx.AsyncBaseTransport, request: httpx.Request) -> Answer:
        try:
            response = await transport.handle_async_request(request)
        except (httpx.HTTPError, OSError) as error:
            raise before_answer(error) from error
        try:
            headers = {name.lower(): value for name, value in response.headers.items()}
            body = await _read(response, encoding=headers.get("content-encoding", ""))
        except (httpx.HTTPError, OSError) as error:
            raise inside_answer(error) from error
        finally:
            await response.aclose()
        return Answer(
            status=response.status_code,
            headers=headers,
            body=body,
            retry_after=retry_after(headers, now=self._now),
        )

    def _request(self, call: Call, request_id: str) -> httpx.Request:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": self._user_agent,
            "X-Request-ID": request_id,
            **call.headers,
        }
        content: bytes | None = None
        if call.payload is not None:
            content = encode(call.payload)
            headers["Content-Type"] = "application/json"
        return httpx.Request(
            call.method,
            httpx.URL(call.url, params=dict(call.query)) if call.query else call.url,
            headers=headers,
            content=content,
            extensions={
                REPEATABLE: call.repeatable,
                "timeout": {
                    "connect": CONNECT_TIMEOUT,
                    "read": READ_TIMEOUT,
                    "write": WRITE_TIMEOUT,
                    "pool": READ_TIMEOUT,
                },
            },
        )


def encode(payload: Any) -> bytes:
    """The JSON body of a request."""
    text = json.dumps(payload, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    # For a lone surrogate, Python's backslash escape is JSON's.
    return text.encode("utf-8", "backslashreplace")


async def _read(response: httpx.Response, *, encoding: str) -> bytes:
    """The body; of an error that cannot be read a stand-in, since the status says enough."""
    # The raw stream: httpx decodes a part as a whole, however much it swells to.
    parts = response.aiter_raw()
    if response.status_code in _SUCCESS:
        return await read_body(parts, encoding=encoding, limit=MAX_BODY)
    try:
        return await read_body(parts, encoding=encoding, limit=MAX_ERROR_BODY)
    except (CallError, httpx.HTTPError) as error:
        _log.debug("the body of HTTP %s was not read: %s", response.status_code, type(error).__name__)
        return NOT_READ
