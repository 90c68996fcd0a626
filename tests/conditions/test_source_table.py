"""The rows of the table of the design, section 4, for a CatalogSource."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.domain.failure import FailureKind, Side
from skillmeat_operator.domain.status.outcome import Outcome, SideOutcome
from skillmeat_operator.domain.status.source import summarise
from skillmeat_operator.domain.status.spec_version import SpecVersion
from skillmeat_operator.domain.status.unsynced import announce, finalizing, suspended
from skillmeat_operator.domain.verify.diagnosis import Diagnosis, Finding
from tests.conditions import builders as a
from tests.conditions.bundle_world import version
from tests.conditions.conftest import JudgeFunction
from tests.conditions.laws import check, conditions, reason, situation, written
from tests.conditions.outcomes import (
    DOCUMENT,
    MOVED,
    PLANS,
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
        well(published=False, state=None), "SnapshotUnavailable", "Reconciling"
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


@pytest.mark.parametrize("name", CASES)
def test_row(judge: JudgeFunction, name: str) -> None:
    case = CASES[name]
    before, after, now = live(case)
    check(before, after, judge, now=now)
    assert situation(after) == (case.ready, case.standing == "Reconciling", case.standing == "Stalled")
    assert reason(after) == case.reason
    assert judge(after).status == case.kstatus
    found = conditions(after)
    for kind, status, why in case.others:
        assert (kind, found[kind]["status"], found[kind]["reason"]) == (kind, status, why)
    assert ("RemovalHeld" in found) == (case.now.plan is not None and case.now.plan.removal is not None)
    if case.standing:
        assert found[case.standing]["reason"] == case.reason
        assert found[case.standing]["message"] == found["Ready"]["message"] != ""


def test_a_long_first_visit_is_announced(judge: JudgeFunction) -> None:
    obj = a.raw_source()
    told = written(
        obj, announce(CatalogSource.from_object(obj), carried_out=version(obj), now=a.NOW).to_wire()
    )
    check(obj, told, judge, now=a.NOW)
    assert situation(told) == ("Unknown", True, False)
    assert judge(told, "progress").status == "InProgress"


def test_an_announcement_after_the_first_visit_changes_nothing() -> None:
    _, obj, now = live(CASES["synced"])
    source = CatalogSource.from_object(obj)
    assert announce(source, carried_out=SpecVersion.of(source), now=now) == source.status


@pytest.mark.parametrize(
    ("before", "settled", "expected", "why"),
    [
        pytest.param("synced", True, ("True", False, False), "Succeeded", id="settled-keeps-True"),
        pytest.param("removal held", True, ("False", False, True), "RemovalHeld", id="settled-keeps-Stalled"),
        pytest.param(
            "missing without a reason",
            True,
            ("False", False, False),
            "NotYetProcessed",
            id="settled-keeps-False-and-drops-Reconciling",
        ),
        pytest.param("synced", False, ("False", False, True), "Suspended", id="another-spec-is-Stalled"),
        pytest.param(
            "outage on the first visit", False, ("False", False, True), "Suspended", id="nothing-settled"
        ),
    ],
)
def test_suspended(
    judge: JudgeFunction, before: str, settled: bool, expected: tuple[str, bool, bool], why: str
) -> None:
    _, obj, now = live(CASES[before])
    obj["metadata"]["generation"] += 1
    after = written(
        obj,
        suspended(
            CatalogSource.from_object(obj), carried_out=version(obj), settled=settled, now=now
        ).to_wire(),
    )
    check(obj, after, judge, now=now, frozen=True)
    assert (situation(after), reason(after)) == (expected, why)
    assert conditions(after)["Ready"]["message"].startswith("suspended")
    again = suspended(
        CatalogSource.from_object(after), carried_out=version(after), settled=settled, now=now + GRACE
    ).to_wire()
    assert again == after["status"]


def test_suspended_before_anything_was_said(judge: JudgeFunction) -> None:
    obj = a.raw_source({"suspend": True})
    after = written(
        obj,
        suspended(
            CatalogSource.from_object(obj), carried_out=version(obj), settled=True, now=a.NOW
        ).to_wire(),
    )
    check(obj, after, judge, now=a.NOW)
    assert (situation(after), reason(after)) == (("False", False, True), "Suspended")


def test_deletion_waits_for_the_portal(judge: JudgeFunction) -> None:
    _, obj, now = live(CASES["removal held"])
    obj["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
    said = "deletion waits for the portal: it is starting"
    after = written(
        obj,
        finalizing(CatalogSource.from_object(obj), carried_out=version(obj), message=said, now=now).to_wire(),
    )
    check(obj, after, judge, now=now)
    assert (situation(after), reason(after)) == (("False", True, False), "Finalizing")
    assert judge(after).status == "Terminating"
