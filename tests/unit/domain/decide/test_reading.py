"""Readings settled against the one before: lagging worker processes and moving timestamps decide nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmeat_operator.domain.decide.reading import SettledReading, settle
from tests.conditions import builders as a

NOW = datetime(2026, 1, 10, tzinfo=UTC)
OLD, MIDDLE, NEW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def again(first: list[Any], second: list[Any], newest: dict[str, datetime] | None = None) -> SettledReading:
    before = settle(first, previous=None, newest={}, now=NOW)
    return settle(
        second, previous=before.elements, newest=before.newest if newest is None else newest, now=NOW
    )


def test_the_first_reading_is_taken_as_it_is() -> None:
    listed = [a.element("t0"), None, a.element("t1", generated=NEW)]
    found = settle(listed, previous=None, newest={}, now=NOW)
    assert found.elements == tuple(listed)
    assert found.generated == found.newest == {"id-t0": moment(OLD), "id-t1": moment(NEW)}


def test_a_newer_generated_at_alone_changes_nothing_that_is_shown() -> None:
    found = again([a.element("t0", generated=OLD)], [a.element("t0", generated=NEW)])
    assert found.elements == (a.element("t0", generated=OLD),)
    assert found.generated == {"id-t0": moment(NEW)}, "staleness goes by what is observed now"


def test_new_content_brings_its_generated_at() -> None:
    changed = a.element("t0", generated=NEW, description="New.")
    assert again([a.element("t0")], [changed]).elements == (changed,)


def test_another_order_of_a_forms_fields_is_new_content() -> None:
    first, second = a.element("t0"), a.element("t0")
    first["spec"]["parameters"] = {"properties": {"name": {}, "owner": {}}}
    second["spec"]["parameters"] = {"properties": {"owner": {}, "name": {}}}
    (settled,) = again([first], [second]).elements
    assert list(settled["spec"]["parameters"]["properties"]) == ["owner", "name"]


def test_a_lagging_worker_brings_no_old_content_back() -> None:
    fresh = a.element("t0", generated=NEW, description="New.")
    lagging = a.element("t0", generated=OLD, description="Old.")
    found = again([fresh], [lagging])
    assert found.elements == (fresh,)
    assert found.newest == {"id-t0": moment(NEW)}
    assert found.generated == {"id-t0": moment(NEW)}, "staleness does not flip with the worker that answers"


def test_after_a_restart_the_published_time_stands_in_for_the_newest_seen() -> None:
    fresh = a.element("t0", generated=NEW, description="New.")
    lagging = a.element("t0", generated=OLD, description="Old.")
    assert again([fresh], [lagging], newest={}).elements == (fresh,)


def test_content_between_the_shown_and_the_newest_time_lags_too() -> None:
    first = settle([a.element("t0", generated=OLD)], previous=None, newest={}, now=NOW)
    second = settle([a.element("t0", generated=NEW)], previous=first.elements, newest=first.newest, now=NOW)
    lagging = a.element("t0", generated=MIDDLE, description="Other.")
    third = settle([lagging], previous=second.elements, newest=second.newest, now=NOW)
    assert third.elements == first.elements


def test_another_version_is_taken_whatever_its_time() -> None:
    downgrade = a.element("t0", version="0.9.0", generated=OLD)
    assert again([a.element("t0", generated=NEW)], [downgrade]).elements == (downgrade,)


def test_without_a_time_nothing_lags() -> None:
    plain = a.element("t0", generated="never", description="New.")
    assert again([a.element("t0", generated=NEW)], [plain]).elements == (plain,)


def test_what_is_gone_is_gone_and_what_is_new_comes() -> None:
    found = again(a.elements(2), [a.element("t1"), a.element("t5")])
    assert [one["metadata"]["name"] for one in found.elements] == ["t1", "t5"]


def test_several_elements_of_one_bundle_are_paired_in_their_order() -> None:
    pair = [a.element("x", id="same", generated=OLD), a.element("y", id="same", generated=OLD)]
    later = [a.element("x", id="same", generated=NEW), a.element("y", id="same", generated=NEW)]
    assert again(pair, later).elements == tuple(pair)


def test_bundle_ids_with_and_without_prefix_are_one() -> None:
    found = again([a.element("t0", id="x", generated=NEW)], [a.element("t0", id="bundle:x", generated=OLD)])
    assert list(found.newest) == ["x"]


listing = st.lists(
    st.builds(
        lambda name, version, day, text: a.element(
            name, version=version, generated=f"2026-01-0{day}T00:00:00Z", description=text
        ),
        st.sampled_from(["t0", "t1", "t2"]),
        st.sampled_from(["1.0.0", "2.0.0"]),
        st.integers(1, 5),
        st.sampled_from(["A.", "B."]),
    ),
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(listing, min_size=1, max_size=5))
def test_laws(history: list[list[Any]]) -> None:
    previous: tuple[Any, ...] | None = None
    newest: dict[str, datetime] = {}
    for listed in history:
        found = settle(listed, previous=previous, newest=newest, now=NOW)
        assert len(found.elements) == len(listed)
        pool = [*listed, *(previous or ())]
        assert all(one in pool for one in found.elements), "nothing is made up"
        assert all(found.newest[key] >= moment_ for key, moment_ in newest.items())
        same = settle(listed, previous=found.elements, newest=found.newest, now=NOW)
        assert same.elements == found.elements, "the same list again changes nothing"
        previous, newest = found.elements, dict(found.newest)
    assert all(value.tzinfo is UTC for value in newest.values())


def test_an_older_time_is_ignored_for_an_hour_at_most() -> None:
    fresh = a.element("t0", generated=NEW, description="New.")
    lagging = a.element("t0", generated=OLD, description="Old.")
    found = settle([fresh], previous=None, newest={}, now=NOW)
    taken = []
    for minutes in (0, 30, 59, 60, 61):
        found = settle(
            [lagging],
            previous=found.elements,
            newest=found.newest,
            lagging=found.lagging,
            now=NOW + timedelta(minutes=minutes),
        )
        taken.append(found.elements == (lagging,))
    assert taken == [False, False, False, True, True]


def test_the_hour_begins_anew_once_the_newest_was_served_again() -> None:
    fresh, lagging = a.element("t0", generated=NEW), a.element("t0", generated=OLD, description="Old.")
    found = settle([fresh], previous=None, newest={}, now=NOW)
    for minutes, listed in ((0, lagging), (50, fresh), (70, lagging)):
        found = settle(
            [listed],
            previous=found.elements,
            newest=found.newest,
            lagging=found.lagging,
            now=NOW + timedelta(minutes=minutes),
        )
    assert found.elements == (fresh,)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_time_ahead_of_our_clock_outranks_nothing(restarted: bool) -> None:
    ahead = a.element("t0", generated="2027-01-01T00:00:00Z", description="By a wrong clock.")
    right = a.element("t0", generated=NEW, description="By the right one.")
    first = settle([ahead], previous=None, newest={}, now=NOW)
    newest = {} if restarted else first.newest
    assert settle([right], previous=first.elements, newest=newest, now=NOW).elements == (right,)


def test_a_clock_that_is_ahead_by_less_than_five_minutes_counts() -> None:
    ahead = a.element("t0", generated="2026-01-10T00:04:00Z", description="New.")
    lagging = a.element("t0", generated=NEW, description="Old.")
    first = settle([ahead], previous=None, newest={}, now=NOW)
    assert settle([lagging], previous=first.elements, newest=first.newest, now=NOW).elements == (ahead,)
