"""Summarise for TemplateBundles: from what was decided for a source to the status of each of its bundles."""

from __future__ import annotations

from skillmeat_operator.api.v1alpha1.conditions import ConditionType, Reason
from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle, TemplateBundleStatus
from skillmeat_operator.domain.decide.candidates import Candidate, Fate
from skillmeat_operator.domain.decide.declarations import Declaration, Match
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.snapshot.model import HeldReason, Record
from skillmeat_operator.domain.status.ages import age
from skillmeat_operator.domain.status.bundle_derivation import BundleContext, BundleDerivation
from skillmeat_operator.domain.status.bundle_facts import published_facts
from skillmeat_operator.domain.status.conditions import FALSE, TRUE, UNKNOWN, find, ready_for
from skillmeat_operator.domain.status.problems import explanation, refusal_message
from skillmeat_operator.domain.status.spec_version import SpecVersion
from skillmeat_operator.domain.status.unsynced import freeze
from skillmeat_operator.domain.template.grammar import printable

__all__ = ["BundleContext", "summarise_bundle"]


class _Derivation(BundleDerivation):
    """Derives one status; each method is one row of the table (design, section 4)."""

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
        if self.plan is not None and self.declaration is not None and not self.waits_for_counts():
            duplicate = self.declaration.match is Match.DUPLICATE
            update |= published_facts(
                self.bundle,
                record=None if duplicate else self.record,
                candidate=self.candidate,
                state=self.outcome.state if self.outcome is not None else None,
                stale_pending=self.pending_stale(),
            )
        return previous.model_copy(update=update)

    def _decide(self) -> None:
        """The bundle's own rows come before its source's."""
        bundle, plan, declaration = self.bundle, self.plan, self.declaration
        if bundle.spec.suspend:
            freeze(self.conditions, settled=self.settled())
            return
        if (problem := self.unreadable_range()) is not None:
            self._invalid(problem)
            return
        if not self.context.source_exists:
            self._without_source()
            return
        if self.context.source_suspended:
            self._source_suspended()
            return
        if plan is None or declaration is None:
            self._source_not_ready()
            return
        if self.candidate is not None:
            self.stale(self.candidate)
        else:
            self.unknown(ConditionType.STALE)
        match declaration.match:
            case Match.INVALID:
                self._invalid(declaration.problem or "")
            case Match.AMBIGUOUS:
                self._ambiguous(declaration)
            case Match.DUPLICATE:
                self._duplicate(declaration)
            case Match.NOT_FOUND:
                self._not_found()
            case Match.FOUND:
                self._found(plan, declaration)

    def _invalid(self, problem: str) -> None:
        message = f"spec.version cannot be read as a range: {problem}"
        if self.declaration is not None and self.declaration.key is not None:
            self.resolved()
        self.conditions.set(ConditionType.VERSION_ACCEPTED, FALSE, Reason.INVALID_SPEC, message)
        self._synced_beside(Reason.INVALID_SPEC, message)
        self.fail(Reason.INVALID_SPEC, message, stalled=True)

    def _ambiguous(self, declaration: Declaration) -> None:
        """What was decided before stands for each match, and nothing new is published of any."""
        ids = ", ".join(printable(one) for one in declaration.candidates[:5])
        message = (
            f"{len(declaration.candidates)} bundles have this name, what was published of them stays as it "
            f"is, and nothing new of them is published: name one by spec.bundleRef.id ({ids})"
        )
        self.conditions.set(ConditionType.RESOLVED, FALSE, Reason.AMBIGUOUS_BUNDLE, message)
        self.unknown(ConditionType.VERSION_ACCEPTED)
        self._synced_beside(Reason.AMBIGUOUS_BUNDLE, message)
        self.fail(Reason.AMBIGUOUS_BUNDLE, message, stalled=True)

    def _duplicate(self, declaration: Declaration) -> None:
        message = (
            f"TemplateBundle {declaration.elder} is older and declares the same bundle: delete one of the two"
        )
        self.resolved()
        self.unknown(ConditionType.VERSION_ACCEPTED)
        self.conditions.set(
            ConditionType.CATALOG_SYNCED, FALSE, Reason.DUPLICATE_DECLARATION, "nothing is published of this"
        )
        self.fail(Reason.DUPLICATE_DECLARATION, message, stalled=True)

    def _without_source(self) -> None:
        for kind in (ConditionType.VERSION_ACCEPTED, ConditionType.CATALOG_SYNCED, ConditionType.STALE):
            self.unknown(kind)
        self._awaited(
            Reason.SOURCE_NOT_FOUND,
            f"there is no CatalogSource {self.bundle.spec.source_ref.name} in this namespace: "
            "create it or correct spec.sourceRef.name",
            confirmed=True,
        )

    def _synced_beside(self, reason: Reason, message: str) -> None:
        """CatalogSynced where Ready fails for a reason of the bundle's own: what stays published of it is
        looked at all the same.
        """
        outcome, kind = self.outcome, ConditionType.CATALOG_SYNCED
        state = outcome.state if outcome is not None else None
        if self.record is None:
            self.conditions.set(kind, FALSE, reason, message)
        elif outcome is None or state is None or not outcome.published:
            # Carried over: the catalog was not read.
            return
        elif self.record.ref in state.matching:
            self.conditions.set(kind, TRUE, Reason.SUCCEEDED, "the catalog shows what stays published")
        elif self.record.ref not in outcome.converging:
            found = explanation(outcome, self.record.ref)
            self.conditions.set(
                kind,
                FALSE,
                found.reason if found is not None else Reason.NOT_YET_PROCESSED,
                found.message if found is not None else "what stays published is not in the catalog",
            )

    def _found(self, plan: Plan, declaration: Declaration) -> None:
        if declaration.key not in plan.prepared.observed_keys or self.candidate is None:
            self._not_found()
            return
        self.resolved()
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
            kept = "; what was published stays while its removal is held" if self.record is not None else ""
            message = (
                "the bundle is in the source, but spec.filters of the CatalogSource leaves it out: "
                f"widen the filters or delete this object{kept}"
            )
            self._synced_beside(Reason.BUNDLE_NOT_FOUND, message)
            self.fail(Reason.BUNDLE_NOT_FOUND, message, stalled=True)
        elif candidate.fate is Fate.UNPUBLISHED:
            self._held_back()
        elif refusal is not None:
            reason = Reason.CONFLICT if refusal.holder is not None else Reason.ENTITY_INVALID
            message = refusal_message(refusal)
            self.conditions.set(ConditionType.CATALOG_SYNCED, FALSE, reason, message)
            self.fail(reason, message, stalled=True)
        elif candidate.fate is Fate.OUTSIDE_RANGE and self.record is None:
            message = (
                f"the source has {_version(candidate)}, which is outside the range, and no accepted version "
                "was published before: widen spec.version, or wait for an accepted version"
            )
            self.conditions.set(ConditionType.CATALOG_SYNCED, FALSE, Reason.OUTSIDE_RANGE, message)
            self.fail(Reason.OUTSIDE_RANGE, message, stalled=True)
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
        bundle_id = self.candidate.bundle_id if self.candidate is not None else None
        # A new object has no ref in its status, and its template may be shown all the same.
        if (former is not None and state.still_shows(former)) or bundle_id in state.leaving:
            message = "taken out of the document; the catalog removes it within a minute"
            self.conditions.set(ConditionType.CATALOG_SYNCED, FALSE, Reason.PROGRESSING, message)
            self.fail(Reason.PROGRESSING, message, stalled=False)
            return
        message = "spec.publish is false and the template is not in the catalog"
        self.conditions.set(ConditionType.CATALOG_SYNCED, TRUE, Reason.HELD_BACK, message)
        self.ready(Reason.HELD_BACK, message)

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
            self.fail(document.reason, document.message, stalled=True)
        elif record.ref in outcome.converging:
            if ready_for(self.bundle.status.conditions, self.bundle.generation):
                self.conditions.at_rest()
                return
            message = "published; the catalog is catching up"
            self.conditions.set(ConditionType.CATALOG_SYNCED, FALSE, Reason.PROGRESSING, message)
            self.fail(Reason.PROGRESSING, message, stalled=False)
        else:
            finding = explanation(outcome, record.ref)
            reason = finding.reason if finding is not None else Reason.NOT_YET_PROCESSED
            message = (
                finding.message if finding is not None else "published, but the portal does not show it yet"
            )
            self.conditions.set(ConditionType.CATALOG_SYNCED, FALSE, reason, message)
            self.fail(reason, message, stalled=finding is not None)

    def _shown(self, record: Record) -> None:
        if record.held is HeldReason.OUTSIDE_RANGE and self.candidate is not None:
            self.ready(
                Reason.OUTSIDE_RANGE,
                f"the source has {_version(self.candidate)}, which is outside the range; "
                f"{_text(record.bundle_version)} stays published",
            )
        else:
            self.ready(Reason.SUCCEEDED, "published and verified in the catalog")

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
        self.unknown(ConditionType.VERSION_ACCEPTED)
        self._synced_beside(Reason.BUNDLE_NOT_FOUND, message)
        self._awaited(Reason.BUNDLE_NOT_FOUND, message, confirmed=self.context.read_again)

    def _awaited(self, reason: Reason, message: str, *, confirmed: bool) -> None:
        """Something is missing that GitOps may bring a moment later: Stalled only after a grace."""
        self.conditions.set(ConditionType.RESOLVED, FALSE, reason, message)
        resolved = self.conditions.current(ConditionType.RESOLVED)
        since = resolved.last_transition_time if resolved is not None else self.context.now
        tried = find(self.bundle.status.conditions, ConditionType.RECONCILING)
        if tried is None or tried.reason != reason or (tried.observed_generation != self.bundle.generation):
            # It was missing for another reason, or of another spec: the grace begins now.
            since = self.context.now
        else:
            since = max(since, tried.last_transition_time)
        before = find(self.bundle.status.conditions, ConditionType.STALLED)
        already = (
            before is not None
            and before.reason == reason
            and before.observed_generation == self.bundle.generation
        )
        late = age(since, now=self.context.now) >= self.context.grace
        self.fail(reason, message, stalled=already or (late and confirmed))

    def _source_not_ready(self) -> None:
        """The decision needs a read that has not happened: Ready keeps its value of this generation, True
        only where the operator stands behind what was published.
        """
        ready = find(self.bundle.status.conditions, ConditionType.READY)
        known = ready is not None and ready.observed_generation == self.bundle.generation
        name = self.bundle.spec.source_ref.name
        if ready is not None and ready.reason == Reason.SOURCE_NOT_FOUND:
            known = False
            self._found_again()
        if ready is not None and known and ready.status is TRUE and self.context.stands:
            self.conditions.at_rest()
            return
        if ready is not None and known and ready.status is FALSE and ready.reason != Reason.SOURCE_NOT_READY:
            self.conditions.working(ready.reason, ready.message)
            return
        self.fail(
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
            and (ready.status is FALSE or self.context.stands)
            and ready.reason != Reason.SOURCE_NOT_FOUND
        ):
            # Carried over as it is, with what stands beside it.
            return
        self._found_again()
        message = (
            f"CatalogSource {self.bundle.spec.source_ref.name} is suspended: nothing is decided about this "
            "until its spec.suspend is false; what was published stays"
        )
        self.fail(Reason.SOURCE_NOT_READY, message, stalled=True)

    def _found_again(self) -> None:
        """The CatalogSource that was missing has come meanwhile."""
        resolved = self.conditions.current(ConditionType.RESOLVED)
        if resolved is not None and resolved.reason == Reason.SOURCE_NOT_FOUND:
            self.conditions.set(ConditionType.RESOLVED, UNKNOWN, Reason.PROGRESSING, "not decided yet")


def summarise_bundle(
    bundle: TemplateBundle, context: BundleContext, *, carried_out: SpecVersion
) -> TemplateBundleStatus:
    """The status of a TemplateBundle after its CatalogSource was visited, or found missing.

    Args:
        bundle: the object with its previous status.
        context: what was found out.
        carried_out: the object and spec that it was found out for.

    Raises:
        OtherGenerationError: the object is not that one, or another generation of it was decided about.
    """
    carried_out.require(bundle)
    return _Derivation(bundle, context).status()


def _version(candidate: Candidate) -> str:
    return _text(candidate.version)


def _text(version: str | None) -> str:
    return f"version {printable(version)}" if version else "no version"
