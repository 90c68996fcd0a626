"""Rows of a TemplateBundle that the catalog decides on: whether it shows what is published of it."""

from __future__ import annotations

from skillmeat_operator.api.v1alpha1.conditions import ConditionType, Reason
from skillmeat_operator.domain.decide.candidates import Candidate
from skillmeat_operator.domain.snapshot.model import HeldReason, Record
from skillmeat_operator.domain.status.bundle.case import BundleCase
from skillmeat_operator.domain.status.bundle.waiting import source_not_ready
from skillmeat_operator.domain.status.conditions import FALSE, TRUE
from skillmeat_operator.domain.status.problems import explanation
from skillmeat_operator.domain.template.grammar import printable


def synced_beside(case: BundleCase, reason: Reason, message: str) -> None:
    """CatalogSynced where Ready fails for a reason of the bundle's own: what stays published of it is looked
    at all the same.
    """
    outcome, state, conditions = case.outcome, case.state, case.conditions
    if case.record is None:
        conditions.set(ConditionType.CATALOG_SYNCED, FALSE, reason, message)
    elif outcome is None or state is None or not outcome.published:
        # Carried over: the catalog was not read.
        return
    elif case.record.ref in state.matching:
        conditions.set(
            ConditionType.CATALOG_SYNCED, TRUE, Reason.SUCCEEDED, "the catalog shows what stays published"
        )
    elif case.record.ref not in outcome.converging:
        found = explanation(outcome, case.record.ref)
        conditions.set(
            ConditionType.CATALOG_SYNCED,
            FALSE,
            found.reason if found is not None else Reason.NOT_YET_PROCESSED,
            found.message if found is not None else "what stays published is not in the catalog",
        )


def held_back(case: BundleCase) -> None:
    """Nothing is to be published of it: Ready once the catalog does not show it any more."""
    state, conditions = case.state, case.conditions
    if state is None:
        source_not_ready(case)
        return
    former = case.bundle.status.entity_ref
    bundle_id = case.candidate.bundle_id if case.candidate is not None else None
    # A new object has no ref in its status, and its template may be shown all the same.
    if (former is not None and state.still_shows(former)) or bundle_id in state.leaving:
        message = "taken out of the document; the catalog removes it within a minute"
        conditions.set(ConditionType.CATALOG_SYNCED, FALSE, Reason.PROGRESSING, message)
        conditions.fail(Reason.PROGRESSING, message, stalled=False)
        return
    message = "spec.publish is false and the template is not in the catalog"
    conditions.set(ConditionType.CATALOG_SYNCED, TRUE, Reason.HELD_BACK, message)
    conditions.ready(Reason.HELD_BACK, message)


def published(case: BundleCase, record: Record) -> None:
    """Something is published of it: shown, on its way, or missing for a reason."""
    outcome, state, conditions = case.outcome, case.state, case.conditions
    if outcome is None or state is None or not outcome.published:
        source_not_ready(case)
        return
    document = outcome.diagnosis.document
    if record.ref in state.matching:
        conditions.set(
            ConditionType.CATALOG_SYNCED, TRUE, Reason.SUCCEEDED, "the catalog shows what is published"
        )
        _shown(case, record)
    elif document is not None:
        conditions.set(ConditionType.CATALOG_SYNCED, FALSE, document.reason, document.message)
        conditions.fail(document.reason, document.message, stalled=True)
    elif record.ref in outcome.converging:
        if conditions.was_ready:
            conditions.at_rest()
            return
        message = "published; the catalog is catching up"
        conditions.set(ConditionType.CATALOG_SYNCED, FALSE, Reason.PROGRESSING, message)
        conditions.fail(Reason.PROGRESSING, message, stalled=False)
    else:
        finding = explanation(outcome, record.ref)
        reason = finding.reason if finding is not None else Reason.NOT_YET_PROCESSED
        message = finding.message if finding is not None else "published, but the portal does not show it yet"
        conditions.set(ConditionType.CATALOG_SYNCED, FALSE, reason, message)
        conditions.fail(reason, message, stalled=finding is not None)


def version_text(version: str | None) -> str:
    """A version as messages name it."""
    return f"version {printable(version)}" if version else "no version"


def _shown(case: BundleCase, record: Record) -> None:
    candidate: Candidate | None = case.candidate
    if record.held is HeldReason.OUTSIDE_RANGE and candidate is not None:
        case.conditions.ready(
            Reason.OUTSIDE_RANGE,
            f"the source has {version_text(candidate.version)}, which is outside the range; "
            f"{version_text(record.bundle_version)} stays published",
        )
    else:
        case.conditions.ready(Reason.SUCCEEDED, "published and verified in the catalog")
