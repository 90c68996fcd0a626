"""The status of an object whose spec cannot be read."""

from __future__ import annotations

from typing import Any

import pytest

from skillmeat_operator.domain.status.invalid import invalid_status
from tests.conditions import builders as a
from tests.conditions.bundle_world import version
from tests.conditions.laws import STRANGER


@pytest.mark.parametrize(
    "obj", [a.raw_source(generation=4), a.raw_bundle(generation=4)], ids=["source", "bundle"]
)
def test_it_is_stalled_and_says_why(obj: dict[str, Any]) -> None:
    obj["status"] = {"revision": "kept"}
    told = invalid_status(obj, "spec.interval: write a duration", carried_out=version(obj), now=a.NOW)
    assert (told["observedGeneration"], told["revision"]) == (4, "kept")
    assert {(one["type"], one["status"], one["reason"]) for one in told["conditions"]} == {
        ("Ready", "False", "InvalidSpec"),
        ("Stalled", "True", "InvalidSpec"),
    }
    assert all("spec.interval" in one["message"] for one in told["conditions"])
    again = invalid_status(
        {**obj, "status": told}, "spec.interval: write a duration", carried_out=version(obj), now=a.NOW
    )
    assert again == told


def test_what_was_told_beside_it_is_unknown_of_another_spec_and_others_conditions_stay() -> None:
    """Also of a TemplateBundle, whose status has other fields, and of conditions of a newer version."""
    obj = a.raw_bundle(generation=2)
    synced = {
        "type": "CatalogSynced",
        "status": "True",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "reason": "Succeeded",
        "message": "",
    }
    obj["status"] = {
        "catalog": {"present": True, "upToDate": True},
        "conditions": [
            STRANGER,
            synced,
            {**synced, "type": "Newer", "status": "Perhaps"},
            {**synced, "type": "Ready", "status": "Perhaps"},
        ],
    }
    told = invalid_status(obj, "spec.stalePolicy: no", carried_out=version(obj), now=a.NOW)
    found = {one["type"]: one["status"] for one in told["conditions"]}
    assert found == {
        "Ready": "False",
        "Stalled": "True",
        "CatalogSynced": "Unknown",
        "example.com/Stranger": "Unknown",
        "Newer": "Perhaps",
    }
    assert told["conditions"][3] == STRANGER
    assert "what was published of its bundle stays as it is" in told["conditions"][0]["message"]
