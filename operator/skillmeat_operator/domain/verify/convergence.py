"""Has the catalog caught up with what is published, and when is it looked at or told to read again.

Refresh is driven by what the catalog shows, not by "we changed something" (design, section 3).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

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
    leaving: frozenset[str] = frozenset()
    """Ids of the bundles of ``leftovers``."""

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
        leaving=frozenset(found for ref in leftovers if (found := ours[ref].bundle_id)),
    )


@dataclass(slots=True)
class Convergence:
    """Memory of one published set on its way into the catalog; all moments are monotonic seconds.

    Each ref has a deadline of its own, from when it was first missing with its present content. Refs that
    are missing since the same moment are a batch, and a batch's deadline moves on while the catalog takes it,
    or an older one, in: of a batch the missing only become fewer, so that this ends. What is published later
    moves no deadline of what was published before.
    """

    began: float
    """When something was published last, or first found not to match."""
    progressed: float
    """When something was taken in last."""
    hurried: bool = True
    """Whether something was published at ``began``, so that readings right after it are worth their while."""
    refreshes: int = 0
    """Refreshes sent since ``began``."""
    refreshed: float | None = None
    """When the last of them was sent."""
    _missing: dict[str, tuple[str | None, float]] = field(default_factory=dict)
    """Of each ref that is missing now: the content that is expected, and since when it has been missing."""
    _taken_in: dict[float, float] = field(default_factory=dict)
    """By the moment of a batch: when something of it was taken in last. For batches with a missing ref."""

    @classmethod
    def start(cls, now: float) -> Convergence:
        """A set published now, or found not to match."""
        return cls(began=now, progressed=now)

    @classmethod
    def elsewhere(cls, now: float) -> Convergence:
        """A set that another provider brings in, nobody knows when."""
        return cls(began=now, progressed=now, hurried=False)

    def published(self, expected: Mapping[str, str | None], now: float) -> None:
        """Take in that another document is served: it is read and refreshed as at first. Of what has been
        missing and is the same in it no deadline moves.
        """
        self.began, self.refreshes, self.refreshed = now, 0, None
        self._missing = {
            ref: one for ref, one in self._missing.items() if ref in expected and one[0] == expected[ref]
        }

    def note(self, expected: Mapping[str, str | None], missing: Iterable[str], now: float) -> None:
        """Take in a reading that is newer than what is served.

        Args:
            expected: what tells the content apart (content hash or version), by ref of all that is served.
            missing: refs of it that are not shown, or with other content.
            now: the present.
        """
        before, self._missing = self._missing, {}
        for ref in missing:
            content, since = before.get(ref, (None, now))
            self._missing[ref] = (expected[ref], since if content == expected[ref] else now)
        for ref, (_, since) in before.items():
            if ref in expected and ref not in self._missing:
                self.progressed = self._taken_in[since] = now
        present = {since for _, since in self._missing.values()}
        self._taken_in = {since: at for since, at in self._taken_in.items() if since in present}

    def given_up(self, now: float, timings: Timings) -> frozenset[str]:
        """Refs that count as missing: their deadline has passed."""
        passed = {since for since, deadline in self._deadlines(timings).items() if deadline <= now}
        return frozenset(ref for ref, (_, since) in self._missing.items() if since in passed)

    def keeps_waiting(self, asked: float, now: float, timings: Timings) -> bool:
        """Whether somebody who asked for a sync at a moment has reason to wait for what is converging: for
        the deadline, and on while something that was published within it is being taken in.
        """
        wait = timings.progress_deadline
        progress = [at for since, at in self._taken_in.items() if since < asked + wait]
        return now < max((asked, *progress)) + wait

    def next_read(self, now: float, timings: Timings) -> float:
        """When the catalog is read next while hashes differ."""
        elapsed = now - self.began
        for moment in timings.verify_early if self.hurried else ():
            if moment > elapsed + 0.05:
                return self.began + moment
        soon = now + timings.verify_every
        coming = [deadline for deadline in self._deadlines(timings).values() if deadline > now]
        return max(min((soon, *coming)), now + 0.05)

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

    def _deadlines(self, timings: Timings) -> dict[float, float]:
        """The deadline of each batch, by its moment: what was published before may be in its way."""
        deadlines, latest = {}, 0.0
        for since in sorted({since for _, since in self._missing.values()}):
            latest = max(latest, since, self._taken_in.get(since, since))
            deadlines[since] = latest + timings.progress_deadline
        return deadlines
