"""Memory keeps of an object what somebody here reads, and nothing else."""

from __future__ import annotations

from skillmeat_operator.controller.watch.needed import LAST_APPLIED, needed
from tests.conditions import builders as a


def test_bookkeeping_of_others_is_dropped_and_the_rest_is_as_it_was() -> None:
    obj = a.raw_source(managedFields=[{"manager": "kubectl"}], annotations={LAST_APPLIED: "{}", "a": "b"})
    kept = needed(obj)
    assert "managedFields" in obj["metadata"]
    assert obj["metadata"]["annotations"] == {LAST_APPLIED: "{}", "a": "b"}
    wanted = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    assert kept == {**obj, "metadata": {**wanted, "annotations": {"a": "b"}}}


def test_objects_share_their_keys() -> None:
    first, second = (needed({"metadata": {"".join(["na", "me"]): "x"}, "items": [{}]}) for _ in range(2))
    [name], [same] = first["metadata"], second["metadata"]
    assert name is same
    assert first == second
