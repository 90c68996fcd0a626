"""Rows of a TemplateBundle by its match with the bundles of its source: found, and accepted as it is."""

from __future__ import annotations

from skillmeat_operator.api.v1alpha1.conditions import ConditionType, Reason
from skillmeat_operator.domain.decide.candidates import Candidate, Fate
from skillmeat_operator.domain.decide.declarations import Declaration
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.status.bundle.case import BundleCase
from skillmeat_operator.domain.status.bundle.showing import (
    held_back,
    published,
    synced_beside,
    version_text,
)
from skillmeat_operator.domain.status.bundle.waiting import awaited, source_not_ready
from skillmeat_operator.domain.status.conditions import FALSE, TRUE, UNKNOWN
from skillmeat_operator.domain.status.problems import refusal_message
from skillmeat_operator.domain.template.grammar import printable


def invalid(case: BundleCase, problem: str) -> None:
    """Its range cannot be read."""
    message = f"spec.version cannot be read as a range: {problem}"
    if case.declaration is not None and case.declaration.key is not None:
        case.resolved()
    case.conditions.set(ConditionType.VERSION_ACCEPTED, FALSE, Reason.INVALID_SPEC, message)
    synced_beside(case, Reason.INVALID_SPEC, message)
    case.conditions.fail(Reason.INVALID_SPEC, message, stalled=True)


def ambiguous(case: BundleCase, declaration: Declaration) -> None:
    """What was decided before stands for each match, and nothing new is published of any."""
    ids = ", ".join(printable(one) for one in declaration.candidates[:5])
    message = (
        f"{len(declaration.candidates)} bundles have this name, what was published of them stays as it "
        f"is, and nothing new of them is published: name one by spec.bundleRef.id ({ids})"
    )
    case.conditions.set(ConditionType.RESOLVED, FALSE, Reason.AMBIGUOUS_BUNDLE, message)
    case.unknown(ConditionType.VERSION_ACCEPTED)
    synced_beside(case, Reason.AMBIGUOUS_BUNDLE, message)
    case.conditions.fail(Reason.AMBIGUOUS_BUNDLE, message, stalled=True)


def duplicate(case: BundleCase, declaration: Declaration) -> None:
    """An older TemplateBundle has the say."""
    message = (
        f"TemplateBundle {declaration.elder} is older and declares the same bundle: delete one of the two"
    )
    case.resolved()
    case.unknown(ConditionType.VERSION_ACCEPTED)
    case.conditions.set(
        ConditionType.CATALOG_SYNCED, FALSE, Reason.DUPLICATE_DECLARATION, "nothing is published of this"
    )
    case.conditions.fail(Reason.DUPLICATE_DECLARATION, message, stalled=True)


def not_found(case: BundleCase) -> None:
    """The source has no such bundle."""
    if case.record is not None:
        message = (
            "the bundle vanished from the source, and its template stays published while that is held: "
            f"see CatalogSource {case.source_name}"
        )
    else:
        message = (
            "the source has no such bundle with an enabled template: "
            "correct spec.bundleRef, or enable it in SkillMeat"
        )
    case.unknown(ConditionType.VERSION_ACCEPTED)
    synced_beside(case, Reason.BUNDLE_NOT_FOUND, message)
    awaited(case, Reason.BUNDLE_NOT_FOUND, message, confirmed=case.context.read_again)


def found(case: BundleCase, plan: Plan, declaration: Declaration) -> None:
    """The source has it: what becomes of it is the candidate's fate."""
    candidate = case.candidate
    if declaration.key not in plan.prepared.observed_keys or candidate is None:
        not_found(case)
        return
    case.resolved()
    _accepted(case, declaration, candidate)
    conditions = case.conditions
    refusal = plan.refusals.get(candidate.key)
    if candidate.fate is Fate.UNSELECTED:
        kept = "; what was published stays while its removal is held" if case.record is not None else ""
        message = (
            "the bundle is in the source, but spec.filters of the CatalogSource leaves it out: "
            f"widen the filters or delete this object{kept}"
        )
        synced_beside(case, Reason.BUNDLE_NOT_FOUND, message)
        conditions.fail(Reason.BUNDLE_NOT_FOUND, message, stalled=True)
    elif candidate.fate is Fate.UNPUBLISHED:
        held_back(case)
    elif refusal is not None:
        reason = Reason.CONFLICT if refusal.holder is not None else Reason.ENTITY_INVALID
        message = refusal_message(refusal)
        conditions.set(ConditionType.CATALOG_SYNCED, FALSE, reason, message)
        conditions.fail(reason, message, stalled=True)
    elif candidate.fate is Fate.OUTSIDE_RANGE and case.record is None:
        message = (
            f"the source has {version_text(candidate.version)}, which is outside the range, and no accepted "
            "version was published before: widen spec.version, or wait for an accepted version"
        )
        conditions.set(ConditionType.CATALOG_SYNCED, FALSE, Reason.OUTSIDE_RANGE, message)
        conditions.fail(Reason.OUTSIDE_RANGE, message, stalled=True)
    elif case.record is not None:
        published(case, case.record)
    else:
        source_not_ready(case)


def stale(case: BundleCase) -> None:
    """Whether the source has something newer than what it serves."""
    conditions, candidate = case.conditions, case.candidate
    if candidate is None:
        case.unknown(ConditionType.STALE)
    elif candidate.stale is None and case.stale_stands:
        # Carried over: the staleness pages come after the list.
        return
    elif candidate.stale is None:
        conditions.set(
            ConditionType.STALE,
            UNKNOWN,
            Reason.STALENESS_UNKNOWN,
            "SkillMeat does not tell how new the bundle is",
        )
    elif candidate.stale:
        conditions.set(
            ConditionType.STALE, TRUE, Reason.UPSTREAM_NEWER, "SkillMeat serves it older than its bundle"
        )
    else:
        conditions.set(ConditionType.STALE, FALSE, Reason.UP_TO_DATE, "served as new as its bundle")


def _accepted(case: BundleCase, declaration: Declaration, candidate: Candidate) -> None:
    """Whether its version is inside the range."""
    conditions, version = case.conditions, version_text(candidate.version)
    if declaration.range is None:
        conditions.set(ConditionType.VERSION_ACCEPTED, TRUE, Reason.SUCCEEDED, "no range is asked for")
    elif declaration.range.accepts(candidate.version):
        conditions.set(
            ConditionType.VERSION_ACCEPTED, TRUE, Reason.SUCCEEDED, f"{version} is inside the range"
        )
    else:
        conditions.set(
            ConditionType.VERSION_ACCEPTED, FALSE, Reason.OUTSIDE_RANGE, f"{version} is outside the range"
        )
