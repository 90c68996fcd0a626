"""What holds of every status that is written, whatever led to it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tests.conditions.conftest import JudgeFunction
from tests.conditions.schema import SCHEMAS, problems

KSTATUS = {
    ("True", False, False): "Current",
    ("False", True, False): "InProgress",
    ("False", False, True): "Failed",
    ("False", False, False): "InProgress",
    ("Unknown", True, False): "InProgress",
}
"""What kstatus makes of Ready, Reconciling and Stalled (``facts/gitops.md``)."""


def conditions(obj: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Conditions of an object by type."""
    return {one["type"]: one for one in obj["status"].get("conditions", [])}


def situation(obj: Mapping[str, Any]) -> tuple[str, bool, bool]:
    """Ready, and whether Reconciling and Stalled stand."""
    found = conditions(obj)
    return found["Ready"]["status"], "Reconciling" in found, "Stalled" in found


def reason(obj: Mapping[str, Any]) -> str:
    """Reason of Ready."""
    return str(conditions(obj)["Ready"]["reason"])


def written(obj: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
    """The object with another status."""
    return {**copy.deepcopy(dict(obj)), "status": copy.deepcopy(dict(status))}


def check(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    judge: JudgeFunction,
    *,
    now: datetime,
    frozen: bool = False,
) -> None:
    """The laws of one write: of a status itself, and of the step that led to it.

    ``frozen``: a suspended object keeps the reason it had, whatever negative condition stands beside it; Flux
    only warns of that.
    """
    found = conditions(after)
    assert len(found) == len(after["status"]["conditions"]), "one condition for each type"
    generation = after["metadata"]["generation"]
    assert after["status"]["observedGeneration"] == generation
    assert {one["observedGeneration"] for one in found.values()} == {generation}
    assert not ("Reconciling" in found and "Stalled" in found)
    for kind in ("Reconciling", "Stalled", "RemovalHeld"):
        assert kind not in found or found[kind]["status"] == "True"
    assert list(problems(after["status"], SCHEMAS[after["kind"]]["status"])) == []

    ready = found["Ready"]["status"]
    verdict = judge(after, "progress" if ready == "Unknown" else "rest")
    assert verdict.fail == ()
    assert frozen or verdict.warn == ()
    deleting = after["metadata"].get("deletionTimestamp") is not None
    assert verdict.status == ("Terminating" if deleting else KSTATUS[situation(after)])

    old = conditions(before)
    for kind, one in found.items():
        same = kind in old and old[kind]["status"] == one["status"]
        expected = old[kind]["lastTransitionTime"] if same else now.strftime("%Y-%m-%dT%H:%M:%SZ")
        assert one["lastTransitionTime"] == expected, f"{kind} moves its time with its status, and only then"
