"""What was seen of the remote sides: each value is one complete reading, or it does not exist.

A partial answer is never turned into one of these (design, section 3, Gather): adapters raise instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Json = Any
"""A decoded JSON value."""


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a SkillMeat server says of itself; ``None`` where it does not say."""

    version: str | None = None
    edition: str | None = None


@dataclass(frozen=True, slots=True)
class TemplateList:
    """One complete answer of SkillMeat's template list, in the server's order."""

    elements: tuple[Json, ...]
    """The list's elements, whatever they are: nothing has been checked beyond the limits of the body."""
    digest: str
    """sha256 (hex) of the elements without ``skillmeat.io/generated-at``: equal digests mean nothing changed.
    """


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """What the staleness pages say of one bundle."""

    bundle_id: str
    """32 hex digits."""
    status: str | None
    """``draft``, ``published`` or ``deprecated``."""
    updated_at: datetime
    """Latest of the bundle's and its scaffold template's ``updated_at``, in UTC."""


@dataclass(frozen=True, slots=True)
class StalenessReading:
    """One complete reading of ``/scaffold-templates`` and ``/bundles/entities``."""

    bundles: Mapping[str, BundleFacts]
    """By bundle id."""


@dataclass(frozen=True, slots=True)
class CatalogEntity:
    """One Template of the catalog, as far as we look at it."""

    ref: str
    """Lower case, ``template:namespace/name``."""
    uid: str
    content_hash: str | None
    """Annotation ``skillmeat.io/content-hash``."""
    managed_by: str | None
    """Annotation ``skillmeat.io/managed-by``: ``<cluster uid>/<CatalogSource uid>``."""
    origin: str | None
    """Annotation ``backstage.io/managed-by-origin-location``."""
    bundle_id: str | None = None
    bundle_version: str | None = None
    orphan: bool = False
    """Annotation ``backstage.io/orphan``."""
    failing: bool = False
    """``status.items`` has an error: the catalog refused the newer content and shows the older one."""


@dataclass(frozen=True, slots=True)
class RegisteredLocation:
    """One row of the catalog's list of locations."""

    id: str
    target: str
    entity_ref: str
    """Ref of its Location entity, lower case; computed from the target where an older catalog does not tell.
    """


@dataclass(frozen=True, slots=True)
class PortalView:
    """One reading of a portal with one credential, shared by all CatalogSources that use both."""

    entities: Mapping[str, CatalogEntity]
    """Templates that have our marker annotation, of whatever owner, by ref."""
    locations: Mapping[str, RegisteredLocation]
    """Registered locations of type ``url``, by exact target."""
    reads_entities: bool
    """Whether the credential was seen to read any entity of whatever kind in this reading."""
    began_at: float
    """Monotonic time at which the reading began."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """Answer of the catalog to a dry run of a document."""

    ok: bool
    kind_not_allowed: bool = False
    host_not_allowed: bool = False
    unreachable: bool = False
    """The catalog could not read the document (connection refused, 404, 5xx, time-out)."""
    refused_refs: tuple[str, ...] = field(default=())
    """Refs (lower case) that the message names as refused, if any; each checked against the grammar of refs.
    """

    @property
    def whole(self) -> bool:
        """Whether it says why nothing at all of the document would be taken."""
        return self.kind_not_allowed or self.host_not_allowed or self.unreachable
