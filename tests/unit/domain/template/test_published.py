"""From what the catalog shows back to what was published."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from skillmeat_operator.domain.template.entity import content_hash
from skillmeat_operator.domain.template.published import as_published
from tests.conditions import builders as a

PUBLISHED = a.plan(a.elements(1)).published[0].entity


def from_catalog(entity: Any) -> Any:
    """An entity with all that Backstage adds when it is read."""
    read = copy.deepcopy(entity)
    read["metadata"] |= {"uid": "8f0e", "etag": "a1b2"}
    read["metadata"]["annotations"] |= {
        "backstage.io/managed-by-location": f"url:{a.TARGET}",
        "backstage.io/managed-by-origin-location": f"url:{a.TARGET}",
        "backstage.io/orphan": "true",
    }
    return {
        **read,
        "relations": [{"type": "ownedBy", "targetRef": "group:default/x"}],
        "status": {"items": []},
    }


def test_what_the_catalog_added_is_taken_off() -> None:
    read = from_catalog(PUBLISHED)
    original = copy.deepcopy(read)
    restored = as_published(read)
    assert restored is not None
    assert restored.entity == PUBLISHED
    assert restored.stated_hash == content_hash(restored.entity)
    assert read == original


def test_what_was_changed_on_the_way_does_not_prove_itself() -> None:
    read = from_catalog(PUBLISHED)
    read["spec"]["type"] = "library"
    restored = as_published(read)
    assert restored is not None
    assert restored.stated_hash != content_hash(restored.entity)


@pytest.mark.parametrize(
    "entity",
    [
        None,
        [],
        {},
        {"metadata": None},
        {"metadata": {"annotations": []}},
        {"metadata": {"annotations": {}}},
        {"metadata": {"annotations": {"skillmeat.io/content-hash": 7}}},
    ],
    ids=repr,
)
def test_what_never_came_from_us_is_none(entity: Any) -> None:
    assert as_published(entity) is None
