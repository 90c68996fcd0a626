"""When a failure is said to last: a missing Secret after its grace, a refused credential at the second refusal."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.controller.visit.failure_judge import FailureJudge
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.controller.watch.store import Store
from skillmeat_operator.domain.failure import Failure, FailureKind, Side
from skillmeat_operator.domain.timings import Timings
from tests.conditions import builders as a

TIMINGS = Timings()
GRACE, RECHECK = TIMINGS.secret_grace, TIMINGS.credential_recheck
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MISSING, NO_KEY, REFUSED = Reason.SECRET_NOT_FOUND, Reason.SECRET_KEY_NOT_FOUND, Reason.AUTHENTICATION_FAILED


@dataclass
class Life:
    """One CatalogSource in one life of the operator; time passes where a test says so."""

    told: list[dict[str, Any]] = field(default_factory=list)
    """Conditions in status."""
    passed: float = 0.0
    judge: FailureJudge = field(init=False)

    def __post_init__(self) -> None:
        self.judge = FailureJudge(
            clock=lambda: self.passed, now=lambda: NOW + timedelta(seconds=self.passed), timings=TIMINGS
        )

    def stalled(
        self, reason: Reason, *, after: float = 0.0, generation: int = 1, secrets: str = "digest"
    ) -> bool:
        """Whether the portal's failure is said to last at a visit so many seconds after the one before."""
        self.passed += after
        raw = a.raw_source(generation=generation)
        raw["status"]["conditions"] = self.told
        source = CatalogSource.from_object(raw)
        visit = Visit(source, raw, Store(), began=self.passed, spec_seen=0.0)
        kind = FailureKind.CREDENTIAL if reason is REFUSED else FailureKind.SECRET
        failure = Failure(side=Side.CATALOG, kind=kind, reason=reason, message="do something")
        return self.judge(visit, failure, secrets=secrets, began=self.passed).stalled


def condition(kind: str, status: str, reason: str, *, seconds: float, generation: int = 1) -> dict[str, Any]:
    """A condition that has had its status for so many seconds."""
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": "told",
        "observedGeneration": generation,
        "lastTransitionTime": (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def test_what_is_missing_is_awaited_for_its_grace() -> None:
    life = Life()
    assert not life.stalled(MISSING)
    assert not life.stalled(MISSING, after=GRACE - 1)
    assert life.stalled(MISSING, after=1)


def test_an_outage_before_it_is_no_part_of_the_grace() -> None:
    life = Life([condition("CatalogReachable", "False", "CatalogUnreachable", seconds=3600)])
    assert not life.stalled(MISSING)
    # Status keeps the time of the outage's beginning: its status did not change, only its reason.
    life.told = [condition("CatalogReachable", "False", "SecretNotFound", seconds=3600)]
    assert not life.stalled(MISSING, after=10)
    assert life.stalled(MISSING, after=GRACE)


@pytest.mark.parametrize(
    ("reason", "generation"),
    [pytest.param(NO_KEY, 1, id="another reason"), pytest.param(MISSING, 2, id="another spec")],
)
def test_what_is_missing_anew_has_a_grace_of_its_own(reason: Reason, generation: int) -> None:
    life = Life()
    life.stalled(MISSING)
    assert life.stalled(MISSING, after=GRACE)
    assert not life.stalled(reason, after=10, generation=generation)
    assert life.stalled(reason, after=GRACE, generation=generation)


def test_the_grace_goes_on_over_a_restart() -> None:
    life = Life([condition("CatalogReachable", "False", "SecretNotFound", seconds=GRACE - 30)])
    assert not life.stalled(MISSING)
    assert life.stalled(MISSING, after=30)


def test_a_clock_that_was_ahead_lengthens_no_grace_over_a_restart() -> None:
    life = Life([condition("CatalogReachable", "False", "SecretNotFound", seconds=-86400)])
    assert not life.stalled(MISSING)
    assert not life.stalled(MISSING, after=GRACE - 1)
    assert life.stalled(MISSING, after=1)


def test_after_a_restart_another_reason_begins_anew() -> None:
    for told, met in (("SecretNotFound", NO_KEY), ("SecretKeyNotFound", MISSING)):
        life = Life([condition("CatalogReachable", "False", told, seconds=3600)])
        assert not life.stalled(met)


def test_after_a_restart_what_was_found_in_between_begins_anew() -> None:
    life = Life([condition("CatalogReachable", "True", "SecretNotFound", seconds=3600)])
    assert not life.stalled(MISSING)


def test_after_a_restart_another_spec_begins_anew() -> None:
    life = Life([condition("CatalogReachable", "False", "SecretNotFound", seconds=3600)])
    assert not life.stalled(MISSING, generation=2)


def test_the_second_refusal_is_final() -> None:
    life = Life()
    assert not life.stalled(REFUSED)
    assert not life.stalled(REFUSED, after=RECHECK - 1)
    assert life.stalled(REFUSED, after=1)
    assert not life.stalled(REFUSED, secrets="another")


def test_a_refused_token_is_tried_again_after_its_time_and_another_one_at_once() -> None:
    life = Life()
    assert life.judge.second_look(a.UID, Side.CATALOG, "digest") is None
    life.stalled(REFUSED, after=5)
    assert life.judge.second_look(a.UID, Side.CATALOG, "digest") == 5 + RECHECK
    assert life.judge.second_look(a.UID, Side.CATALOG, "another") is None
    assert life.judge.second_look(a.UID, Side.SOURCE, "digest") is None


def test_a_side_that_took_the_token_or_found_its_secret_begins_anew() -> None:
    life = Life()
    life.judge.accepted(a.UID, Side.CATALOG)
    life.judge.found(a.UID, Side.CATALOG)
    life.stalled(REFUSED)
    life.judge.accepted(a.UID, Side.CATALOG)
    assert not life.stalled(REFUSED, after=2 * RECHECK)
    life.stalled(MISSING)
    life.judge.found(a.UID, Side.SOURCE)
    assert life.stalled(MISSING, after=GRACE)
    life.judge.found(a.UID, Side.CATALOG)
    assert not life.stalled(MISSING)


@pytest.mark.parametrize("kind", list(FailureKind))
def test_a_setting_needs_a_person_at_once_and_an_outage_none(kind: FailureKind) -> None:
    life = Life()
    raw = a.raw_source()
    visit = Visit(CatalogSource.from_object(raw), raw, Store(), began=0.0, spec_seen=0.0)
    failure = Failure(side=Side.SOURCE, kind=kind, reason=Reason.SOURCE_UNREACHABLE, message="m")
    outcome = life.judge(visit, failure, secrets="", began=0.0)
    assert outcome.stalled is (kind is FailureKind.CONFIGURATION)
    assert outcome.failure is failure


def test_nothing_is_left_of_what_is_forgotten() -> None:
    life = Life()
    life.stalled(MISSING)
    assert a.UID in life.judge
    life.judge.forget(a.UID)
    life.judge.forget(a.UID)
    assert a.UID not in life.judge


@pytest.mark.parametrize(
    ("reason", "generation", "stalled"),
    [
        pytest.param("AuthenticationFailed", 1, True, id="the same"),
        pytest.param("SecretNotFound", 1, False, id="another reason"),
        pytest.param("AuthenticationFailed", 2, False, id="another spec"),
    ],
)
def test_a_refusal_that_was_final_is_so_after_a_restart(reason: str, generation: int, stalled: bool) -> None:
    life = Life([condition("Stalled", "True", reason, seconds=60)])
    assert life.stalled(REFUSED, generation=generation) is stalled
