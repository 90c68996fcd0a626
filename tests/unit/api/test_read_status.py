"""A status that a newer version wrote: what can be read of it counts."""

from __future__ import annotations

from typing import Any

from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from tests.conditions import builders as a

READY: dict[str, Any] = {
    "type": "Ready",
    "status": "True",
    "reason": "Succeeded",
    "message": "",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
    "observedGeneration": 1,
}
STRANGER = {**READY, "type": "example.com/Watched", "reason": "Seen"}


def read(**status: Any) -> Any:
    return CatalogSource.from_object({**a.raw_source(), "status": status}).status


def test_an_item_that_cannot_be_read_takes_nothing_else_away() -> None:
    problem = {"severity": "Info", "reason": "Conflict", "message": ""}
    status = read(
        conditions=[READY, {**READY, "type": "New", "status": "Maybe"}, STRANGER],
        problems=[problem],
        revision="sha256:" + "0" * 64,
    )
    assert [one.type for one in status.conditions] == ["Ready", "example.com/Watched"]
    assert status.revision == "sha256:" + "0" * 64
    assert not status.problems


def test_a_field_that_cannot_be_read_takes_nothing_else_away() -> None:
    status = read(conditions=[READY], entities={"published": "many"}, removal=[])
    assert [one.type for one in status.conditions] == ["Ready"]
    assert status.entities is None


def test_no_status_at_all() -> None:
    assert not read().conditions
    assert not CatalogSource.from_object({**a.raw_source(), "status": "none"}).status.conditions
