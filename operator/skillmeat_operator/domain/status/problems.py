"""The problems of a CatalogSource's status: each template that is not as it should be, and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from skillmeat_operator.api.v1alpha1.catalog_source_status import MAX_LISTED, Problem
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.api.v1alpha1.policies import Severity
from skillmeat_operator.domain.decide.declarations import Declaration, Match
from skillmeat_operator.domain.decide.placement import Refusal
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.failure import Failure
from skillmeat_operator.domain.status.outcome import Outcome, UnreadableBundle
from skillmeat_operator.domain.template.grammar import printable
from skillmeat_operator.domain.verify.diagnosis import Finding, conflict_message


def missing_with_reason(outcome: Outcome) -> dict[str, Finding]:
    """Missing refs, past their deadline, that have a reason beyond "not processed yet"."""
    return {ref: finding for ref in outcome.missing if (finding := explanation(outcome, ref)) is not None}


def explanation(outcome: Outcome, ref: str) -> Finding | None:
    """Why a missing ref is missing; None while there is nothing to say but "not processed yet"."""
    return outcome.diagnosis.entities.get(ref, outcome.diagnosis.document)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One problem. There may be as many as there are templates, and status shows a few of them."""

    ref: str | None
    bundle_id: str | None
    reason: Reason
    message: str
    severity: Severity = Severity.ERROR


def troubles(plan: Plan, outcome: Outcome) -> Iterator[Trouble]:
    """All problems, whatever their kind: what status lists and what Ready counts are both of these."""
    yield from (_invalid(refusal) for refusal in plan.invalid)
    yield from (_conflict(refusal) for refusal in plan.conflicting)
    yield from (
        _ambiguous(one, plan) for one in plan.prepared.declarations.all if one.match is Match.AMBIGUOUS
    )
    yield from (_unreadable(one) for one in outcome.unreadable)
    if outcome.staleness_failure is not None:
        yield _pages(outcome.staleness_failure)
    yield from _missing(plan, outcome)


def problems_of(plan: Plan, outcome: Outcome) -> tuple[Problem, ...]:
    """At most 20 problems, errors first, then by ref; the counts beside them are complete."""
    ordered = sorted(
        troubles(plan, outcome),
        key=lambda one: (one.severity is not Severity.ERROR, one.ref or "", one.bundle_id or ""),
    )
    return tuple(
        Problem(
            entity_ref=one.ref,
            bundle_id=one.bundle_id,
            severity=one.severity,
            reason=one.reason,
            message=one.message[:1024],
        )
        for one in ordered[:MAX_LISTED]
    )


def errors(plan: Plan, outcome: Outcome) -> int:
    """How many problems of the gravest kind there are: a template is not in the catalog, or not as it is in
    the source. A warning leaves Ready as it is.
    """
    return sum(one.severity is Severity.ERROR for one in troubles(plan, outcome))


def refusal_message(refusal: Refusal) -> str:
    """Why an observed template is not published as it is, in one sentence."""
    if refusal.holder is not None:
        return conflict_message(refusal.holder)
    if refusal.twin is not None:
        kept = "; the form published before stays" if refusal.held else ""
        return (
            "another bundle of this source has the same ref and was first; rename one of the bundles "
            f"in SkillMeat, or give one another name by a TemplateBundle's overrides.name{kept}"
        )
    if refusal.repeated:
        return (
            "the source lists this bundle more than once, and another of its templates was first; "
            "keep one of them in SkillMeat"
        )
    broken = refusal.candidate.violations
    first = broken[0].message.removesuffix(".") if broken else "Backstage would refuse it"
    more = len(broken) - 1
    extra = f" (and {more} more)" if more > 0 else ""
    kept = "; the last good version stays published" if refusal.held else ""
    return f"{first}{extra}{kept}"


def _invalid(refusal: Refusal) -> Trouble:
    candidate = refusal.candidate
    return _trouble(
        refusal.twin or candidate.ref, candidate.bundle_id, Reason.ENTITY_INVALID, refusal_message(refusal)
    )


def _conflict(refusal: Refusal) -> Trouble:
    return _trouble(
        refusal.candidate.ref, refusal.candidate.bundle_id, Reason.CONFLICT, refusal_message(refusal)
    )


def _ambiguous(declaration: Declaration, plan: Plan) -> Trouble:
    """A TemplateBundle whose name means several bundles: what they are to be is not decided."""
    record = plan.by_key.get(declaration.key) if declaration.key is not None else None
    return _trouble(
        record.ref if record is not None else None,
        record.bundle_id if record is not None else None,
        Reason.AMBIGUOUS_BUNDLE,
        f"TemplateBundle {declaration.bundle.name} names {len(declaration.candidates)} bundles: what was "
        "published of them stays, and nothing new of them is; name one by spec.bundleRef.id",
    )


def _unreadable(bundle: UnreadableBundle) -> Trouble:
    return _trouble(
        None,
        None,
        Reason.INVALID_SPEC,
        f"TemplateBundle {bundle.name} cannot be read ({bundle.problem}): what was published of its bundle "
        "stays, and nothing new of it is; correct it, or upgrade the operator",
    )


def _pages(failure: Failure) -> Trouble:
    """A warning: what is published stays right without these pages."""
    said = (
        "status and age of the bundles cannot be told, and new ones that a filter asks it of wait: "
        f"{failure.message}"
    )
    return Trouble(None, None, failure.reason, said, severity=Severity.WARNING)


def _missing(plan: Plan, outcome: Outcome) -> Iterator[Trouble]:
    """What has passed its deadline and is not shown as published."""
    if not outcome.missing:
        return
    bundle_ids = {record.ref: record.bundle_id for record in plan.published}
    unexplained = Finding(
        Reason.NOT_YET_PROCESSED,
        "published, but the portal does not show it yet; if it stays so, see the log of the portal's catalog",
    )
    for ref in outcome.missing:
        finding = explanation(outcome, ref) or unexplained
        yield _trouble(ref, bundle_ids.get(ref), finding.reason, finding.message)


def _trouble(ref: str | None, bundle_id: str | None, reason: Reason, message: str) -> Trouble:
    return Trouble(
        ref=printable(ref) if ref is not None else None,
        bundle_id=printable(bundle_id) if bundle_id is not None else None,
        reason=reason,
        message=message,
    )
