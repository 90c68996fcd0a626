"""What a CatalogSource's status tells besides its conditions (those are judged in ``tests/conditions``)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.catalog_source_status import CatalogSeen
from skillmeat_operator.domain.decide.ownership import Holder
from skillmeat_operator.domain.observation import ServerInfo
from skillmeat_operator.domain.status.outcome import Outcome
from skillmeat_operator.domain.status.source import summarise
from skillmeat_operator.domain.status.spec_version import SpecVersion
from tests.conditions import builders as a
from tests.conditions.laws import conditions
from tests.conditions.outcomes import PLANS, converging, failed, well


def status(outcome: Outcome, *, before: dict[str, Any] | None = None, minutes: int = 0) -> dict[str, Any]:
    """The status on the wire after an outcome."""
    obj = a.raw_source() if before is None else {**a.raw_source(), "status": before}
    source = CatalogSource.from_object(obj)
    now = a.NOW + timedelta(minutes=minutes)
    return summarise(source, outcome, carried_out=SpecVersion.of(source), now=now).to_wire()


def test_all_counts() -> None:
    observed = [
        *a.elements(4),
        a.element("fifth", version="9.0.0", id="id-range"),
        a.invalid("sixth"),
        a.element("seventh"),
        a.element("t0", id="twin"),
        {**a.element("filtered")},
        None,
    ]
    source = a.source({"filters": {"exclude": [{"names": ["filtered"]}]}})
    before = a.plan([a.element("fifth", id="id-range"), a.element("sixth")], of=source)
    plan = a.plan(
        observed,
        of=source,
        bundles=[
            a.bundle({"bundleRef": {"id": "id-range"}, "version": "^1.0.0"}, name="range"),
            a.bundle({"bundleRef": {"id": "id-t3"}, "publish": False}, name="out"),
        ],
        before=before,
        holders={a.ref("seventh"): Holder(origin=None)},
    )
    left = [
        a.shown(plan.published[0], ref="template:skillmeat/left", orphan=True),
        a.shown(plan.published[0], ref="template:skillmeat/leaving"),
    ]
    shown = [a.shown(one) for one in plan.published[:-1]] + left
    told = status(well(plan=plan, state=a.state(plan, shown)))
    # What nobody checks yet (repaired, orphaned, notRunnable) is absent, which is something else than none.
    assert told["entities"] == {
        "discovered": 10,
        "selected": 9,
        "withheld": 2,
        "invalid": 3,
        "conflicting": 1,
        "published": 5,
        "held": 2,
        "inCatalog": 4,
        "missing": 1,
        "stale": 0,
    }


def test_the_time_of_a_change_moves_with_the_revision_only() -> None:
    first = status(well())
    assert (first["revision"], first["lastChangeTime"]) == (PLANS["three"].revision, "2026-03-01T12:00:00Z")
    assert status(well(), before=first, minutes=5) == first
    changed = status(well("one invalid"), before=first, minutes=5)
    assert changed["lastChangeTime"] == "2026-03-01T12:05:00Z"


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(converging(), id="still-converging"),
        pytest.param(well(state=None, catalog=failed()), id="the-catalog-cannot-be-read"),
        pytest.param(well("empty", published=False), id="not-stored"),
        pytest.param(replace(well("nothing known"), state=a.state(PLANS["empty"])), id="not-publishable"),
        pytest.param(Outcome(configuration=failed().failure), id="not-tried"),
    ],
)
def test_counts_are_written_once_at_the_end(outcome: Outcome) -> None:
    before = status(well("one invalid"))
    after = status(outcome, before=before)
    for name in ("entities", "revision", "lastChangeTime", "problems"):
        assert after[name] == before[name]


def test_a_held_removal_is_told_with_what_approves_it() -> None:
    plan = a.plan([], before=a.plan(a.elements(30)))
    assert plan.removal is not None
    told = status(well(plan=plan, state=a.state(plan)))
    assert told["removal"] == {
        "id": plan.removal.id,
        "count": 30,
        "refs": list(plan.removal.refs[:20]),
        "since": "2026-03-01T12:00:00Z",
    }
    message = conditions({"status": told})["RemovalHeld"]["message"]
    assert (
        f"kubectl annotate --overwrite smsrc/main -n team skillmeat.io/approve-removal={plan.removal.id}"
        in message
    )
    unknown = status(Outcome(configuration=failed().failure), before=told)
    assert unknown["removal"] == told["removal"], "without a decision nothing is known to have changed"
    assert "removal" not in status(well(), before=told)


def test_the_catalog_entity_is_remembered_for_the_same_target_only() -> None:
    seen = CatalogSeen(url="http://portal.example", target=a.TARGET, entity_ref="location:default/x")
    before = status(well(seen=seen))
    kept = status(well(seen=CatalogSeen(url="http://portal.example", target=a.TARGET)), before=before)
    assert kept["catalog"]["entityRef"] == "location:default/x"
    moved = status(well(seen=CatalogSeen(url="http://portal.example", target="http://new")), before=before)
    assert "entityRef" not in moved["catalog"]
    assert status(Outcome(source=failed()), before=before)["catalog"] == before["catalog"]


def test_the_server_seen_stays_told() -> None:
    before = status(well(server=ServerInfo(version="0.74.0", edition="local")))
    assert before["source"] == {"version": "0.74.0", "edition": "local"}
    assert status(well(server=None), before=before)["source"] == before["source"]


@pytest.mark.parametrize(
    ("requests", "handled", "last"),
    [
        pytest.param((None, None), {"skillmeat": "a", "flux": "b"}, "b", id="none"),
        pytest.param(("c", None), {"skillmeat": "c", "flux": "b"}, "b", id="ours"),
        pytest.param((None, "d"), {"skillmeat": "a", "flux": "d"}, "d", id="flux"),
        pytest.param(("c", "d"), {"skillmeat": "c", "flux": "d"}, "d", id="both"),
        pytest.param(("x" * 1000, None), {"skillmeat": "x" * 1000, "flux": "b"}, "b", id="long"),
        pytest.param(("x" * 2000, None), {"skillmeat": "x" * 1023 + "…", "flux": "b"}, "b", id="too-long"),
    ],
)
def test_requests_are_echoed(requests: Any, handled: dict[str, str], last: str) -> None:
    before = status(well(requests=("a", "b")))
    after = status(well(requests=requests), before=before)
    assert (after["handledRequests"], after["lastHandledReconcileAt"]) == (handled, last)


def test_our_token_alone_is_none_of_flux() -> None:
    told = status(well(requests=("a", None)))
    assert (told["handledRequests"], "lastHandledReconcileAt" in told) == ({"skillmeat": "a"}, False)


def test_a_request_is_echoed_by_the_write_that_ends_its_visit() -> None:
    waiting = status(converging(requests=("a", None)))
    assert "handledRequests" not in waiting
    failure = status(well(source=failed(), requests=("a", None)), before=waiting)
    assert failure["handledRequests"] == {"skillmeat": "a"}


def test_what_another_writer_put_into_status_stays_as_it_is() -> None:
    before = status(well())
    before["conditions"].append(
        {
            "type": "example.com/Stranger",
            "status": "Unknown",
            "observedGeneration": 7,
            "lastTransitionTime": "2025-01-01T00:00:00.123456Z",
            "reason": "Theirs",
            "message": "somebody else's",
        }
    )
    before["webhookPath"] = "/webhook/team/main"
    after = status(well(), before=before)
    assert after["webhookPath"] == "/webhook/team/main"
    assert after["conditions"][-1] == before["conditions"][-1]


def test_messages_tell_no_text_time_or_count_of_tries() -> None:
    said = str(status(well("not a template", source=failed(), catalog=failed())))
    assert "attempt" not in said
    assert "try " not in said


def test_a_source_whose_filter_waits_for_the_pages_of_bundles_is_at_work_not_stuck() -> None:
    source = a.source({"filters": {"include": [{"names": ["nobody"]}]}})
    plan = a.plan(a.elements(2), of=source)
    found = well(plan=plan, state=a.state(plan), filter_pending=True)
    told = {one["type"]: (one["status"], one["reason"]) for one in status(found)["conditions"]}
    assert told["Ready"] == ("False", "Progressing")
    assert told["Reconciling"] == ("True", "Progressing")
    assert "Stalled" not in told
