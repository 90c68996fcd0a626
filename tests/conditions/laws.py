"""What holds of every status that is written, whatever led to it."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from skillmeat_operator.api.v1alpha1.conditions import CONDITIONS, Carried, ConditionType
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


STRANGER = {
    "type": "example.com/Stranger",
    "status": "Unknown",
    "observedGeneration": 0,
    "lastTransitionTime": "2025-01-01T00:00:00.500000Z",
    "reason": "Theirs",
    "message": "of another writer",
}
"""A condition of a type that is not ours."""
_MARK = re.compile(r" \[told of generation (\d+)\]$")


def conditions(obj: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Conditions of an object that are ours, by type."""
    listed = obj["status"].get("conditions", [])
    return {one["type"]: one for one in listed if one["type"] in set(CONDITIONS)}


def strangers(obj: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Conditions of an object that are not ours."""
    listed = obj["status"].get("conditions", [])
    return [one for one in listed if one["type"] not in set(CONDITIONS)]


def mark(obj: dict[str, Any]) -> None:
    """Make it visible in each condition which generation it was told of, before the spec changes."""
    for one in conditions(obj).values():
        if not _MARK.search(one["message"]):
            one["message"] += f" [told of generation {one['observedGeneration']}]"


def check_generation(found: Mapping[str, Mapping[str, Any]]) -> None:
    """No condition says of this spec what was told of another, unless its rule says so."""
    for kind, one in found.items():
        marked = _MARK.search(one["message"])
        told_of_this = marked is None or int(marked.group(1)) == one["observedGeneration"]
        assert told_of_this or CONDITIONS[ConditionType(kind)].carried is Carried.ALWAYS, one


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
    found, others = conditions(after), strangers(after)
    assert len(found) + len(others) == len(after["status"]["conditions"]), "one condition for each type"
    assert others == strangers(before)
    if not frozen:
        check_generation(found)
    generation = after["metadata"]["generation"]
    assert after["status"]["observedGeneration"] == generation
    assert {one["observedGeneration"] for one in found.values()} == {generation}
    assert not ("Reconciling" in found and "Stalled" in found)
    for kind in ("Reconciling", "Stalled", "RemovalHeld"):
        assert kind not in found or found[kind]["status"] == "True"
    assert list(problems(after["status"], SCHEMAS[after["kind"]]["status"])) == []

    ready = found["Ready"]["status"]
    ours = written(after, {**after["status"], "conditions": list(found.values())})
    verdict = judge(ours, "progress" if ready == "Unknown" else "rest")
    assert verdict.fail == ()
    assert frozen or verdict.warn == ()
    deleting = after["metadata"].get("deletionTimestamp") is not None
    assert verdict.status == ("Terminating" if deleting else KSTATUS[situation(after)])

    old = conditions(before)
    for kind, one in found.items():
        same = kind in old and old[kind]["status"] == one["status"]
        # What a clock that was ahead wrote was now at the latest.
        present = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        expected = min(old[kind]["lastTransitionTime"], present) if same else present
        assert one["lastTransitionTime"] == expected, f"{kind} moves its time with its status, and only then"
