"""From a CatalogSource's spec to clients: Secrets are read by name at each sync, and equal settings share a
client.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

from skillmeat_operator.adapters.backstage.client import DRY_RUNS, BackstageClient
from skillmeat_operator.adapters.http.client import HttpClient
from skillmeat_operator.adapters.http.credential import Credential
from skillmeat_operator.adapters.http.rate_limit import RateLimiter
from skillmeat_operator.adapters.kubernetes.secrets import SecretReader
from skillmeat_operator.adapters.skillmeat.client import SkillMeatClient
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.api.v1alpha1.references import SecretKeyReference
from skillmeat_operator.controller.remote.poller import PollKey
from skillmeat_operator.domain.failure import FailedError, Failure, FailureKind, Side
from skillmeat_operator.domain.timings import Timings


@dataclass(frozen=True, slots=True)
class SourceConnection:
    """A SkillMeat server as one CatalogSource reaches it."""

    key: PollKey
    client: SkillMeatClient
    secrets: str
    """Digest over everything that came from Secrets: changes when one is rotated."""


@dataclass(frozen=True, slots=True)
class PortalConnection:
    """A portal as one CatalogSource reaches it."""

    key: tuple[str, str]
    """URL and digest over credential and TLS material."""
    url: str
    client: BackstageClient
    secrets: str


class Connections:
    """Makes connections from specs."""

    def __init__(
        self,
        *,
        http: HttpClient,
        source_limiter: RateLimiter,
        portal_limiter: RateLimiter,
        secrets: SecretReader,
        backstage_url: str | None,
        backstage_token_file: Path | None,
        timings: Timings,
    ) -> None:
        self._http = http
        self._source_limiter = source_limiter
        self._portal_limiter = portal_limiter
        self._secrets = secrets
        self._backstage_url = backstage_url
        self._token_file = backstage_token_file
        self._timings = timings
        self._dry_runs: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def source(self, source: CatalogSource) -> SourceConnection:
        """The connection to the source's server.

        Raises:
            FailedError: a Secret, ConfigMap or key is missing.
        """
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
        )
        return SourceConnection(
            key=PollKey(url=url, platform=skillmeat.platform, credentials=digests),
            client=client,
            secrets="/".join(digests),
        )

    async def portal(self, source: CatalogSource) -> PortalConnection:
        """The connection to the portal.

        Raises:
            FailedError: no portal is named, or a Secret, ConfigMap or key is missing.
        """
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
            token = await self._own_token(own_file)
        tls = await self._secrets.tls(source.namespace, backstage.tls, side=Side.CATALOG)
        digests = (_digest(token), tls.digest)
        client = BackstageClient(
            self._http,
            self._portal_limiter,
            base_url=url,
            token=token,
            tls=tls,
            timings=self._timings,
            dry_runs=self._dry_runs.setdefault(url, asyncio.Semaphore(DRY_RUNS)),
            **_named_by_flags(url=backstage.url is None, token=reference is None and own_file is not None),
        )
        return PortalConnection(
            key=(url, "/".join(digests)), url=url, client=client, secrets="/".join(digests)
        )

    async def _credential(
        self, source: CatalogSource, reference: SecretKeyReference | None, side: Side
    ) -> Credential | None:
        if reference is None:
            return None
        return await self._secrets.value(source.namespace, reference, side=side)

    async def _own_token(self, path: Path) -> Credential:
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
                )
            ) from None
        return Credential.of(text)


def _digest(credential: Credential | None) -> str:
    return credential.digest if credential is not None else "-"


def _named_by_flags(*, url: bool, token: bool) -> dict[str, str]:
    """What messages call the URL and the token where the operator's own are used."""
    named = {"url_field": "--backstage-url"} if url else {}
    if token:
        named["token_field"] = "--backstage-token-file"  # noqa: S105  # the name of a flag
    return named
