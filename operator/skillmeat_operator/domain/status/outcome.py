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
class UnreadableBundle:
    """A TemplateBundle that a newer version wrote, or that was stored before a rule existed."""

    name: str
    problem: str
    """What is wrong with its spec, in one sentence without a value of it."""


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
    converging: frozenset[str] = frozenset()
    """Missing refs whose deadline has not passed and that nothing is known against
    (:func:`~skillmeat_operator.domain.verify.convergence.still_converging`)."""
    unread: bool = False
    """The catalog was changed after it was read: what became of that is known with the next reading."""
    diagnosis: Diagnosis = field(default_factory=Diagnosis)
    moved: Finding | None = None
    """The portal still has the location of an earlier public URL."""
    published: bool = True
    """Whether the plan is what is served: False while it could not be stored."""
    serving: bool = False
    """Whether this operator stands behind the last good state: it serves a document of this CatalogSource
    (from a snapshot of its own). Under ingestion External, where it serves none: whether it has verified this
    generation itself since it started."""
    unreadable: tuple[UnreadableBundle, ...] = ()
    """TemplateBundles of this source whose spec cannot be read: what they govern is frozen."""
    server: ServerInfo | None = None
    staleness_known: bool = False
    staleness_pending: bool = False
    """The staleness pages have not been read yet: what was told of this generation still stands."""
    staleness_failure: Failure | None = None
    """Why the staleness pages could not be read: no sync fails because of it."""
    filter_pending: bool = False
    """``spec.filters`` asks for the status of bundles, which the pages that could not be read yet tell."""
    seen: CatalogSeen | None = None
    requests: tuple[str | None, str | None] = (None, None)
    """Tokens of the requested reconciles that this visit answers: ours and Flux's."""

    requests_overdue: bool = False
    """Whoever asked has waited for the deadline
    (:meth:`~skillmeat_operator.domain.verify.convergence.Convergence.keeps_waiting`)."""

    @property
    def waiting(self) -> bool:
        """Whether a reading within the deadline may still show what is published."""
        return bool(self.converging) or self.unread

    @property
    def missing(self) -> tuple[str, ...]:
        """Refs that are missing and not converging any more; sorted."""
        found = self.state.missing if self.state is not None else ()
        return tuple(ref for ref in found if ref not in self.converging)

    @property
    def requests_answered(self) -> bool:
        """Whether the visit ended in a way that a waiting person wants to hear of: everything is there, a
        deadline passed, or it failed. Removals that the catalog has not carried out yet delay nothing.
        """
        return not self.waiting or self.requests_overdue
