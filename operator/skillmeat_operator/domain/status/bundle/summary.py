"""Summarise for a TemplateBundle: the order of the rows (design, section 4), and what status tells beside.

A bundle's own rows come before its source's; each row is a function of the modules beside this one.
"""

from __future__ import annotations

from skillmeat_operator.api.v1alpha1.conditions import ConditionType, Reason
from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle, TemplateBundleStatus
from skillmeat_operator.domain.decide.declarations import Match, declaration_hash
from skillmeat_operator.domain.decide.versions import VersionRange
from skillmeat_operator.domain.status.bundle.case import BundleCase, BundleContext
from skillmeat_operator.domain.status.bundle.matching import (
    ambiguous,
    duplicate,
    found,
    invalid,
    not_found,
    stale,
)
from skillmeat_operator.domain.status.bundle.published_facts import published_facts
from skillmeat_operator.domain.status.bundle.waiting import (
    source_not_ready,
    source_suspended,
    without_source,
)
from skillmeat_operator.domain.status.conditions import FALSE, UNKNOWN
from skillmeat_operator.domain.status.spec_version import SpecVersion
from skillmeat_operator.domain.status.unsynced import SUSPENDED_MESSAGE, freeze


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
    case = BundleCase.of(bundle, context)
    _tell(case)
    for kind in (
        ConditionType.RESOLVED,
        ConditionType.VERSION_ACCEPTED,
        ConditionType.CATALOG_SYNCED,
        ConditionType.STALE,
    ):
        if case.conditions.current(kind) is None:
            case.conditions.set(kind, UNKNOWN, Reason.PROGRESSING, "not decided yet")
    update: dict[str, object] = {
        "observed_generation": bundle.generation,
        "conditions": case.conditions.result(),
    }
    if case.declaration is not None and not _waits_for_counts(case):
        update |= published_facts(
            bundle,
            record=None if case.declaration.match is Match.DUPLICATE else case.record,
            candidate=case.candidate,
            state=case.state,
            stale_pending=case.stale_stands,
        )
    return bundle.status.model_copy(update=update)


def _tell(case: BundleCase) -> None:
    """The first row that matches."""
    plan, declaration = case.plan, case.declaration
    if case.bundle.spec.suspend:
        freeze(case.conditions, settled=_settled(case))
    elif (problem := _unreadable_range(case)) is not None:
        invalid(case, problem)
    elif not case.context.source_exists:
        without_source(case)
    elif case.context.source_suspended:
        source_suspended(case)
    elif plan is None or declaration is None:
        source_not_ready(case)
    else:
        stale(case)
        match declaration.match:
            case Match.INVALID:
                invalid(case, declaration.problem or "")
            case Match.AMBIGUOUS:
                ambiguous(case, declaration)
            case Match.DUPLICATE:
                duplicate(case, declaration)
            case Match.NOT_FOUND:
                not_found(case)
            case Match.FOUND:
                found(case, plan, declaration)


def _settled(case: BundleCase) -> bool:
    """Whether the spec of a suspended bundle, ``suspend`` aside, is the one that was settled last."""
    wanted = declaration_hash(case.bundle)
    if case.record is not None and case.record.declaration_hash == wanted:
        return True
    if case.plan is None and wanted in case.context.settled:
        return True
    ready = case.conditions.previous(ConditionType.READY)
    if ready is None or ready.reason == Reason.SUSPENDED:
        return False
    if not case.bundle.spec.publish and ready.reason == Reason.HELD_BACK:
        # What is not published has no record; nothing else in its spec has a say.
        return True
    # This generation was found suspended before: it stays as it was written then.
    told = case.conditions.told(ConditionType.READY)
    known = told is not None and told.message == SUSPENDED_MESSAGE
    return known and (ready.status is FALSE or case.context.stands)


def _unreadable_range(case: BundleCase) -> str | None:
    """Why the range cannot be read, where no bundle was matched with it: that takes no reading."""
    matched = case.declaration is not None and case.declaration.key is not None
    if matched or case.bundle.spec.version is None:
        return None
    try:
        VersionRange.parse(case.bundle.spec.version)
    except ValueError as error:
        return str(error)
    return None


def _waits_for_counts(case: BundleCase) -> bool:
    """Facts of the catalog are written when it has caught up, like the counts of the source. Those of a
    frozen bundle stay as they are told where it is not known which bundle it is.
    """
    outcome, record, declaration = case.outcome, case.record, case.declaration
    if outcome is None or outcome.state is None or outcome.unread:
        return True
    if record is None:
        return declaration is not None and declaration.match is Match.AMBIGUOUS
    return record.ref in outcome.converging
