"""A location that an earlier public URL left: it is named, and moved once somebody says so and it can be read."""

from __future__ import annotations

from typing import Any

import pytest

from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.controller.visit.catalog.moving import move, moved
from skillmeat_operator.controller.visit.visit import SupersededError
from skillmeat_operator.domain.failure import FailedError
from skillmeat_operator.domain.observation import DryRun, PortalView, RegisteredLocation
from skillmeat_operator.domain.template.document import document_path
from tests.unit.controller.visit.scene import CLUSTER, Portal, superseded, visit

PATH = document_path(CLUSTER, "team", "main")
NOW, FORMER = f"http://now.example{PATH}", f"http://former.example{PATH}"


def view(portal: Portal) -> PortalView:
    return portal.reading().get().view


def former(portal: Portal) -> RegisteredLocation:
    return portal.locations_now()[FORMER]


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        pytest.param({}, None, id="nothing"),
        pytest.param({FORMER: "1"}, FORMER, id="the-former-target"),
        pytest.param({FORMER: "1", NOW: "2"}, None, id="the-present-target-too"),
        pytest.param({f"{FORMER}.bak": "1"}, None, id="another-path"),
        pytest.param({f"http://z.example{PATH}": "9", FORMER: "1"}, FORMER, id="the-first-of-two"),
        pytest.param({FORMER: "1", f"http://z.example{PATH}": "9"}, FORMER, id="the-first-in-whatever-order"),
    ],
)
def test_a_location_is_former_if_it_has_our_path_and_the_present_one_is_not_listed(
    listed: dict[str, str], found: str | None
) -> None:
    one = moved(visit(), view(Portal(listed=listed)), NOW, cluster_uid=CLUSTER)
    assert (one.location.target if one is not None else None) == found


def test_what_is_said_names_both_targets_and_the_command() -> None:
    other = f"http://z.example{PATH}"
    one = moved(visit(), view(Portal(listed={other: "9", FORMER: "1"})), NOW, cluster_uid=CLUSTER)
    assert one is not None
    assert one.location.id == "1"
    assert one.finding.reason == Reason.LOCATION_MOVED
    assert f"reads {FORMER}," in one.finding.message
    assert f"smsrc/main -n team skillmeat.io/move-location={NOW}" in one.finding.message


async def test_a_catalog_that_can_moves_it_in_one_step() -> None:
    portal = Portal(listed={FORMER: "1"})
    assert await move(visit(), portal, view(portal), former(portal), NOW) is None  # type: ignore[arg-type]
    assert portal.calls == [("dry_run", NOW), ("move", "1", NOW)]


async def test_an_older_catalog_gets_a_new_location_after_the_former_one() -> None:
    portal = Portal(listed={FORMER: "1"}, moves=False)
    assert await move(visit(), portal, view(portal), former(portal), NOW) is None  # type: ignore[arg-type]
    assert portal.calls[1:] == [("move", "1", NOW), ("unregister", "1"), ("register", NOW)]


async def test_a_token_that_reads_nothing_takes_no_location_out() -> None:
    portal = Portal(listed={FORMER: "1"}, moves=False, reads_entities=False)
    with pytest.raises(FailedError) as caught:
        await move(visit(), portal, view(portal), former(portal), NOW)  # type: ignore[arg-type]
    assert caught.value.failure.reason == Reason.TOKEN_CANNOT_READ
    assert FORMER in portal.listed


async def test_a_target_that_the_portal_cannot_read_leaves_all_as_it_is() -> None:
    portal = Portal(listed={FORMER: "1"}, answer=DryRun(ok=False, unreachable=True))
    finding = await move(visit(), portal, view(portal), former(portal), NOW)  # type: ignore[arg-type]
    assert finding is not None
    assert finding.reason == Reason.LOCATION_MOVED
    assert f"{FORMER} stays registered" in finding.message
    assert portal.calls == [("dry_run", NOW)]


@pytest.mark.parametrize("long", ["reads", "stays"])
async def test_a_long_target_is_cut_where_it_is_said(long: str) -> None:
    target = f"http://{'x' * 300}.example{PATH}"
    portal = Portal(listed={target: "1"}, answer=DryRun(ok=False))
    found: Any
    if long == "reads":
        one = moved(visit(), view(portal), NOW, cluster_uid=CLUSTER)
        assert one is not None
        found = one.finding
    else:
        found = await move(visit(), portal, view(portal), portal.locations_now()[target], NOW)  # type: ignore[arg-type]
    assert target[:253] in found.message
    assert target[:254] not in found.message


async def test_nothing_is_moved_for_a_spec_that_has_changed() -> None:
    portal = Portal(listed={FORMER: "1"})
    with pytest.raises(SupersededError):
        await move(superseded(visit()), portal, view(portal), former(portal), NOW)  # type: ignore[arg-type]
    assert portal.listed == {FORMER: "1"}
