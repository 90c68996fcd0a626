"""What is remembered of one CatalogSource's way into the catalog."""

from __future__ import annotations

from dataclasses import dataclass

from skillmeat_operator.domain.verify.convergence import Convergence


@dataclass(slots=True)
class Verification:
    """What the keeper remembers of one CatalogSource's way into the catalog; moments are monotonic seconds.

    What was looked into is remembered by the diagnostician.
    """

    convergence: Convergence | None = None
    registered: float | None = None
    """When the location was last posted by this process."""
    leftovers_since: float | None = None
    """Since when something that is not published any more has been shown."""
