"""What is remembered of one CatalogSource's way into the catalog."""

from __future__ import annotations

from dataclasses import dataclass

from skillmeat_operator.domain.verify.convergence import Convergence
from skillmeat_operator.domain.verify.diagnosis import LastDiagnosis


@dataclass(slots=True)
class Verification:
    """What is remembered of one CatalogSource's way into the catalog; moments are monotonic seconds."""

    convergence: Convergence | None = None
    registered: float | None = None
    """When the location was last posted by this process."""
    leftovers_since: float | None = None
    """Since when something that is not published any more has been shown."""
    failed: bool = False
    """The portal was away at the last visit."""
    spec_seen: float = 0.0
    """When the spec was first seen with which it was last diagnosed."""
    diagnose_now: bool = True
    """A dry run is due as soon as something is missing: new spec, request, or the portal was away."""
    diagnosed: LastDiagnosis | None = None
    ghost_repaired: float | None = None
    """When a listed location without its entity was last put back."""
