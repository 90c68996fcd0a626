"""The rows of the table of the design, section 4, for a CatalogSource: what came before, and what is told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.domain.failure import FailureKind, Side
from skillmeat_operator.domain.status.outcome import Outcome, SideOutcome
from skillmeat_operator.domain.status.source import summarise
from skillmeat_operator.domain.verify.diagnosis import Diagnosis, Finding
from tests.conditions import builders as a
from tests.conditions.bundle_world import version
from tests.conditions.laws import written
from tests.conditions.outcomes import (
    DOCUMENT,
    MOVED,
    PLANS,
    UNREADABLE,
    converging,
    failed,
    failure,
    nothing_shown,
    well,
)

NEVER: list[Outcome] = []
READY = [well()]
NOT_READY = [nothing_shown()]
MINUTE, GRACE = timedelta(minutes=1), timedelta(minutes=15)
CONVERGING = converging()
EXPLAINED = nothing_shown(
    diagnosis=Diagnosis(
        entities={ref: Finding(Reason.SCHEMA_REFUSED, "correct it") for ref in PLANS["three"].expected}
    )
)
LOST = replace(well("removal held"), source=SideOutcome())
DOWN = well(source=failed())
REFUSED = Diagnosis(entities={a.ref("t0"): Finding(Reason.SCHEMA_REFUSED, "correct it")})
ONE_ON_ITS_WAY = well(
    state=a.state(PLANS["three"], [a.shown(PLANS["three"].published[2])]),
    converging=frozenset({a.ref("t1")}),
)
"""Of three, ``t0`` has passed its deadline and ``t1`` has not."""
PORTAL_DOWN = replace(well(), catalog=failed(side=Side.CATALOG), state=None)


@dataclass(frozen=True)
class Case:
    """What came before, what comes now, and how status tells it."""

    before: list[Outcome]
    now: Outcome
    ready: str
    reason: str
    standing: str = ""
    """``Reconciling``, ``Stalled`` or neither."""
    kstatus: str = "Current"
    wait: timedelta = MINUTE
    """Time between the last outcome before and the one now."""
    others: tuple[tuple[str, str, str], ...] = ()
    """Further conditions: type, status, reason."""
    changed: bool = False
    """Whether the spec changed before the outcome now."""


def fails(outcome: Outcome, why: str, standing: str = "Stalled", **more: Any) -> Case:
    kstatus = "Failed" if standing == "Stalled" else "InProgress"
    values = {"before": READY, "standing": standing, "kstatus": kstatus, **more}
    return Case(now=outcome, ready="False", reason=why, **values)


CASES = {
    "synced": Case(
        NEVER,
        well(),
        "True",
        "Succeeded",
        others=(
            ("CatalogSynced", "True", "Succeeded"),
            ("SourceReachable", "True", "Succeeded"),
            ("CatalogReachable", "True", "Succeeded"),
            ("EntitiesInvalid", "False", "Succeeded"),
        ),
    ),
    "synced, nothing to publish": Case(NEVER, well("empty"), "True", "NoTemplates"),
    "synced with invalid entities": Case(
        NEVER,
        well("one invalid"),
        "True",
        "SucceededWithProblems",
        others=(("EntitiesInvalid", "True", "EntityInvalid"),),
    ),
    "synced with elements that are no templates": Case(
        NEVER, well("not a template"), "True", "SucceededWithProblems"
    ),
    "synced with duplicates": Case(NEVER, well("duplicates"), "True", "SucceededWithProblems"),
    "synced with a conflict": Case(NEVER, well("conflict"), "True", "SucceededWithProblems"),
    "synced, entities refused by the portal": Case(
        NEVER,
        EXPLAINED,
        "True",
        "SucceededWithProblems",
        others=(("CatalogSynced", "False", "SchemaRefused"),),
    ),
    "synced with something stale": Case(
        NEVER, well("stale"), "True", "Succeeded", others=(("Stale", "True", "UpstreamNewer"),)
    ),
    "synced, every template says that it is fresh": Case(
        NEVER,
        well("fresh", staleness_known=False),
        "True",
        "Succeeded",
        others=(("Stale", "False", "UpToDate"),),
    ),
    "synced, staleness cannot be told": Case(
        NEVER,
        well(staleness_known=False),
        "True",
        "Succeeded",
        others=(("Stale", "Unknown", "StalenessUnknown"),),
    ),
    "synced at a former public URL": Case(
        NEVER,
        well(moved=MOVED),
        "True",
        "SucceededWithProblems",
        others=(("CatalogSynced", "False", "LocationMoved"),),
    ),
    "converging, Ready before": Case(READY, CONVERGING, "True", "Succeeded"),
    "converging after an outage": Case([*READY, DOWN], CONVERGING, "True", "Succeeded"),
    "converging, not Ready before": fails(CONVERGING, "Progressing", "Reconciling", before=NOT_READY),
    "converging, first visit": fails(CONVERGING, "Progressing", "Reconciling", before=NEVER),
    "converging, Ready before for another spec": fails(
        CONVERGING, "Progressing", "Reconciling", changed=True
    ),
    "changed and not read since, Ready before": Case(READY, well(unread=True), "True", "Succeeded"),
    "changed and not read since, not Ready before": fails(
        well(unread=True), "Progressing", "Reconciling", before=NEVER
    ),
    "one refused while another is on its way": Case(
        READY,
        replace(ONE_ON_ITS_WAY, diagnosis=REFUSED),
        "True",
        "SucceededWithProblems",
        others=(("CatalogSynced", "False", "SchemaRefused"),),
    ),
    "one refused while another is on its way, not Ready before": fails(
        replace(ONE_ON_ITS_WAY, diagnosis=REFUSED),
        "Progressing",
        "Reconciling",
        before=NEVER,
        others=(("CatalogSynced", "False", "SchemaRefused"),),
    ),
    "one missing without a reason while another is on its way": fails(
        ONE_ON_ITS_WAY,
        "NotYetProcessed",
        "Reconciling",
        others=(("CatalogSynced", "False", "NotYetProcessed"),),
    ),
    "nothing published, all invalid": fails(
        well("all invalid"),
        "NothingPublished",
        others=(("EntitiesInvalid", "True", "EntityInvalid"), ("CatalogSynced", "True", "Succeeded")),
    ),
    "nothing published, others hold all refs": fails(well("all held by others"), "NothingPublished"),
    "nothing published, partly invalid and partly held by others": fails(
        well("invalid and conflicting"), "NothingPublished", before=NEVER
    ),
    "all invalid, and one stays as it was published before": Case(
        NEVER, well("all invalid, one as it was before"), "True", "SucceededWithProblems"
    ),
    "all withheld by TemplateBundles": Case(NEVER, well("all withheld"), "True", "NoTemplates"),
    "synced with a frozen TemplateBundle of an ambiguous name": Case(
        NEVER, well("ambiguous"), "True", "SucceededWithProblems"
    ),
    "synced with a frozen TemplateBundle that cannot be read": Case(
        NEVER, well(unreadable=UNREADABLE), "True", "SucceededWithProblems"
    ),
    "document refused as a whole": fails(
        nothing_shown(diagnosis=Diagnosis(document=DOCUMENT)),
        "KindNotAllowed",
        others=(("CatalogSynced", "False", "KindNotAllowed"),),
    ),
    "document refused while the source is down": fails(
        nothing_shown(diagnosis=Diagnosis(document=DOCUMENT), source=failed()), "KindNotAllowed"
    ),
    "missing without a reason": fails(
        nothing_shown(),
        "NotYetProcessed",
        "Reconciling",
        others=(("CatalogSynced", "False", "NotYetProcessed"),),
    ),
    "outage of the source within the grace": Case(
        READY,
        DOWN,
        "True",
        "ServingLastGood",
        others=(("SourceReachable", "False", "SourceUnreachable"), ("CatalogSynced", "True", "Succeeded")),
    ),
    "outage of the portal within the grace": Case(
        READY,
        PORTAL_DOWN,
        "True",
        "ServingLastGood",
        others=(("CatalogReachable", "False", "SourceUnreachable"),),
    ),
    "outage, Ready was told elsewhere and nothing is served here": fails(
        replace(DOWN, serving=False), "SourceUnreachable", "Reconciling"
    ),
    "outage of the portal while nothing is served here": fails(
        replace(PORTAL_DOWN, serving=False), "SourceUnreachable", "Reconciling"
    ),
    "configuration of another spec: nothing is known of the servers": fails(
        Outcome(configuration=failure(FailureKind.CONFIGURATION, reason=Reason.PUBLIC_URL_MISSING)),
        "PublicURLMissing",
        changed=True,
        others=(
            ("SourceReachable", "Unknown", "Progressing"),
            ("CatalogReachable", "Unknown", "Progressing"),
            ("CatalogSynced", "Unknown", "Progressing"),
            ("Stale", "Unknown", "Progressing"),
            ("EntitiesInvalid", "Unknown", "Progressing"),
        ),
    ),
    "outage of another spec: the catalog is not known to show what it publishes": fails(
        Outcome(source=failed(), catalog=SideOutcome(), serving=True),
        "SourceUnreachable",
        "Reconciling",
        changed=True,
        others=(("CatalogSynced", "Unknown", "Progressing"), ("CatalogReachable", "True", "Succeeded")),
    ),
    "a second failure within the grace": Case(
        [*READY, DOWN], DOWN, "True", "ServingLastGood", wait=GRACE - MINUTE
    ),
    "outage at the end of the grace": fails(
        DOWN, "SourceUnreachable", "Reconciling", before=[*READY, DOWN], wait=GRACE
    ),
    "a failing portal after a failing source does not lengthen the grace": fails(
        well(source=failed(), catalog=failed(side=Side.CATALOG)),
        "SourceUnreachable",
        "Reconciling",
        before=[*READY, DOWN],
        wait=GRACE,
    ),
    "outage on the first visit": fails(DOWN, "SourceUnreachable", "Reconciling", before=NEVER),
    "outage, Ready before for another spec": fails(DOWN, "SourceUnreachable", "Reconciling", changed=True),
    "outage, not Ready before": fails(DOWN, "SourceUnreachable", "Reconciling", before=NOT_READY),
    "recovered": Case([*READY, DOWN], well(), "True", "Succeeded", wait=GRACE),
    "credential refused once": Case(
        READY,
        well(source=failed(FailureKind.CREDENTIAL)),
        "True",
        "ServingLastGood",
        others=(("SourceReachable", "False", "AuthenticationFailed"),),
    ),
    "credential refused once on the first visit": fails(
        well(source=failed(FailureKind.CREDENTIAL)), "AuthenticationFailed", "Reconciling", before=NEVER
    ),
    "credential refused twice": fails(
        well(source=failed(FailureKind.CREDENTIAL, stalled=True)), "AuthenticationFailed"
    ),
    "portal's credential refused twice": fails(
        well(catalog=failed(FailureKind.CREDENTIAL, stalled=True, side=Side.CATALOG)),
        "AuthenticationFailed",
        others=(
            ("CatalogReachable", "False", "AuthenticationFailed"),
            ("SourceReachable", "True", "Succeeded"),
        ),
    ),
    "Secret missing for a short time": fails(
        well(source=failed(FailureKind.SECRET)), "SecretNotFound", "Reconciling"
    ),
    "Secret missing for long": fails(well(source=failed(FailureKind.SECRET, stalled=True)), "SecretNotFound"),
    "configuration": fails(
        Outcome(configuration=failure(FailureKind.CONFIGURATION, reason=Reason.PUBLIC_URL_MISSING)),
        "PublicURLMissing",
    ),
    "configuration on the first visit": fails(
        Outcome(configuration=failure(FailureKind.CONFIGURATION, reason=Reason.PUBLIC_URL_MISSING)),
        "PublicURLMissing",
        before=NEVER,
    ),
    "endpoint not found": fails(well(source=failed(FailureKind.CONFIGURATION)), "EndpointNotFound"),
    "configuration of one side before the credential of the other": fails(
        well(
            source=failed(FailureKind.CREDENTIAL, stalled=True),
            catalog=SideOutcome(
                failure=failure(FailureKind.CONFIGURATION, side=Side.CATALOG, reason=Reason.INVALID_CA),
                stalled=True,
            ),
        ),
        "InvalidCA",
    ),
    "removal held": fails(LOST, "RemovalHeld", others=(("RemovalHeld", "True", "RemovalHeld"),)),
    "removal held while the portal is down": fails(
        replace(LOST, catalog=failed(side=Side.CATALOG), state=None), "RemovalHeld"
    ),
    "credential before removal held": fails(
        replace(LOST, catalog=failed(FailureKind.CREDENTIAL, stalled=True, side=Side.CATALOG)),
        "AuthenticationFailed",
        others=(("RemovalHeld", "True", "RemovalHeld"),),
    ),
    "removal no longer held": Case([*READY, LOST], well(), "True", "Succeeded"),
    "neither snapshot nor catalog": fails(
        well("nothing known", state=None, catalog=SideOutcome()),
        "SnapshotUnavailable",
        "Reconciling",
        before=NEVER,
    ),
    "what is to be published could not be stored": fails(
        well(published=False, state=None, serving=False), "SnapshotUnavailable", "Reconciling"
    ),
    "what is to be published could not be stored, but is served, within the grace": Case(
        READY, well(published=False, state=None, serving=True), "True", "ServingLastGood"
    ),
    "what is to be published could not be stored, after the grace": fails(
        well(published=False, state=None, serving=True),
        "SnapshotUnavailable",
        "Reconciling",
        before=(*READY, well(published=False, state=None, serving=True)),
        wait=timedelta(minutes=16),
    ),
}


def live(case: Case) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """The object before and after the outcome of a case, and the time of it."""
    obj, now = a.raw_source(), a.NOW
    for outcome in case.before:
        told = summarise(CatalogSource.from_object(obj), outcome, carried_out=version(obj), now=now)
        obj = written(obj, told.to_wire())
        now += case.wait
    if case.changed:
        obj["metadata"]["generation"] += 1
    told = summarise(CatalogSource.from_object(obj), case.now, carried_out=version(obj), now=now)
    return obj, written(obj, told.to_wire()), now
