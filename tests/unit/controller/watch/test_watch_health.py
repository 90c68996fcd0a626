"""What is told of the watches: which is away, why, what to do; and once for each change."""

from __future__ import annotations

import logging

import pytest

from skillmeat_operator.adapters.kubernetes.errors import ForbiddenError, UnavailableError
from skillmeat_operator.api.keys import CATALOG_SOURCE, TEMPLATE_BUNDLE
from skillmeat_operator.controller.watch.watch_health import (
    Absence,
    Cause,
    WatchHealth,
    WatchKey,
    absent_by_status,
    ended,
    refused,
)

SOURCES, TEAM = WatchKey(CATALOG_SOURCE, None), WatchKey(TEMPLATE_BUNDLE, "team-b")


@pytest.fixture
def health(caplog: pytest.LogCaptureFixture) -> WatchHealth:
    caplog.set_level(logging.INFO)
    return WatchHealth([SOURCES, TEAM], clock=lambda: 5.0)


def test_a_watch_that_was_not_begun_is_away_without_a_word_in_the_log(
    health: WatchHealth, caplog: pytest.LogCaptureFixture
) -> None:
    assert "catalogsources.skillmeat.io in all namespaces are not watched yet" in (health.problem() or "")
    health.well(SOURCES)
    health.well(TEAM)
    assert health.problem() is None
    assert caplog.messages == [f"watching {SOURCES}", f"watching {TEAM}"]


def test_a_change_of_the_cause_is_told_and_a_further_try_is_not(
    health: WatchHealth, caplog: pytest.LogCaptureFixture
) -> None:
    health.well(SOURCES)
    caplog.clear()
    for status in (500, 503, 500):
        health.away(SOURCES, absent_by_status(SOURCES, "watch", status))
    health.away(SOURCES, absent_by_status(SOURCES, "list", 403))
    health.away(SOURCES, absent_by_status(SOURCES, "list", 403))
    health.well(SOURCES)
    assert [message[:30] for message in caplog.messages] == [
        f"trying again: {SOURCES}"[:30],
        "trying again: the operator may",
        f"watching {SOURCES}"[:30],
    ]


@pytest.mark.parametrize(
    ("absence", "cause", "said"),
    [
        pytest.param(
            refused(TEAM, ForbiddenError("GET x: HTTP 403")),
            Cause.RIGHTS,
            "may not list templatebundles.skillmeat.io in namespace team-b",
            id="rights",
        ),
        pytest.param(
            refused(SOURCES, UnavailableError("GET x: HTTP 404", status=404)),
            Cause.KIND,
            "skillmeat-operator crds | kubectl apply -f -",
            id="kind",
        ),
        pytest.param(
            refused(SOURCES, UnavailableError("GET x: timed out")), Cause.SERVER, "timed out", id="server"
        ),
        pytest.param(
            absent_by_status(TEAM, "watch", 403), Cause.RIGHTS, "may not watch templatebundles", id="verb"
        ),
        pytest.param(ended(TEAM, "it broke off"), Cause.ENDED, "begun anew: it broke off", id="ended"),
    ],
)
def test_a_cause_is_a_sentence_with_what_to_do(absence: Absence, cause: Cause, said: str) -> None:
    assert absence.cause is cause
    assert said in absence.sentence


def test_many_that_are_away_are_counted() -> None:
    keys = [WatchKey(CATALOG_SOURCE, f"team-{number}") for number in range(8)]
    said = WatchHealth(keys, clock=lambda: 0.0).problem() or ""
    assert "team-4" in said
    assert "team-5" not in said
    assert said.endswith("and 3 more")


def test_a_watch_is_away_since_its_cause_is_what_it_is_and_well_since_then() -> None:
    times = [5.0]
    health = WatchHealth([SOURCES], clock=lambda: times[-1])
    broken, busy = absent_by_status(SOURCES, "watch", 500), absent_by_status(SOURCES, "watch", 503)
    rights = absent_by_status(SOURCES, "list", 403)
    since = [health.states[SOURCES].since]
    for absence in (broken, busy, rights, rights, None, None, rights):
        times.append(times[-1] + 1.0)
        if absence is None:
            health.well(SOURCES)
        else:
            health.away(SOURCES, absence)
        since.append(health.states[SOURCES].since)
    assert since == [5.0, 6.0, 6.0, 8.0, 8.0, 10.0, 10.0, 12.0]


@pytest.mark.parametrize("count", [1, 5, 6])
def test_five_that_are_away_are_named_and_those_that_are_well_are_not(count: int) -> None:
    keys = [WatchKey(CATALOG_SOURCE, f"team-{number}") for number in range(7)]
    health = WatchHealth(keys, clock=lambda: 0.0)
    for key in keys[count:]:
        health.well(key)
    said = health.problem() or ""
    assert said.count("are not watched yet") == min(count, 5)
    assert ("and 1 more" in said) is (count == 6)
    assert ("more" in said) is (count == 6)


@pytest.mark.parametrize(
    ("cause", "lasting"),
    [
        (Cause.STARTING, False),
        (Cause.RIGHTS, True),
        (Cause.KIND, True),
        (Cause.SERVER, False),
        (Cause.ENDED, False),
    ],
)
def test_only_what_a_person_mends_lasts(cause: Cause, lasting: bool) -> None:
    assert cause.lasting is lasting


def test_a_look_at_a_server_that_fails_otherwise_is_the_servers_matter() -> None:
    assert refused(SOURCES, UnavailableError("GET x: HTTP 500", status=500)).cause is Cause.SERVER
    assert absent_by_status(SOURCES, "list", 405).cause is Cause.SERVER
    assert "HTTP 405 to list" in absent_by_status(SOURCES, "list", 405).sentence
