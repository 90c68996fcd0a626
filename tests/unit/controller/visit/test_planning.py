"""When an object is visited next: the soonest of what its outcome waits for, and its interval at the latest."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from skillmeat_operator.api.model import format_timestamp
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.controller.visit.planning import JITTER, Planner
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.controller.watch.store import Store
from skillmeat_operator.domain.failure import Failure, FailureKind, Side
from skillmeat_operator.domain.status.outcome import Outcome, SideOutcome
from skillmeat_operator.domain.timings import Timings
from tests.conditions import builders as a

TIMINGS = Timings()
INTERVAL, GRACE = 1800.0, 900.0


def visit(conditions: list[dict[str, Any]] | None = None) -> Visit:
    raw = a.raw_source({"interval": "30m", "outageGracePeriod": "15m"})
    raw["status"] = {"observedGeneration": 1, "conditions": conditions or []}
    return Visit(source=CatalogSource.from_object(raw), raw=raw, store=Store(), began=0.0, spec_seen=0.0)


def condition(side: Side, status: str, *, since: timedelta) -> dict[str, Any]:
    return {
        "type": side.condition,
        "status": status,
        "reason": "Timeout",
        "message": "m",
        "observedGeneration": 1,
        "lastTransitionTime": format_timestamp(a.NOW + since),
    }


def after(outcome: Outcome, *others: float | None, of: Visit | None = None, jitter: float = 1.0) -> float:
    planner = Planner(
        now=lambda: a.NOW, uniform=lambda low, high: low + (high - low) * (jitter - 1), timings=TIMINGS
    )
    result = planner.after(of or visit(), outcome, *others)
    assert not result.failed
    assert result.after is not None
    return result.after


def failed(kind: FailureKind, side: Side = Side.SOURCE, *, stalled: bool = False) -> Outcome:
    failure = Failure(side=side, kind=kind, reason=Reason.SOURCE_UNREACHABLE, message="m")
    outcome = SideOutcome(failure=failure, stalled=stalled)
    return Outcome(source=outcome) if side is Side.SOURCE else Outcome(catalog=outcome)


def test_where_all_is_well_it_is_the_interval_never_less_and_a_tenth_more_at_most() -> None:
    assert after(Outcome(source=SideOutcome(), catalog=SideOutcome())) == INTERVAL
    assert after(Outcome(), jitter=2.0) == pytest.approx(INTERVAL * (1 + JITTER))


def test_the_soonest_of_what_else_is_due_counts() -> None:
    assert after(Outcome(), None, 40.0, 7.0) == 7.0
    assert after(Outcome(), 2 * INTERVAL) == INTERVAL


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(
    ("kind", "stalled", "seconds"),
    [
        (FailureKind.CREDENTIAL, False, TIMINGS.secret_look),
        (FailureKind.CREDENTIAL, True, TIMINGS.secret_look),
        (FailureKind.SECRET, False, TIMINGS.missing_retry),
        (FailureKind.SECRET, True, TIMINGS.secret_look),
        (FailureKind.CONFIGURATION, True, INTERVAL),
        (FailureKind.TRANSIENT, False, GRACE + 1),
    ],
)
def test_a_failure_is_looked_at_again(side: Side, kind: FailureKind, stalled: bool, seconds: float) -> None:
    assert after(failed(kind, side, stalled=stalled)) == seconds


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(
    ("status", "since", "seconds"),
    [
        ("False", timedelta(seconds=-300), GRACE - 300 + 1),
        ("False", timedelta(seconds=-GRACE), INTERVAL),
        ("False", timedelta(hours=-3), INTERVAL),
        ("False", timedelta(days=1), GRACE + 1),
        ("True", timedelta(seconds=-300), GRACE + 1),
        ("Unknown", timedelta(seconds=-300), GRACE + 1),
    ],
)
def test_an_outage_is_looked_at_when_its_grace_ends_counted_from_its_first_failure(
    side: Side, status: str, since: timedelta, seconds: float
) -> None:
    of = visit([condition(side, status, since=since)])
    assert after(failed(FailureKind.TRANSIENT, side), of=of) == pytest.approx(seconds)
