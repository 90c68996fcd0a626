"""One view of a portal for all: what concerns a CatalogSource is found without looking at the others'."""

from __future__ import annotations

from typing import Any

import pytest

from skillmeat_operator.controller.remote.views import Progress, SharedView
from skillmeat_operator.domain.observation import CatalogEntity, PortalView, RegisteredLocation

TARGET = "http://operator.example/catalogs/1/team/main.yaml"


def entity(name: str, *, uid: str = "one", **changes: Any) -> CatalogEntity:
    values: dict[str, Any] = {
        "ref": f"template:skillmeat/{name}",
        "uid": f"uid-{name}",
        "content_hash": "sha256:1",
        "managed_by": f"cluster/{uid}" if uid else None,
        "origin": f"url:{TARGET}",
    }
    return CatalogEntity(**{**values, **changes})


def view(
    *entities: CatalogEntity, targets: tuple[str, ...] = (), reads: bool = True, at: float = 1.0
) -> SharedView:
    locations = {
        target: RegisteredLocation(id="1", target=target, entity_ref="location:x") for target in targets
    }
    shown = {one.ref: one for one in entities}
    return SharedView(PortalView(entities=shown, locations=locations, reads_entities=reads, began_at=at))


def names(found: Any) -> list[str]:
    return sorted(ref.rpartition("/")[2] for ref in found)


def test_marked_ones_and_those_of_the_target_are_found() -> None:
    shared = view(
        entity("marked", origin=None),
        entity("both"),
        entity("brought", uid=""),
        entity("others", uid="two", origin="url:http://another"),
    )
    assert names(shared.entities_of("one", TARGET)) == ["both", "brought", "marked"]
    assert names(shared.entities_of("one", None)) == ["both", "marked"]
    assert names(shared.entities_of("two", None)) == ["others"]
    assert names(shared.entities_of("three", None)) == []


CHANGES = [
    pytest.param({"content_hash": "sha256:2"}, id="content"),
    pytest.param({"orphan": True}, id="orphan"),
    pytest.param({"failing": True}, id="failing"),
    pytest.param({"ref": "template:skillmeat/another"}, id="ref"),
]


@pytest.mark.parametrize("changes", CHANGES)
def test_a_change_concerns_its_owner_alone_and_is_progress_for_all(changes: dict[str, Any]) -> None:
    before = view(entity("a"), entity("b", uid="two"))
    now = view(entity("a", **changes), entity("b", uid="two"), at=7.0)
    progress = Progress()
    assert progress.news(before, now, ["one", "two"]) == ["one"]
    assert (progress.progressed("one"), progress.progressed("two")) == (7.0, 7.0)


def test_the_same_shown_anew_concerns_nobody() -> None:
    progress = Progress()
    assert progress.news(view(entity("a")), view(entity("a"), at=7.0), ["one", "two"]) == []
    assert progress.progressed("one") == 0.0


def test_what_went_concerns_whose_it_was() -> None:
    assert Progress().news(view(entity("a"), entity("b", uid="two")), view(entity("a")), ["one", "two"]) == [
        "two"
    ]


def test_the_first_view_and_one_by_a_token_that_reads_more_or_less_concern_all() -> None:
    progress = Progress()
    assert progress.news(None, view(), ["one", "two"]) == ["one", "two"]
    assert progress.news(view(reads=True), view(reads=False), ["one", "two"]) == ["one", "two"]
    assert progress.news(view(reads=False), view(reads=True), ["one", "two"]) == ["one", "two"]


def test_a_location_that_comes_or_goes_concerns_who_expects_it() -> None:
    progress = Progress()
    progress.expect("one", TARGET)
    progress.expect("two", "http://another")
    assert progress.news(view(), view(targets=(TARGET,)), ["one", "two", "three"]) == ["one"]
    assert progress.news(view(targets=(TARGET,)), view(), ["one", "two", "three"]) == ["one"]
    assert progress.news(view(targets=(TARGET,)), view(targets=(TARGET,)), ["one", "two"]) == []
    progress.expect("one", None)
    assert progress.news(view(), view(targets=(TARGET,)), ["one", "two"]) == []
    assert "one" not in progress
    assert "two" in progress
    progress.forget("two")
    assert "two" not in progress
