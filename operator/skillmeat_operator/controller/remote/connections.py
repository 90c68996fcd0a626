"""From a CatalogSource's spec to clients: Secrets are read by name at each sync, and equal settings share a
client.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from skillmeat_operator.adapters.backstage.client import DRY_RUNS, BackstageClient
from skillmeat_operator.adapters.http.client import HttpClient
from skillmeat_operator.adapters.http.credential import Credential
from skillmeat_operator.adapters.http.hosts import Host
from skillmeat_operator.adapters.http.rate_limit import RateLimiter
from skillmeat_operator.adapters.kubernetes.secrets import SecretReader
from skillmeat_operator.adapters.skillmeat.client import SkillMeatClient
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.api.v1alpha1.references import TLS, SecretKeyReference
from skillmeat_operator.domain.failure import FailedError, Failure, FailureKind, Side
from skillmeat_operator.domain.timings import Timings

SECRETS_KEPT: Final = 5.0
"""Seconds for which what was read of Secrets is used again: the visits of one sync follow each other."""

OWN_TOKEN_KEPT: Final = 1.0
"""Seconds for which the operator's own token serves all that ask for it together."""


@dataclass(frozen=True, slots=True)
class ListKey:
    """What two CatalogSources have to share to share the readings of a list."""

    url: str
    """Scheme, host, port and path as the spec writes them, without a slash at the end."""
    platform: str | None
    credentials: tuple[str, ...]
    """Digests of credentials, CA and client certificate."""

    @property
    def pages(self) -> ListKey:
        """The key of the staleness pages: the platform is a matter of the list alone."""
        return replace(self, platform=None)


PortalKey = tuple[str, str]
"""URL of a portal, and digest over credential and TLS material."""


@dataclass(frozen=True, slots=True)
class SourceConnection:
    """A SkillMeat server as one CatalogSource reaches it."""

    key: ListKey
    host: Host
    client: SkillMeatClient
    secrets: str
    """Digest over everything that came from Secrets: changes when one is rotated."""


@dataclass(frozen=True, slots=True)
class PortalConnection:
    """A portal as one CatalogSource reaches it."""

    key: PortalKey
    host: Host
    url: str
    client: BackstageClient
    secrets: str


@dataclass(slots=True)
class _Made:
    generation: int
    at: float
    source: SourceConnection | None = None
    portal: PortalConnection | None = None


class Connections:
    """Makes connections from specs; a sync reads each Secret once, however many visits it takes."""

    def __init__(
        self,
        *,
        http: HttpClient,
        source_limiter: RateLimiter,
        portal_limiter: RateLimiter,
        secrets: SecretReader,
        backstage_url: str | None,
        backstage_token_file: Path | None,
        clock: Callable[[], float],
        timings: Timings,
    ) -> None:
        self._clock = clock
        self._http = http
        self._source_limiter = source_limiter
        self._portal_limiter = portal_limiter
        self._secrets = secrets
        self._backstage_url = backstage_url
        self._token_file = backstage_token_file
        self._timings = timings
        self._made: dict[str, _Made] = {}
        self._own: tuple[float, Credential] | None = None
        """The token of the operator's own file, and when it was read."""
        self._dry_runs: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def source(self, source: CatalogSource, *, not_before: float = 0.0) -> SourceConnection:
        """The connection to the source's server; one made a moment ago for the same spec is used again.

        Args:
            source: whose server it is.
            not_before: monotonic seconds; Secrets read before that are read again.

        Raises:
            FailedError: a Secret, ConfigMap or key is missing.
        """
        made = self._fresh(source, not_before)
        if made.source is None:
            made.source = await self._source(source)
        return made.source

    async def portal(self, source: CatalogSource, *, not_before: float = 0.0) -> PortalConnection:
        """The connection to the portal; one made a moment ago for the same spec is used again.

        Args:
            source: whose portal it is.
            not_before: as in :meth:`source`.

        Raises:
            FailedError: no portal is named, or a Secret, ConfigMap or key is missing.
        """
        made = self._fresh(source, not_before)
        if made.portal is None:
            made.portal = await self._portal(source, not_before)
        return made.portal

    def renew(self, uid: str) -> None:
        """Read the Secrets of a CatalogSource again at its next visit: a server refused what they hold."""
        self._made.pop(uid, None)
        self._own = None

    def forget(self, uid: str) -> None:
        """See :class:`~skillmeat_operator.controller.scope.KeyedByUid`."""
        self._made.pop(uid, None)

    def __contains__(self, uid: object) -> bool:
        return uid in self._made

    def _fresh(self, source: CatalogSource, not_before: float) -> _Made:
        now = self._clock()
        made = self._made.get(source.uid)
        if (
            made is None
            or made.generation != source.generation
            or made.at < max(not_before, now - SECRETS_KEPT)
        ):
            made = self._made[source.uid] = _Made(generation=source.generation, at=now)
        return made

    async def _source(self, source: CatalogSource) -> SourceConnection:
        skillmeat = source.spec.source.skillmeat
        if skillmeat is None:
            raise FailedError(
                Failure(
                    side=Side.SOURCE,
                    kind=FailureKind.CONFIGURATION,
                    reason=Reason.INVALID_SPEC,
                    message="spec.source names no type of source that this version knows: set "
                    "spec.source.skillmeat",
                )
            )
        bearer = service = None
        if skillmeat.auth is not None:
            bearer = await self._credential(source, skillmeat.auth.bearer_token_secret_ref, Side.SOURCE)
            service = await self._credential(source, skillmeat.auth.service_token_secret_ref, Side.SOURCE)
        tls = await self._secrets.tls(source.namespace, skillmeat.tls, side=Side.SOURCE)
        url = skillmeat.url.rstrip("/")
        digests = (_digest(bearer), _digest(service), tls.digest)
        client = SkillMeatClient(
            self._http,
            self._source_limiter,
            base_url=url,
            platform=skillmeat.platform,
            bearer=bearer,
            service_token=service,
            tls=tls,
            share=source.namespace,
        )
        return SourceConnection(
            key=ListKey(url=url, platform=skillmeat.platform, credentials=digests),
            host=Host.of(url),
            client=client,
            secrets="/".join(digests),
        )

    async def _portal(self, source: CatalogSource, not_before: float) -> PortalConnection:
        backstage = source.spec.backstage
        url = (backstage.url or self._backstage_url or "").rstrip("/")
        if not url:
            raise FailedError(
                Failure(
                    side=Side.CATALOG,
                    kind=FailureKind.CONFIGURATION,
                    reason=Reason.PORTAL_URL_MISSING,
                    message="no portal is named: set spec.backstage.url, or start the operator with "
                    "--backstage-url",
                )
            )
        reference = backstage.auth.bearer_token_secret_ref if backstage.auth is not None else None
        token = await self._credential(source, reference, Side.CATALOG)
        # The operator's own token is for its own portal: a tenant must not be able to send it elsewhere.
        own_file = self._token_file if url == (self._backstage_url or "").rstrip("/") else None
        if reference is None and own_file is not None:
            _check_trust(backstage.tls)
            token = await self._own_token(own_file, not_before)
        tls = await self._secrets.tls(source.namespace, backstage.tls, side=Side.CATALOG)
        named = _named_by_flags(url=backstage.url is None, token=reference is None and own_file is not None)
        digests = (_digest(token), tls.digest)
        client = BackstageClient(
            self._http,
            self._portal_limiter,
            base_url=url,
            token=token,
            tls=tls,
            timings=self._timings,
            dry_runs=self._dry_runs.setdefault(url, asyncio.Semaphore(DRY_RUNS)),
            share=source.namespace,
            **named,
        )
        return PortalConnection(
            # What messages call URL and token belongs to the key: one reading serves all who share it.
            key=(url, "/".join((*digests, *named.values()))),
            host=Host.of(url),
            url=url,
            client=client,
            secrets="/".join(digests),
        )

    async def _credential(
        self, source: CatalogSource, reference: SecretKeyReference | None, side: Side
    ) -> Credential | None:
        if reference is None:
            return None
        return await self._secrets.value(source.namespace, reference, side=side)

    async def _own_token(self, path: Path, not_before: float) -> Credential:
        now = self._clock()
        if self._own is not None and self._own[0] >= max(not_before, now - OWN_TOKEN_KEPT):
            return self._own[1]
        try:
            text = await asyncio.to_thread(path.read_text, encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise FailedError(
                Failure(
                    side=Side.CATALOG,
                    kind=FailureKind.SECRET,
                    reason=Reason.SECRET_NOT_FOUND,
                    message="the file of --backstage-token-file cannot be read: mount the portal's token "
                    "there",
                    returns=True,
                )
            ) from None
        self._own = now, Credential.of(text)
        return self._own[1]


def _check_trust(tls: TLS | None) -> None:
    """Whom the operator's own token is shown to is the operator's to decide: a CA of a tenant would have it
    sent to whoever has a certificate of that CA.

    Raises:
        FailedError: the spec names a CA.
    """
    if tls is not None and tls.ca_ref is not None:
        raise FailedError(
            Failure(
                side=Side.CATALOG,
                kind=FailureKind.CONFIGURATION,
                reason=Reason.INVALID_SPEC,
                message="spec.backstage.tls.caRef does not go with the operator's own token: remove it and "
                "give the operator the CA in the file of its environment variable SSL_CERT_FILE, or name a "
                "token under spec.backstage.auth",
            )
        )


def _digest(credential: Credential | None) -> str:
    """Tells credentials apart by value and by where they may be sent."""
    if credential is None:
        return "-"
    if credential.allowed_hosts is None:
        return credential.digest
    bound = hashlib.sha256("\n".join(sorted(credential.allowed_hosts)).encode()).hexdigest()[:8]
    return f"{credential.digest}@{bound}"


def _named_by_flags(*, url: bool, token: bool) -> dict[str, str]:
    """What messages call the URL and the token where the operator's own are used."""
    named = {"url_field": "--backstage-url"} if url else {}
    if token:
        named["token_field"] = "--backstage-token-file"  # noqa: S105  # the name of a flag
    return named
