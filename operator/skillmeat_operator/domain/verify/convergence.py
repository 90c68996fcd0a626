"""Has the catalog caught up with what is published, and when is it looked at or told to read again.

Refresh is driven by what the catalog shows, not by "we changed something" (design, section 3).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from skillmeat_operator.domain.decide.ownership import Owner
from skillmeat_operator.domain.observation import CatalogEntity
from skillmeat_operator.domain.timings import Timings


@dataclass(frozen=True, slots=True)
class CatalogState:
    """What the catalog shows of one CatalogSource's published set."""

    matching: frozenset[str]
    """Refs shown with their current content."""
    missing: tuple[str, ...]
    """Refs not shown, or shown with other content; sorted."""
    outdated: frozenset[str]
    """Those of ``missing`` that are shown with other content."""
    refused: frozenset[str]
    """Those of ``missing`` that the catalog shows in an older form because it refuses the new one."""
    leftovers: tuple[str, ...]
    """Refs of ours that the catalog still shows and that are not published any more."""
    orphans: Mapping[str, str]
    """Leftovers the catalog has marked as orphans and will not remove itself: uid by ref."""
    uids: Mapping[str, str]
    """Uid by ref of what is shown."""

    def still_shows(self, ref: str) -> bool:
        """Whether a ref is one of the leftovers."""
        position = bisect_left(self.leftovers, ref)
        return position < len(self.leftovers) and self.leftovers[position] == ref

    @property
    def converged(self) -> bool:
        """Whether everything published is shown with its current content."""
        return not self.missing


def compare(
    expected: Mapping[str, str],
    entities: Mapping[str, CatalogEntity],
    *,
    owner: Owner,
    exists: Callable[[str], bool],
) -> CatalogState:
    """Compare content hashes by ref with what the catalog shows under our marker."""
    ours = owner.owned(entities, exists=exists)
    matching = frozenset(
        ref for ref, wanted in expected.items() if ref in ours and ours[ref].content_hash == wanted
    )
    missing = tuple(sorted(set(expected) - matching))
    leftovers = tuple(sorted(set(ours) - set(expected)))
    return CatalogState(
        matching=matching,
        missing=missing,
        outdated=frozenset(ref for ref in missing if ref in ours),
        refused=frozenset(ref for ref in missing if ref in ours and ours[ref].failing),
        leftovers=leftovers,
        orphans={ref: ours[ref].uid for ref in leftovers if ours[ref].orphan},
        uids={ref: entity.uid for ref, entity in ours.items()},
    )


@dataclass(slots=True)
class Convergence:
    """Memory of one published set on its way into the catalog; all moments are monotonic seconds."""

    began: float
    """When the set was published, or first found not to match."""
    progressed: float
    """When the number of matching content hashes last grew."""
    matching: int = 0
    refreshes: int = 0
    """Refreshes sent since ``began``."""
    refreshed: float | None = None
    """When the last of them was sent."""

    @classmethod
    def start(cls, now: float) -> Convergence:
        """A set published now."""
        return cls(began=now, progressed=now)

    def note(self, matching: int, now: float) -> None:
        """Take in a reading."""
        if matching > self.matching:
            self.progressed = now
        self.matching = matching

    def given_up(self, now: float, timings: Timings) -> bool:
        """Whether what is missing counts as missing: nothing moved for the progress deadline."""
        return now - self.progressed >= timings.progress_deadline

    def next_read(self, now: float, timings: Timings) -> float:
        """When the catalog is read next while hashes differ."""
        elapsed = now - self.began
        for moment in timings.verify_early:
            if moment > elapsed + 0.05:
                return self.began + moment
        deadline = self.progressed + timings.progress_deadline
        soon = now + timings.verify_every
        return max(min(soon, deadline), now + 0.05) if deadline > now else soon

    def refresh_due(self, now: float, timings: Timings) -> bool:
        """Whether the catalog should be told once more to read the document."""
        if self.refreshed is None:
            return now - self.began >= timings.refresh_at[0]
        if self.refreshes <= len(timings.refresh_at):
            following = [moment for moment in timings.refresh_at if self.began + moment > self.refreshed]
            if following:
                return now - self.began >= following[0]
        return now - self.refreshed >= timings.refresh_every

    def note_refresh(self, now: float) -> None:
        """Take in that a refresh was sent."""
        self.refreshes += 1
        self.refreshed = now
