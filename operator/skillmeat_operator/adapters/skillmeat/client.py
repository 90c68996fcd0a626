"""The SkillMeat server, as far as it is read (``facts/skillmeat.md``, sections 1 and 5)."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from skillmeat_operator.adapters.http.call_errors import CallError, CallProblem
from skillmeat_operator.adapters.http.client import Answer, Call, HttpClient
from skillmeat_operator.adapters.http.credential import Credential
from skillmeat_operator.adapters.http.json_body import InvalidJsonError, parse, parse_elements
from skillmeat_operator.adapters.http.rate_limit import RateLimiter
from skillmeat_operator.adapters.http.tls import TlsMaterial
from skillmeat_operator.adapters.skillmeat.errors import BEARER_FIELD, SERVICE_FIELD, refusal, source_at
from skillmeat_operator.adapters.skillmeat.pages import ChangedWhileReadError, ListPage, bundle_facts, whole
from skillmeat_operator.api.keys import GENERATED_AT
from skillmeat_operator.domain.failure import FailedError
from skillmeat_operator.domain.observation import ServerInfo, StalenessReading, TemplateList
from skillmeat_operator.domain.template.entity import canonical_template, without_annotations

MOST_TEMPLATES = 10_000
"""Elements of a list (design, section 3)."""
PAGE_SIZE = 100
"""Most that the server gives on one page."""
MOST_PAGES = MOST_TEMPLATES // PAGE_SIZE + 1
CALL_TIMEOUT = 30.0
"""Seconds for one page; the server itself gives up after 30."""
TURN_TIMEOUT = 600.0
"""Seconds for which a call waits for the operator's own limits."""
LARGE_BODY = 128 * 1024
"""Bytes from which on a body is decoded in a thread of its own."""

_API = "/api/v1"
_LIST = f"{_API}/integrations/idp/templates"
_SCAFFOLDS = f"{_API}/scaffold-templates"
_BUNDLES = f"{_API}/bundles/entities"
_VERSION = f"{_API}/version"
_READINGS = 2
_GRAMMAR = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}")
_UNSTABLE = frozenset({GENERATED_AT})


class SkillMeatClient:
    """Reads one SkillMeat server with one set of credentials.

    Every method gives a complete reading or raises :class:`FailedError`; no reading changes anything there.
    """

    def __init__(
        self,
        http: HttpClient,
        limiter: RateLimiter,
        *,
        base_url: str,
        platform: str | None = None,
        bearer: Credential | None = None,
        service_token: Credential | None = None,
        tls: TlsMaterial | None = None,
        share: str = "",
    ) -> None:
        """Args:
            http: makes the calls.
            limiter: limits towards sources, shared by all clients of sources.
            base_url: ``spec.source.skillmeat.url``.
            platform: the list's ``platform`` parameter, an exact match among a template's Backstage tags.
            bearer: API key or JWT, sent as ``Authorization: Bearer``.
            service_token: sent as ``X-SkillMeat-Service-Token``.
            tls: CA and client certificate.
            share: on whose behalf it calls: of those that wait for a server's limits, shares take turns.

        Raises:
            FailedError: the URL is none (``InvalidSpec``).
        """
        self._source = source_at(base_url)
        self._http = http
        self._limiter = limiter
        self._base = base_url.rstrip("/")
        self._platform = platform
        self._bearer = bearer
        self._service_token = service_token
        self._tls = tls or TlsMaterial()
        self._share = share

    async def list_templates(self, *, within: float) -> TemplateList:
        """The whole list of templates, in the server's order.

        Args:
            within: seconds for the exchange, from the moment its turn comes.

        Raises:
            FailedError: there is no complete list.
        """
        query = {"platform": self._platform} if self._platform else {}
        answer = await self._read(_LIST, query, what="list of templates", within=within)
        try:
            if len(answer.body) < LARGE_BODY:
                return _template_list(answer)
            return await asyncio.to_thread(_template_list, answer)
        except InvalidJsonError as error:
            raise self._source.invalid("something that is no complete list of templates") from error

    async def read_staleness(self) -> StalenessReading:
        """When each bundle and its scaffold template were last changed, from two paged lists.

        Takes a minute for 10,000 bundles, since the limits towards the server hold for pages too.

        Raises:
            FailedError: a page could not be read; ``EndpointNotFound`` where the server has no such pages.
        """
        for _ in range(_READINGS):
            try:
                bundles = await self._pages(_BUNDLES, key="id")
                templates = await self._pages(_SCAFFOLDS, key="id")
                return StalenessReading(bundles=bundle_facts(bundles, templates))
            except ChangedWhileReadError:
                continue
            except InvalidJsonError as error:
                raise self._source.invalid(
                    "something that is no page of bundles or scaffold templates"
                ) from error
        raise self._source.invalid("pages that changed while they were read")

    async def server_info(self, *, within: float = CALL_TIMEOUT) -> ServerInfo:
        """Version and edition; empty where the server has no such endpoint.

        Raises:
            FailedError: the server does not answer, or refuses.
        """
        answer = await self._send(_VERSION, {}, within=within)
        if answer.status == 404:
            return ServerInfo()
        value = self._json(answer, what="version")
        if not isinstance(value, Mapping):
            raise self._source.invalid("something that is no version")
        return ServerInfo(version=_told(value.get("version")), edition=_told(value.get("edition")))

    async def _pages(self, path: str, *, key: str) -> list[Mapping[str, Any]]:
        """All items of a paged list."""
        pages: list[ListPage] = []
        while len(pages) < MOST_PAGES:
            query = {"page": str(len(pages) + 1), "page_size": str(PAGE_SIZE)}
            answer = await self._read(path, query, what="pages of bundles", within=CALL_TIMEOUT)
            pages.append(ListPage.of(self._json(answer, what="pages of bundles")))
            if pages[-1].is_last(PAGE_SIZE * len(pages)):
                return whole(pages, key=key)
        raise self._source.invalid(f"more than {MOST_TEMPLATES} bundles")

    async def _read(self, path: str, query: Mapping[str, str], *, what: str, within: float) -> Answer:
        """A successful answer that says it is JSON."""
        answer = await self._send(path, query, within=within)
        if answer.status != 200:
            raise refusal(self._source, answer, has_bearer=self._bearer is not None, what=what)
        if not answer.is_json:
            raise self._source.invalid("something that is not JSON")
        return answer

    def _json(self, answer: Answer, *, what: str) -> Any:
        if answer.status != 200:
            raise refusal(self._source, answer, has_bearer=self._bearer is not None, what=what)
        try:
            return parse(answer.body)
        except InvalidJsonError as error:
            raise self._source.invalid("something that is not JSON") from error

    async def _send(self, path: str, query: Mapping[str, str], *, within: float) -> Answer:
        # Waiting for our own limits is no failure of the server's: it has a time of its own.
        deadline = self._http.clock() + TURN_TIMEOUT + within
        try:
            call = Call("GET", self._base + path, query=query, headers=self._headers())
            return await self._http.send(
                call,
                limiter=self._limiter,
                tls=self._tls,
                within=within,
                deadline=deadline,
                share=self._share,
            )
        except CallError as error:
            failed = self._source.incomplete(error)
            if error.problem is CallProblem.TIMED_OUT and within < CALL_TIMEOUT:
                # Somebody's own short time-out says nothing of the server to others.
                failed = FailedError(replace(failed.failure, whole_server=False))
            raise failed from error

    def _headers(self) -> dict[str, str]:
        """The credentials, each only if it may go to this host."""
        headers: dict[str, str] = {}
        host = self._source.host
        if self._bearer is not None:
            headers["Authorization"] = f"Bearer {self._bearer.header_value(host, field_name=BEARER_FIELD)}"
        if self._service_token is not None:
            value = self._service_token.header_value(host, field_name=SERVICE_FIELD)
            headers["X-SkillMeat-Service-Token"] = value
        return headers


def _template_list(answer: Answer) -> TemplateList:
    """Decode and digest; the order counts, since it decides between duplicate names.

    Raises:
        InvalidJsonError: it is no list, or has too many elements.
    """
    elements = parse_elements(answer.body, most=MOST_TEMPLATES)
    digest = hashlib.sha256()
    for element in elements:
        stable = without_annotations(element, _UNSTABLE) if isinstance(element, Mapping) else element
        digest.update(canonical_template(stable) + b"\n")
    return TemplateList(elements=tuple(elements), digest=digest.hexdigest())


def _told(value: Any) -> str | None:
    """A version or edition that status may show, or nothing."""
    return value if isinstance(value, str) and _GRAMMAR.fullmatch(value) else None
