"""All fixed times of the operator in one settings object.

Times that a user sets (``interval``, ``timeout``, ``outageGracePeriod``) are fields of the CatalogSource; the
ones below are part of the protocol (design, section 3 and 4) and not meant to be tuned in production. Tests
scale them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Timings:
    """Fixed times in seconds, unless a name says otherwise."""

    coalesce_bundles: float = 0.3
    """Changes of TemplateBundles within this time lead to one visit of their CatalogSource."""
    relist_interval: float = 600.0
    """Cadence of the full list that drops what vanished while a watch was interrupted."""
    relist_settle: float = 2.0
    """Time between the relist of a watch and the full list that drops what vanished before it."""
    watch_retry_first: float = 0.25
    """First delay before a watch that ended is begun anew, and a list that failed is tried again."""
    watch_retry_longest: float = 5.0
    """Longest of these delays."""
    watch_look_away: float = 1.0
    """Cadence at which it is looked whether what is missing for a watch is back."""
    watch_look: float = 15.0
    """Cadence at which a watch that is well is compared with the API server."""
    watch_begin: float = 1.5
    """How long kopf may take from finding the kinds to its list; else it did not find ours."""
    watch_open: float = 30.0
    """How long kopf may take from its start, or from its list, to the watch."""
    watch_trouble: float = 3.0
    """How long kopf's calls may fail while the operator's own succeed."""
    watch_behind: float = 30.0
    """How far a watch may be behind a full list."""
    start_spread: float = 1.0
    """First reads after a start are spread over this time per server."""
    lookup_kept: float = 60.0
    """For how long a look-up of refs answers a visit that nobody asked for."""

    verify_early: tuple[float, ...] = (0.5, 1.0, 2.0, 3.0, 4.0)
    """Moments after a publish at which the catalog is read."""
    verify_every: float = 5.0
    """Cadence of the readings after the early ones."""
    refresh_at: tuple[float, ...] = (5.0, 15.0, 30.0)
    """Moments after a publish at which the refresh is repeated while content hashes differ."""
    refresh_every: float = 60.0
    """Cadence of the refreshes after those."""
    progress_deadline: float = 60.0
    """Without a further matching content hash for this long, what is missing counts as missing."""
    removal_wait: float = 45.0
    """How long the disappearance of removed entities is awaited (the catalog sweeps every 30 s)."""
    diagnose_after: float = 10.0
    """Time after the first registration at which an absent Location entity is looked into."""
    diagnose_every: float = 900.0
    """Least time between two dry runs for the same revision and missing set."""
    ghost_after: float = 60.0
    """A listed location whose entity is absent for this long may be a ghost."""

    credential_recheck: float = 30.0
    """Two refusals of one credential have to be at least this far apart to count."""
    secret_look: float = 15.0
    """Cadence at which the Secret of a refused or missing credential is looked at."""
    secret_grace: float = 120.0
    """How long a missing Secret, CatalogSource or bundle is awaited before it counts as Stalled."""
    missing_retry: float = 10.0
    """Cadence of the retries inside that grace."""

    quiet_visit: float = 2.0
    """A first visit that takes longer than this is announced in status."""
    backoff_first: float = 5.0
    """First delay after a transient failure."""
    backoff_longest: float = 900.0
    """Longest delay after transient failures."""
    loss_window: float = 3600.0
    """Losses within this time count together for the removal guard."""
    staleness_least: float = 600.0
    """Least time between two readings of the staleness pages."""

    stored_look: float = 30.0
    """How old a look at the snapshots in the cluster may be that a visit takes over from another."""
    head_deadline: float = 1.0
    """How long the document endpoint waits for the head of a snapshot."""
    catalog_timeout: float = 15.0
    """Time-out of one call to the portal."""
    dry_run_timeout: float = 60.0
    """Time-out of a dry run, which reads and validates the whole document."""
    kubernetes_timeout: float = 10.0
    """Time-out of one call to the API server."""
    force_delete_timeout: float = 5.0
    """Time for the one try of a forced deletion."""
    shutdown_timeout: float = 4.0
    """Time for what is under way when the operator is told to stop."""

    @classmethod
    def from_overrides(cls, overrides: Mapping[str, float | list[float]]) -> Self:
        """The default times with some replaced.

        Raises:
            ValueError: a name is not a fixed time.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(overrides) - known)
        if unknown:
            raise ValueError(f"not a fixed time of the operator: {', '.join(unknown)}")
        values = {
            name: tuple(value) if isinstance(value, list) else value for name, value in overrides.items()
        }
        return replace(cls(), **values)  # type: ignore[arg-type]
