"""The status of an object whose spec cannot be read."""

from __future__ import annotations

from typing import Any

import pytest

from skillmeat_operator.domain.status.invalid import invalid_status
from tests.conditions import builders as a
from tests.conditions.bundle_world import version


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
