"""Shapes of the catalog's answers, and the dry run's refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from skillmeat_operator.adapters.backstage.entities import (
    ShapeError,
    catalog_entity,
    has_errors,
    items,
    location_ref,
    page,
    reference,
    refused_dry_run,
    registered_location,
    registered_locations,
)
from skillmeat_operator.domain.observation import CatalogEntity, DryRun, RegisteredLocation

RECORDED = Path(__file__).resolve().parents[3] / "data" / "recorded" / "backstage"


def body(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text())["response"]["body"]


def entity(**changes: Any) -> dict[str, Any]:
    metadata = {"name": "a", "namespace": "skillmeat", "uid": "u-1", "annotations": {}, **changes}
    return {"kind": "Template", "metadata": metadata}


def test_recorded_entities() -> None:
    assert catalog_entity(body("entity-by-name")) == CatalogEntity(
        ref="template:skillmeat/alpha",
        uid="5e388e89-ebfa-448a-80b4-cb07107900a9",
        content_hash=None,
        managed_by=None,
        origin="url:http://127.0.0.1:28181/t.yaml",
        bundle_id="alpha",
        bundle_version="1.0.0",
    )
    assert catalog_entity(body("orphan-entity-keep")).orphan
    assert catalog_entity(body("entity-existing-became-invalid")).failing
    assert not catalog_entity(body("conflict-entity")).failing
    assert has_errors(body("doc-404-existing"))
    assert not has_errors(body("conflict-location2"))


def test_our_annotations_are_read() -> None:
    annotations = {
        "skillmeat.io/content-hash": "sha256:x",
        "skillmeat.io/managed-by": "c/s",
        "skillmeat.io/bundle-id": "b1",
        "backstage.io/orphan": "false",
    }
    found = catalog_entity(entity(annotations=annotations))
    assert (found.content_hash, found.managed_by, found.bundle_id, found.orphan) == (
        "sha256:x",
        "c/s",
        "b1",
        False,
    )


@pytest.mark.parametrize(
    ("value", "ref"),
    [
        (entity(), "template:skillmeat/a"),
        (entity(name="A.b_C"), "template:skillmeat/a.b_c"),
        ({"kind": "Group", "metadata": {"name": "x"}}, "group:default/x"),
    ],
)
def test_reference(value: Any, ref: str) -> None:
    assert reference(value) == ref


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"kind": "Template"},
        {"kind": "Template", "metadata": []},
        entity(name=None),
        entity(name=7),
        entity(name="a/b"),
        entity(name="a\nb"),
        entity(namespace="x y"),
        entity(uid=None),
        entity(uid="../x"),
        entity(uid="x" * 200),
        {"metadata": {"name": "a", "uid": "u"}},
    ],
)
def test_an_entity_of_another_shape(value: Any) -> None:
    with pytest.raises(ShapeError):
        catalog_entity(value)


@pytest.mark.parametrize(
    "status", [None, [], {}, {"items": None}, {"items": [None]}, {"items": [{"level": "warning"}]}]
)
def test_a_status_without_errors(status: Any) -> None:
    assert not has_errors({"status": status})


def test_recorded_pages() -> None:
    first, last = page(body("by-query")), page(body("by-query-next"))
    assert (len(first.items), first.total, bool(first.next_cursor)) == (2, 3, True)
    assert (len(last.items), last.total, last.next_cursor) == (1, 3, None)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"items": [], "totalItems": 0},
        {"items": [], "pageInfo": {}},
        {"items": None, "totalItems": 0, "pageInfo": {}},
        {"items": [], "totalItems": "0", "pageInfo": {}},
        {"items": [], "totalItems": True, "pageInfo": {}},
        {"items": [], "totalItems": -1, "pageInfo": {}},
        {"items": [], "totalItems": 0, "pageInfo": {"nextCursor": ""}},
        {"items": [], "totalItems": 0, "pageInfo": {"nextCursor": 1}},
    ],
)
def test_a_page_of_another_shape(value: Any) -> None:
    with pytest.raises(ShapeError):
        page(value)


def test_items_stand_in_the_order_of_the_refs() -> None:
    recorded = {"items": [entity(name="b"), None]}
    assert items(recorded, refs=["template:skillmeat/b", "template:skillmeat/c"]) == recorded["items"]
    for refs in (["template:skillmeat/b"], ["template:skillmeat/x", "template:skillmeat/c"]):
        with pytest.raises(ShapeError):
            items(recorded, refs=refs)


TARGET = "http://127.0.0.1:28181/t.yaml"
GENERATED = "location:default/generated-630a70cb27a03125f9763e826ac163f17f7ba77c"
LOCATION = RegisteredLocation("fced1280-6e22-4f10-b3fb-d4624e1abc7e", TARGET, GENERATED)


def test_recorded_locations() -> None:
    assert registered_locations(body("locations-list")) == {TARGET: LOCATION}
    assert registered_locations(body("locations-empty")) == {}
    assert location_ref(TARGET) == GENERATED


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param({}, GENERATED, id="older-catalog-does-not-tell"),
        pytest.param(
            {"entityRef": "Location:Default/Generated-1"}, "location:default/generated-1", id="lower-case"
        ),
        pytest.param({"entityRef": "no ref"}, GENERATED, id="what-is-no-ref-is-not-believed"),
    ],
)
def test_the_ref_of_a_locations_entity(told: dict[str, str], expected: str) -> None:
    assert registered_location({"id": "i", "target": TARGET, **told}).entity_ref == expected


def test_locations_of_other_types_are_left_out() -> None:
    rows = [
        {"data": {"id": "1", "type": "file", "target": "/x"}},
        {"data": {"id": "2", "type": "url", "target": "u"}},
    ]
    assert list(registered_locations(rows)) == ["u"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [{"id": "1", "type": "url", "target": "t"}],
        [{"data": {"type": "url", "target": "t"}}],
        [{"data": {"type": "url", "id": "1"}}],
        [{"data": {"type": "url", "id": "..", "target": "t"}}],
        [None],
    ],
)
def test_locations_of_another_shape(value: Any) -> None:
    with pytest.raises(ShapeError):
        registered_locations(value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "dryrun-kind-not-allowed",
            DryRun(ok=False, kind_not_allowed=True, refused_refs=("template:skillmeat/d1",)),
        ),
        ("dryrun-not-allowed-host", DryRun(ok=False, host_not_allowed=True)),
        ("dryrun-404", DryRun(ok=False, unreachable=True)),
        ("dryrun-alias", DryRun(ok=False)),
        ("location-create-anything", DryRun(ok=False)),
    ],
)
def test_a_recorded_dry_run(name: str, expected: DryRun) -> None:
    assert refused_dry_run(body(name)["error"]["message"]) == expected


URL = "http://template:8080/x.yaml"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(
            f"Error: Unable to read url, could not read {URL}, 503 Service Unavailable",
            DryRun(ok=False, unreachable=True),
            id="503-of-the-document",
        ),
        pytest.param(
            f"Error: Unable to read url, Unable to read {URL}, TypeError: fetch failed",
            DryRun(ok=False, unreachable=True),
            id="connection-refused",
        ),
        pytest.param(
            f"Error: Unable to read url, URL not allowed by backend.reading.allow configuration: {URL}",
            DryRun(ok=False, host_not_allowed=True),
            id="redirect-to-a-host-that-is-not-allowed",
        ),
        pytest.param(
            "InputError: Policy check failed for Template:SkillMeat/Bad; by x, template:skillmeat/bad.",
            DryRun(ok=False, refused_refs=("template:skillmeat/bad",)),
            id="refs-are-lower-case-and-once",
        ),
        pytest.param(
            "Duplicate nested entity: template:a/b", DryRun(False, refused_refs=("template:a/b",)), id="twice"
        ),
        pytest.param(f"Error: {URL} broke", DryRun(ok=False), id="a-host-is-no-ref"),
        pytest.param(
            "template:a/" + "b" * 300, DryRun(ok=False, refused_refs=("template:a/" + "b" * 63,)), id="long"
        ),
        pytest.param("", DryRun(ok=False), id="no-message"),
    ],
)
def test_other_words_of_a_dry_run(message: str, expected: DryRun) -> None:
    assert refused_dry_run(message) == expected


def test_the_number_of_refs_is_limited() -> None:
    message = " ".join(f"template:a/b{number}" for number in range(500))
    assert len(refused_dry_run(message).refused_refs) == 100
