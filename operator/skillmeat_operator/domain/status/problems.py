"""The problems of a CatalogSource's status: each template that is not as it should be, and the remedy."""

from __future__ import annotations

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
    finding = outcome.diagnosis.entities.get(ref, outcome.diagnosis.document)
    return finding if finding is not None and finding.reason is not Reason.NOT_YET_PROCESSED else None


def problems_of(plan: Plan, outcome: Outcome) -> tuple[Problem, ...]:
    """At most 20 problems, errors first, then by ref; the counts beside them are complete."""
    problems = [_invalid(refusal) for refusal in plan.invalid]
    problems += [_conflict(refusal) for refusal in plan.conflicting]
    problems += [_ambiguous(one, plan) for one in ambiguous(plan)]
    problems += [_unreadable(one) for one in outcome.unreadable]
    if outcome.staleness_failure is not None:
        problems.append(_pages(outcome.staleness_failure))
    if outcome.state is not None:
        bundle_ids = {record.ref: record.bundle_id for record in plan.published}
        reasons = missing_with_reason(outcome)
        for ref in outcome.missing:
            finding = reasons.get(ref) or Finding(
                Reason.NOT_YET_PROCESSED,
                "published, but the portal does not show it yet; "
                "if it stays so, see the log of the portal's catalog",
            )
            problems.append(_problem(ref, bundle_ids.get(ref), finding.reason, finding.message))
    ordered = sorted(
        problems,
        key=lambda one: (one.severity is not Severity.ERROR, one.entity_ref or "", one.bundle_id or ""),
    )
    return tuple(ordered[:MAX_LISTED])


def ambiguous(plan: Plan) -> tuple[Declaration, ...]:
    """TemplateBundles whose name means several bundles: what they govern is frozen."""
    return tuple(one for one in plan.prepared.declarations.all if one.match is Match.AMBIGUOUS)


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


def _invalid(refusal: Refusal) -> Problem:
    candidate = refusal.candidate
    return _problem(
        refusal.twin or candidate.ref, candidate.bundle_id, Reason.ENTITY_INVALID, refusal_message(refusal)
    )


def _conflict(refusal: Refusal) -> Problem:
    return _problem(
        refusal.candidate.ref, refusal.candidate.bundle_id, Reason.CONFLICT, refusal_message(refusal)
    )


def _ambiguous(declaration: Declaration, plan: Plan) -> Problem:
    record = plan.by_key.get(declaration.key) if declaration.key is not None else None
    return _problem(
        record.ref if record is not None else None,
        record.bundle_id if record is not None else None,
        Reason.AMBIGUOUS_BUNDLE,
        f"TemplateBundle {declaration.bundle.name} names {len(declaration.candidates)} bundles: what was "
        "published of them stays, and nothing new of them is; name one by spec.bundleRef.id",
    )


def _unreadable(bundle: UnreadableBundle) -> Problem:
    return _problem(
        None,
        None,
        Reason.INVALID_SPEC,
        f"TemplateBundle {bundle.name} cannot be read ({bundle.problem}): what was published of its bundle "
        "stays, and nothing new of it is; correct it, or upgrade the operator",
    )


def _pages(failure: Failure) -> Problem:
    said = (
        "status and age of the bundles cannot be told, and new ones that a filter asks it of wait: "
        f"{failure.message}"
    )
    return Problem(severity=Severity.WARNING, reason=failure.reason, message=said[:1024])


def _problem(ref: str | None, bundle_id: str | None, reason: Reason, message: str) -> Problem:
    return Problem(
        entity_ref=printable(ref) if ref is not None else None,
        bundle_id=printable(bundle_id) if bundle_id is not None else None,
        severity=Severity.ERROR,
        reason=reason,
        message=message[:1024],
    )
