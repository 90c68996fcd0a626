"""What the status of a TemplateBundle is derived from, and the conditions it is told in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from skillmeat_operator.api.v1alpha1.conditions import ConditionType, Reason
from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle
from skillmeat_operator.domain.decide.candidates import Candidate
from skillmeat_operator.domain.decide.declarations import Declaration, Match, declaration_hash
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.decide.versions import VersionRange
from skillmeat_operator.domain.snapshot.model import Record
from skillmeat_operator.domain.status.conditions import FALSE, TRUE, UNKNOWN, ConditionSet, find
from skillmeat_operator.domain.status.outcome import Outcome
from skillmeat_operator.domain.status.spec_version import SpecVersion
from skillmeat_operator.domain.status.unsynced import SUSPENDED_MESSAGE


@dataclass(frozen=True, slots=True)
class BundleContext:
    """What a TemplateBundle's status is derived from, besides itself."""

    outcome: Outcome | None
    """Of its CatalogSource's visit; None where that has not been visited, is suspended or does not exist."""
    source_exists: bool
    read_again: bool
    """Whether a second complete read since the bundle was first not found did not have it either."""
    grace: timedelta
    """How long a missing bundle or CatalogSource is awaited before it counts as Stalled."""
    now: datetime
    source_suspended: bool = False
    serving: bool = False
    """Without an outcome: whether the operator serves a document of the CatalogSource (as in an outcome)."""
    settled: frozenset[str] = frozenset()
    """Without a plan: hashes of the TemplateBundles' specs that the snapshot was made with
    (``Record.declaration_hash``)."""

    @property
    def stands(self) -> bool:
        """Whether the operator stands behind what was published last."""
        return self.outcome.serving if self.outcome is not None else self.serving


class BundleDerivation:
    """One status while it is derived: the facts, and the words for them."""

    def __init__(self, bundle: TemplateBundle, context: BundleContext) -> None:
        self.bundle = bundle
        self.context = context
        self.outcome = context.outcome
        self.plan: Plan | None = context.outcome.plan if context.outcome is not None else None
        self.conditions = ConditionSet(
            bundle.status.conditions, generation=bundle.generation, now=context.now
        )
        self.declaration = self.decided()
        key = self.declaration.key if self.declaration is not None else None
        self.record: Record | None = (
            self.plan.by_key.get(key) if self.plan is not None and key is not None else None
        )
        self.candidate: Candidate | None = (
            self.plan.prepared.by_key.get(key) if self.plan is not None and key is not None else None
        )

    def settled(self) -> bool:
        """Whether the spec of a suspended bundle, ``suspend`` aside, is the one that was settled last."""
        wanted = declaration_hash(self.bundle)
        if self.record is not None and self.record.declaration_hash == wanted:
            return True
        if self.plan is None and wanted in self.context.settled:
            return True
        ready = find(self.bundle.status.conditions, ConditionType.READY)
        if ready is None or ready.reason == Reason.SUSPENDED:
            return False
        if not self.bundle.spec.publish and ready.reason == Reason.HELD_BACK:
            # What is not published has no record; nothing else in its spec has a say.
            return True
        # This generation was found suspended before: it stays as it was written then.
        known = ready.observed_generation == self.bundle.generation and ready.message == SUSPENDED_MESSAGE
        return known and (ready.status is FALSE or self.context.stands)

    def resolved(self) -> None:
        """The bundle is known."""
        self.conditions.set(ConditionType.RESOLVED, TRUE, Reason.SUCCEEDED, "found in its source")

    def pending_stale(self) -> bool:
        """Whether what was told of this generation stands until the staleness pages are read."""
        told = self.conditions.previous(ConditionType.STALE)
        pending = self.outcome is not None and self.outcome.staleness_pending
        return pending and told is not None and self.conditions.is_of_now(told)

    def stale(self, candidate: Candidate) -> None:
        """Whether the source has something newer than what it serves."""
        if candidate.stale is None and self.pending_stale():
            # Carried over: the staleness pages come after the list.
            return
        if candidate.stale is None:
            self.conditions.set(
                ConditionType.STALE,
                UNKNOWN,
                Reason.STALENESS_UNKNOWN,
                "SkillMeat does not tell how new the bundle is",
            )
        elif candidate.stale:
            self.conditions.set(
                ConditionType.STALE, TRUE, Reason.UPSTREAM_NEWER, "SkillMeat serves it older than its bundle"
            )
        else:
            self.conditions.set(ConditionType.STALE, FALSE, Reason.UP_TO_DATE, "served as new as its bundle")

    def ready(self, reason: Reason, message: str) -> None:
        """Ready, and at rest."""
        self.conditions.at_rest()
        self.conditions.set(ConditionType.READY, TRUE, reason, message)

    def fail(self, reason: Reason, message: str, *, stalled: bool) -> None:
        """Not Ready: for good, or while it is tried again."""
        self.conditions.set(ConditionType.READY, FALSE, reason, message)
        if stalled:
            self.conditions.stuck(reason, message)
        else:
            self.conditions.working(reason, message)

    def decided(self) -> Declaration | None:
        """What was decided about this very spec.

        Raises:
            OtherGenerationError: another generation of it was decided about.
        """
        if self.plan is None:
            return None
        found = self.plan.prepared.declarations.by_uid.get(self.bundle.uid)
        if found is not None:
            SpecVersion.of(found.bundle).require(self.bundle)
        return found

    def waits_for_counts(self) -> bool:
        """Facts of the catalog are written when it has caught up, like the counts of the source. Those of a
        frozen bundle stay as they are told where it is not known which bundle it is.
        """
        outcome, record, declaration = self.outcome, self.record, self.declaration
        if outcome is None or outcome.state is None or outcome.unread:
            return True
        if record is None:
            return declaration is not None and declaration.match is Match.AMBIGUOUS
        return record.ref in outcome.converging

    def unknown(self, kind: ConditionType) -> None:
        """Nothing can be told of this condition in the present situation."""
        self.conditions.set(kind, UNKNOWN, Reason.PROGRESSING, "cannot be told: see Ready")

    def unreadable_range(self) -> str | None:
        """Why the range cannot be read, where no bundle was matched with it: that takes no reading."""
        matched = self.declaration is not None and self.declaration.key is not None
        if matched or self.bundle.spec.version is None:
            return None
        try:
            VersionRange.parse(self.bundle.spec.version)
        except ValueError as error:
            return str(error)
        return None
