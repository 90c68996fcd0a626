"""What one visit of a CatalogSource came to: the only input of the summary besides the previous status."""

from __future__ import annotations

from dataclasses import dataclass, field

from skillmeat_operator.api.v1alpha1.catalog_source_status import CatalogSeen
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.failure import Failure
from skillmeat_operator.domain.observation import ServerInfo
from skillmeat_operator.domain.verify.convergence import CatalogState
from skillmeat_operator.domain.verify.diagnosis import Diagnosis, Finding


@dataclass(frozen=True, slots=True)
class SideOutcome:
    """Result of the last contact with one remote side."""

    failure: Failure | None = None
    stalled: bool = False
    """It needs a person: configuration, a credential refused twice, a Secret that stays away."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything a visit found out. What it did not get to is None."""

    configuration: Failure | None = None
    """A setting that has to change before anything can be tried."""
    source: SideOutcome | None = None
    catalog: SideOutcome | None = None
    plan: Plan | None = None
    state: CatalogState | None = None
    """What the catalog shows of the plan."""
    converging: bool = False
    """Hashes still differ, and the deadline without progress has not passed."""
    diagnosis: Diagnosis = field(default_factory=Diagnosis)
    moved: Finding | None = None
    """The portal still has the location of an earlier public URL."""
    published: bool = True
    """Whether the plan is what is served: False while it could not be stored."""
    server: ServerInfo | None = None
    staleness_known: bool = False
    staleness_pending: bool = False
    """The staleness pages have not been read yet: what was told of this generation still stands."""
    seen: CatalogSeen | None = None
    requests: tuple[str | None, str | None] = (None, None)
    """Tokens of the requested reconciles that this visit answers: ours and Flux's."""

    @property
    def requests_answered(self) -> bool:
        """Whether the visit ended in a way that a waiting person wants to hear of."""
        return not self.converging
