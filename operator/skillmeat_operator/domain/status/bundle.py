"""Summarise for TemplateBundles: from what was decided for a source to the status of each of its bundles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from skillmeat_operator.api.v1alpha1.conditions import ConditionType, Reason
from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle, TemplateBundleStatus
from skillmeat_operator.domain.decide.candidates import Candidate, Fate
from skillmeat_operator.domain.decide.declarations import Declaration, Match, declaration_hash
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.snapshot.model import HeldReason, Record
from skillmeat_operator.domain.status.bundle_facts import published_facts
from skillmeat_operator.domain.status.conditions import FALSE, TRUE, UNKNOWN, ConditionSet, find, ready_for
from skillmeat_operator.domain.status.outcome import Outcome
from skillmeat_operator.domain.status.problems import explanation, refusal_message
from skillmeat_operator.domain.status.source import SUSPENDED_MESSAGE, freeze
from skillmeat_operator.domain.template.grammar import printable


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


class _Derivation:
    """Derives one status; each method is one row of the table (design, section 4)."""

    def __init__(self, bundle: TemplateBundle, context: BundleContext) -> None:
        self.bundle = bundle
        self.context = context
        self.outcome = context.outcome
        self.plan: Plan | None = context.outcome.plan if context.outcome is not None else None
        self.conditions = ConditionSet(
            bundle.status.conditions, generation=bundle.generation, now=context.now
        )
        self.declaration = self._declaration()
        key = self.declaration.key if self.declaration is not None else None
        self.record: Record | None = (
            self.plan.by_key.get(key) if self.plan is not None and key is not None else None
        )
        self.candidate: Candidate | None = (
            self.plan.prepared.by_key.get(key) if self.plan is not None and key is not None else None
        )

    def status(self) -> TemplateBundleStatus:
        self._decide()
        for kind in (
            ConditionType.RESOLVED,
            ConditionType.VERSION_ACCEPTED,
            ConditionType.CATALOG_SYNCED,
            ConditionType.STALE,
        ):
            if self.conditions.current(kind) is None:
                self.conditions.set(kind, UNKNOWN, Reason.PROGRESSING, "not decided yet")
        previous = self.bundle.status
        update: dict[str, object] = {
            "observed_generation": self.bundle.generation,
            "conditions": self.conditions.result(),
        }
        if self.plan is not None and self.declaration is not None and not self._waits_for_counts():
            duplicate = self.declaration.match is Match.DUPLICATE
            update |= published_facts(
                self.bundle,
                record=None if duplicate else self.record,
                candidate=self.candidate,
                state=self.outcome.state if self.outcome is not None else None,
                stale_pending=self._pending_stale(),
            )
        return previous.model_copy(update=update)

    def _decide(self) -> None:
        bundle, plan, declaration = self.bundle, self.plan, self.declaration
        if bundle.spec.suspend:
            freeze(self.conditions, settled=self._settled())
            return
        if not self.context.source_exists:
            self._awaited(
                Reason.SOURCE_NOT_FOUND,
                f"there is no CatalogSource {bundle.spec.source_ref.name} in this namespace: "
                "create it or correct spec.sourceRef.name",
                confirmed=True,
            )
            return
        if self.context.source_suspended:
            self._source_suspended()
            return
        if plan is None or declaration is None:
            self._source_not_ready()
            return
        if self.candidate is not None:
            self._stale(self.candidate)
        match declaration.match:
            case Match.INVALID:
                self._resolved()
                message = f"spec.version cannot be read as a range: {declaration.problem}"
                self.conditions.set(ConditionType.VERSION_ACCEPTED, FALSE, Reason.INVALID_SPEC, message)
                self._fail(Reason.INVALID_SPEC, message, stalled=True)
            case Match.AMBIGUOUS:
                ids = ", ".join(printable(one) for one in declaration.candidates[:5])
                message = (
                    f"{len(declaration.candidates)} bundles have this name: "
                    f"name one by spec.bundleRef.id ({ids})"
                )
                self.conditions.set(ConditionType.RESOLVED, FALSE, Reason.AMBIGUOUS_BUNDLE, message)
                self._fail(Reason.AMBIGUOUS_BUNDLE, message, stalled=True)
            case Match.DUPLICATE:
                self._resolved()
                message = (
                    f"TemplateBundle {declaration.elder} is older and declares the same bundle: "
                    "delete one of the two"
                )
                self._fail(Reason.DUPLICATE_DECLARATION, message, stalled=True)
            case Match.NOT_FOUND:
                self._not_found()
            case Match.FOUND:
                self._found(plan, declaration)

    def _found(self, plan: Plan, declaration: Declaration) -> None:
        if declaration.key not in plan.prepared.observed_keys or self.candidate is None:
            self._not_found()
            return
        self._resolved()
        candidate = self.candidate
        if declaration.range is None:
            self.conditions.set(
                ConditionType.VERSION_ACCEPTED, TRUE, Reason.SUCCEEDED, "no range is asked for"
            )
        elif declaration.range.accepts(candidate.version):
            self.conditions.set(
                ConditionType.VERSION_ACCEPTED,
                TRUE,
                Reason.SUCCEEDED,
                f"{_version(candidate)} is inside the range",
            )
        else:
            self.conditions.set(
                ConditionType.VERSION_ACCEPTED,
                FALSE,
                Reason.OUTSIDE_RANGE,
                f"{_version(candidate)} is outside the range",
            )
        refusal = plan.refusals.get(candidate.key)
        if candidate.fate is Fate.UNSELECTED:
            message = (
                "the bundle is in the source, but spec.filters of the CatalogSource leaves it out: "
                "widen the filters or delete this object"
            )
            self._fail(Reason.BUNDLE_NOT_FOUND, message, stalled=True)
        elif candidate.fate is Fate.UNPUBLISHED:
            self._held_back()
        elif refusal is not None:
            reason = Reason.CONFLICT if refusal.holder is not None else Reason.ENTITY_INVALID
            message = refusal_message(refusal)
            self.conditions.set(ConditionType.CATALOG_SYNCED, FALSE, reason, message)
            self._fail(reason, message, stalled=True)
        elif candidate.fate is Fate.OUTSIDE_RANGE and self.record is None:
            message = (
                f"the source has {_version(candidate)}, which is outside the range, and no accepted version "
                "was published before: widen spec.version, or wait for an accepted version"
            )
            self.conditions.set(ConditionType.CATALOG_SYNCED, FALSE, Reason.OUTSIDE_RANGE, message)
            self._fail(Reason.OUTSIDE_RANGE, message, stalled=True)
        elif self.record is not None:
            self._verified(self.record)
        else:
            self._source_not_ready()

    def _held_back(self) -> None:
        state = self.outcome.state if self.outcome is not None else None
        if state is None:
            self._source_not_ready()
            return
        former = self.bundle.status.entity_ref
        if former is not None and state.still_shows(former):
            message = "taken out of the document; the catalog removes it within a minute"
            self.conditions.set(ConditionType.CATALOG_SYNCED, FALSE, Reason.PROGRESSING, message)
            self._fail(Reason.PROGRESSING, message, stalled=False)
            return
        message = "spec.publish is false and the template is not in the catalog"
        self.conditions.set(ConditionType.CATALOG_SYNCED, TRUE, Reason.HELD_BACK, message)
        self._ready(Reason.HELD_BACK, message)

    def _verified(self, record: Record) -> None:
        outcome = self.outcome
        state = outcome.state if outcome is not None else None
        if outcome is None or state is None or not outcome.published:
            self._source_not_ready()
            return
        document = outcome.diagnosis.document
        if record.ref in state.matching:
            self.conditions.set(
                ConditionType.CATALOG_SYNCED, TRUE, Reason.SUCCEEDED, "the catalog shows what is published"
            )
            self._shown(record)
        elif document is not None:
            self.conditions.set(ConditionType.CATALOG_SYNCED, FALSE, document.reason, document.message)
            self._fail(document.reason, document.message, stalled=True)
        elif outcome.converging:
            if ready_for(self.bundle.status.conditions, self.bundle.generation):
                self.conditions.at_rest()
                return
            message = "published; the catalog is catching up"
            self.conditions.set(ConditionType.CATALOG_SYNCED, FALSE, Reason.PROGRESSING, message)
            self._fail(Reason.PROGRESSING, message, stalled=False)
        else:
            finding = explanation(outcome, record.ref)
            reason = finding.reason if finding is not None else Reason.NOT_YET_PROCESSED
            message = (
                finding.message if finding is not None else "published, but the portal does not show it yet"
            )
            self.conditions.set(ConditionType.CATALOG_SYNCED, FALSE, reason, message)
            self._fail(reason, message, stalled=finding is not None)

    def _shown(self, record: Record) -> None:
        if record.held is HeldReason.OUTSIDE_RANGE and self.candidate is not None:
            self._ready(
                Reason.OUTSIDE_RANGE,
                f"the source has {_version(self.candidate)}, which is outside the range; "
                f"{_text(record.bundle_version)} stays published",
            )
        else:
            self._ready(Reason.SUCCEEDED, "published and verified in the catalog")

    def _not_found(self) -> None:
        if self.record is not None:
            message = (
                "the bundle vanished from the source, and its template stays published while that is held: "
                f"see CatalogSource {self.bundle.spec.source_ref.name}"
            )
        else:
            message = (
                "the source has no such bundle with an enabled template: "
                "correct spec.bundleRef, or enable it in SkillMeat"
            )
        self._awaited(Reason.BUNDLE_NOT_FOUND, message, confirmed=self.context.read_again)

    def _awaited(self, reason: Reason, message: str, *, confirmed: bool) -> None:
        """Something is missing that GitOps may bring a moment later: Stalled only after a grace."""
        self.conditions.set(ConditionType.RESOLVED, FALSE, reason, message)
        resolved = self.conditions.current(ConditionType.RESOLVED)
        since = resolved.last_transition_time if resolved is not None else self.context.now
        before = find(self.bundle.status.conditions, ConditionType.STALLED)
        already = (
            before is not None
            and before.reason == reason
            and before.observed_generation == self.bundle.generation
        )
        late = self.context.now - since >= self.context.grace
        self._fail(reason, message, stalled=already or (late and confirmed))

    def _source_not_ready(self) -> None:
        """The decision needs a read that has not happened: Ready keeps its value of this generation."""
        ready = find(self.bundle.status.conditions, ConditionType.READY)
        known = ready is not None and ready.observed_generation == self.bundle.generation
        name = self.bundle.spec.source_ref.name
        if ready is not None and ready.reason == Reason.SOURCE_NOT_FOUND:
            known = False
            self._found_again()
        if ready is not None and known and ready.status is TRUE:
            self.conditions.at_rest()
            return
        if ready is not None and known and ready.status is FALSE and ready.reason != Reason.SOURCE_NOT_READY:
            self.conditions.working(ready.reason, ready.message)
            return
        self._fail(
            Reason.SOURCE_NOT_READY,
            f"CatalogSource {name} has not been read or verified since this was changed: see its conditions",
            stalled=False,
        )

    def _source_suspended(self) -> None:
        """Nothing is decided meanwhile: what was said of this generation stays, a new one hears why."""
        ready = find(self.bundle.status.conditions, ConditionType.READY)
        if (
            ready is not None
            and ready.observed_generation == self.bundle.generation
            and ready.status is not UNKNOWN
            and ready.reason != Reason.SOURCE_NOT_FOUND
        ):
            return
        self._found_again()
        message = (
            f"CatalogSource {self.bundle.spec.source_ref.name} is suspended: nothing is decided about this "
            "until its spec.suspend is false; what was published stays"
        )
        self._fail(Reason.SOURCE_NOT_READY, message, stalled=True)

    def _found_again(self) -> None:
        """The CatalogSource that was missing has come meanwhile."""
        resolved = self.conditions.current(ConditionType.RESOLVED)
        if resolved is not None and resolved.reason == Reason.SOURCE_NOT_FOUND:
            self.conditions.set(ConditionType.RESOLVED, UNKNOWN, Reason.PROGRESSING, "not decided yet")

    def _settled(self) -> bool:
        """Whether the spec of a suspended bundle, ``suspend`` aside, is the one that was settled last."""
        if self.record is not None and self.record.declaration_hash == declaration_hash(self.bundle):
            return True
        ready = find(self.bundle.status.conditions, ConditionType.READY)
        if ready is None or ready.reason == Reason.SUSPENDED:
            return False
        if not self.bundle.spec.publish and ready.reason == Reason.HELD_BACK:
            # What is not published has no record; nothing else in its spec has a say.
            return True
        # This generation was found suspended before: it stays as it was written then.
        return ready.observed_generation == self.bundle.generation and ready.message == SUSPENDED_MESSAGE

    def _resolved(self) -> None:
        self.conditions.set(ConditionType.RESOLVED, TRUE, Reason.SUCCEEDED, "found in its source")

    def _pending_stale(self) -> bool:
        """Whether what was told of this generation stands until the staleness pages are read."""
        told = self.conditions.previous(ConditionType.STALE)
        pending = self.outcome is not None and self.outcome.staleness_pending
        return pending and told is not None and self.conditions.is_of_now(told)

    def _stale(self, candidate: Candidate) -> None:
        if candidate.stale is None and self._pending_stale():
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

    def _ready(self, reason: Reason, message: str) -> None:
        self.conditions.at_rest()
        self.conditions.set(ConditionType.READY, TRUE, reason, message)

    def _fail(self, reason: Reason, message: str, *, stalled: bool) -> None:
        self.conditions.set(ConditionType.READY, FALSE, reason, message)
        if stalled:
            self.conditions.stuck(reason, message)
        else:
            self.conditions.working(reason, message)

    def _declaration(self) -> Declaration | None:
        """What was decided about this very spec."""
        if self.plan is None:
            return None
        found = self.plan.prepared.declarations.by_uid.get(self.bundle.uid)
        return found if found is not None and found.bundle.generation == self.bundle.generation else None

    def _waits_for_counts(self) -> bool:
        """Facts of the catalog are written when it has caught up, like the counts of the source."""
        return self.outcome is None or self.outcome.state is None or self.outcome.converging


def summarise_bundle(bundle: TemplateBundle, context: BundleContext) -> TemplateBundleStatus:
    """The status of a TemplateBundle after its CatalogSource was visited, or found missing."""
    return _Derivation(bundle, context).status()


def _version(candidate: Candidate) -> str:
    return _text(candidate.version)


def _text(version: str | None) -> str:
    return f"version {printable(version)}" if version else "no version"
