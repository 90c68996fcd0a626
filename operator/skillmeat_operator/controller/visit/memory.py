"""What the controller remembers of a CatalogSource between visits. Nothing here is needed after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from skillmeat_operator.domain.decide.ownership import Holder
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.failure import Side
from skillmeat_operator.domain.observation import ServerInfo, StalenessReading
from skillmeat_operator.domain.status.outcome import Outcome
from skillmeat_operator.domain.verify.convergence import Convergence
from skillmeat_operator.domain.verify.diagnosis import Diagnosis


@dataclass(slots=True)
class RefusedCredential:
    """A refused credential; moments are monotonic seconds."""

    secrets: str
    """Digest of the credential."""
    first: float


@dataclass(frozen=True, slots=True)
class Missing:
    """A Secret, ConfigMap or key that is not there."""

    reason: str
    generation: int
    """Of the CatalogSource that asks for it: another spec has a grace of its own."""
    first: float
    """Monotonic seconds."""


@dataclass(slots=True)
class LastDiagnosis:
    """The last look into missing entities."""

    key: tuple[str, tuple[str, ...]]
    """Revision and missing refs."""
    at: float
    result: Diagnosis


@dataclass(slots=True)
class SourceMemory:
    """Memory of one CatalogSource; moments are monotonic seconds."""

    spec_seen: float
    """When the present generation was first seen."""
    generation: int
    requests_seen: dict[str, float] = field(default_factory=dict)
    """When each pending request's token was first seen."""
    refusals: dict[Side, RefusedCredential] = field(default_factory=dict)
    missing: dict[Side, Missing] = field(default_factory=dict)

    settled_serial: int | None = None
    """Serial of the reading that ``elements_digest`` comes from."""
    reads: int = 0
    """Complete readings taken in."""
    newest: Mapping[str, datetime] = field(default_factory=dict)
    generated: Mapping[str, datetime] = field(default_factory=dict)
    staleness: StalenessReading | None = None
    server: ServerInfo | None = None

    plan: Plan | None = None
    plan_key: tuple[object, ...] = ()
    """What the plan was made from; empty: it has to be made anew."""
    plan_is_blind: bool = False
    """The plan was made without a view of the portal."""
    holders: dict[str, Holder] = field(default_factory=dict)
    stored: object = None
    """Fingerprint of what the snapshot holds."""
    claims: frozenset[str] = frozenset()

    viewed: float = 0.0
    """When the view of the portal that was used last began."""
    convergence: Convergence | None = None
    registered: float | None = None
    """When the location was last posted, or first seen listed without its entity."""
    leftovers_since: float | None = None
    portal_failed: bool = False
    portal_progressed: float = 0.0
    """When the portal last showed something new, of whatever CatalogSource."""
    diagnose_now: bool = True
    """A dry run is due as soon as something is missing: new spec, request, or the portal was away."""
    diagnosis: LastDiagnosis | None = None
    ghost_repaired: float | None = None

    outcome: Outcome | None = None
    """Of the last visit."""
    not_found: dict[tuple[str, int], int] = field(default_factory=dict)
    """Number of complete readings when a TemplateBundle (UID, generation) was first not found."""
