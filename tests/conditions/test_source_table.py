"""The rows of the table of the design, section 4, for a CatalogSource."""

from __future__ import annotations

from datetime import timedelta

import pytest

from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.domain.status.invalid import invalid_status
from skillmeat_operator.domain.status.source import summarise
from skillmeat_operator.domain.status.spec_version import OtherGenerationError, SpecVersion
from skillmeat_operator.domain.status.unsynced import announce, finalizing, suspended
from tests.conditions import builders as a
from tests.conditions.bundle_world import version
from tests.conditions.conftest import JudgeFunction
from tests.conditions.laws import check, conditions, reason, situation, written
from tests.conditions.outcomes import (
    well,
)
from tests.conditions.source_cases import CASES, DOWN, GRACE, MINUTE, live


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


def test_a_clock_that_was_ahead_lengthens_no_grace(judge: JudgeFunction) -> None:
    _, obj, now = live(CASES["outage of the source within the grace"])
    ahead = (now + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for one in obj["status"]["conditions"]:
        one["lastTransitionTime"] = ahead
    told = []
    for wait in (timedelta(0), GRACE - MINUTE, MINUTE):
        now += wait
        source = CatalogSource.from_object(obj)
        after = written(obj, summarise(source, DOWN, carried_out=version(obj), now=now).to_wire())
        check(obj, after, judge, now=now)
        told.append((situation(after)[0], reason(after)))
        obj = after
    assert told == [("True", "ServingLastGood")] * 2 + [("False", "SourceUnreachable")]


@pytest.mark.parametrize("moved", ["uid", "generation"])
def test_no_status_is_derived_for_another_object_or_spec(moved: str) -> None:
    _, obj, now = live(CASES["synced"])
    carried_out = version(obj)
    obj["metadata"][moved] = {"uid": "another", "generation": 2}[moved]
    source = CatalogSource.from_object(obj)
    for derive in (
        lambda: summarise(source, well(), carried_out=carried_out, now=now),
        lambda: announce(source, carried_out=carried_out, now=now),
        lambda: suspended(source, settled=True, carried_out=carried_out, now=now),
        lambda: finalizing(source, message="waits", carried_out=carried_out, now=now),
        lambda: invalid_status(obj, "spec: no", carried_out=carried_out, now=now),
    ):
        with pytest.raises(OtherGenerationError):
            derive()


def test_a_source_suspended_with_another_spec_keeps_nothing_that_was_told_before(
    judge: JudgeFunction,
) -> None:
    _, obj, now = live(CASES["removal held"])
    obj["metadata"]["generation"] += 1
    after = written(
        obj,
        suspended(CatalogSource.from_object(obj), settled=False, carried_out=version(obj), now=now).to_wire(),
    )
    check(obj, after, judge, now=now)
    told = {kind: one["status"] for kind, one in conditions(after).items()}
    assert told == {
        "Ready": "False",
        "Stalled": "True",
        "RemovalHeld": "True",
        "SourceReachable": "Unknown",
        "CatalogReachable": "Unknown",
        "CatalogSynced": "Unknown",
        "Stale": "Unknown",
        "EntitiesInvalid": "Unknown",
    }
