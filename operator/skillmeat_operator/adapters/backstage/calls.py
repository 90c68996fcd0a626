"""Calls to a portal's catalog: address, token, limits, time-outs, and what a refusal means."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from skillmeat_operator.adapters.backstage.entities import ShapeError
from skillmeat_operator.adapters.backstage.errors import (
    TOKEN_FIELD,
    URL_FIELD,
    is_not_found,
    portal_at,
    refusal,
)
from skillmeat_operator.adapters.http.call_errors import CallError
from skillmeat_operator.adapters.http.client import Answer, Call, HttpClient
from skillmeat_operator.adapters.http.credential import Credential
from skillmeat_operator.adapters.http.json_body import InvalidJsonError, parse
from skillmeat_operator.adapters.http.rate_limit import RateLimiter
from skillmeat_operator.adapters.http.tls import TlsMaterial
from skillmeat_operator.domain.failure import FailedError

PATIENCE = 60.0
"""Seconds for which a call waits for its turn, on top of its own time-out."""
LARGE_BODY = 128 * 1024
"""Bytes from which on a body is decoded in a thread of its own."""

_CATALOG = "/api/catalog"
_FOUND = frozenset({200})


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the catalog's API."""

    method: str
    path: str
    """Below ``/api/catalog``, each variable part percent-encoded."""
    permission: str
    """Catalog permission that it needs."""
    query: Mapping[str, str] = field(default_factory=dict)
    payload: Any = None
    expected: frozenset[int] = _FOUND
    """Statuses that mean something to the caller; 404 only if the catalog itself says it."""
    is_write: bool = False
    is_repeatable: bool = True
    """Whether twice is as good as once, where nobody knows whether the portal got it."""
    is_recent: bool = False
    """Catalogs that are still in use do not have it: their 404 with an empty body is an answer too."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An expected answer."""

    status: int
    value: Any = field(repr=False)
    """The decoded body; ``None`` where it is empty."""
    answer: Answer = field(repr=False)


class CatalogCalls:
    """Carries out operations at one portal with one token."""

    def __init__(
        self,
        http: HttpClient,
        limiter: RateLimiter,
        *,
        base_url: str,
        token: Credential | None,
        tls: TlsMaterial | None,
        within: float,
        url_field: str = URL_FIELD,
        token_field: str = TOKEN_FIELD,
        share: str = "",
    ) -> None:
        self._share = share
        self._portal = portal_at(base_url, url_field=url_field)
        self._http = http
        self._limiter = limiter
        self._base = base_url.rstrip("/")
        self._token = token
        self._tls = tls or TlsMaterial()
        self._within = within
        self._token_field = token_field

    def now(self) -> float:
        """Monotonic time in seconds."""
        return self._http.clock()

    def invalid(self, what: str) -> FailedError:
        """The failure that an unexpected answer stands for."""
        return self._portal.invalid(what)

    @contextmanager
    def checked(self) -> Iterator[None]:
        """A block that looks into an answer.

        Raises:
            FailedError: instead of a :class:`ShapeError`.
        """
        try:
            yield
        except ShapeError as error:
            raise self.invalid("something that no catalog answers") from error

    async def carry_out(self, operation: Operation, *, within: float | None = None) -> Reply:
        """Carry out an operation and decode its answer.

        Args:
            operation: what to do.
            within: seconds for the exchange, instead of those of all calls.

        Raises:
            FailedError: there is no answer, or one that was not expected.
        """
        answer = await self._send(operation, within or self._within)
        expected = answer.status in operation.expected
        if answer.status == 404 and not is_not_found(answer):
            expected = expected and operation.is_recent and not answer.body
        if not expected:
            raise refusal(
                self._portal,
                answer,
                permission=operation.permission,
                is_write=operation.is_write,
                token_field=self._token_field,
                has_token=self._token is not None,
            )
        return Reply(status=answer.status, value=await self._decode(answer), answer=answer)

    async def _decode(self, answer: Answer) -> Any:
        if not answer.body:
            return None
        try:
            if len(answer.body) < LARGE_BODY:
                return parse(answer.body)
            return await asyncio.to_thread(parse, answer.body)
        except InvalidJsonError as error:
            raise self._portal.invalid("something that is not JSON") from error

    async def _send(self, operation: Operation, within: float) -> Answer:
        try:
            headers: dict[str, str] = {}
            if self._token is not None:
                value = self._token.header_value(self._portal.host, field_name=self._token_field)
                headers["Authorization"] = f"Bearer {value}"
            url = f"{self._base}{_CATALOG}{operation.path}"
            call = Call(
                operation.method,
                url,
                query=operation.query,
                headers=headers,
                payload=operation.payload,
                repeatable=operation.is_repeatable,
            )
            deadline = self._http.clock() + within + PATIENCE
            return await self._http.send(
                call,
                limiter=self._limiter,
                tls=self._tls,
                within=within,
                deadline=deadline,
                share=self._share,
            )
        except CallError as error:
            raise self._portal.incomplete(error) from error
