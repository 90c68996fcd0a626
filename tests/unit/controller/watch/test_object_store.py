"""The objects of one kind as last seen: nothing old comes back, nothing that is gone stays, and a list that is
newer by time is the truth, also where resource versions went back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from skillmeat_operator.api.objects import InvalidObject
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.controller.watch.object_store import Listing, ObjectStore, RawObject, version_number
from tests.conditions import builders as a

Objects = ObjectStore[CatalogSource]


def answer(objects: Objects, listing: Listing, version: str, *items: RawObject) -> list[str]:
    """Take in a list's answer; the UIDs of what has vanished, which is removed."""
    listing.answered(version)
    for obj in items:
        objects.put_listed(obj, listing)
    gone = [obj["metadata"]["uid"] for obj in objects.end_list(listing)]
    for uid in gone:
        objects.remove(uid, version)
    return gone


def full_list(objects: Objects, version: str, *items: RawObject, namespace: str | None = None) -> list[str]:
    return answer(objects, objects.begin_list(namespace), version, *items)


def names(found: Sequence[RawObject]) -> list[str]:
    return [obj["metadata"]["name"] for obj in found]


def source(uid: str = "u", version: str = "5", **more: Any) -> dict[str, Any]:
    return a.raw_source(uid=uid, resourceVersion=version, **more)


@pytest.fixture
def objects() -> Objects:
    return ObjectStore("catalogsources", parse=CatalogSource.from_object)


def test_a_new_object_and_its_change(objects: Objects) -> None:
    first, second = source(), source(version="6")
    assert objects.put(first) is None
    assert objects.put(second) is first
    assert objects.get("u") is objects.find("team", "main") is second
    assert (len(objects), list(objects)) == (1, [second])


def test_an_old_event_after_a_newer_one_changes_nothing(objects: Objects) -> None:
    newer = source(version="10")
    objects.put(newer)
    assert objects.put(source(version="9")) is newer
    assert objects.get("u") is newer


def test_versions_are_numbers(objects: Objects) -> None:
    objects.put(source(version="99"))
    objects.put(newer := source(version="100"))
    assert objects.get("u") is newer


def test_made_anew_under_the_same_name(objects: Objects) -> None:
    objects.put(source("former", "5"))
    objects.put(anew := source("anew", "8"))
    assert objects.find("team", "main") is anew
    assert (objects.get("former"), len(objects)) == (None, 1)
    assert objects.put(source("former", "6")) is None
    assert (objects.find("team", "main"), objects.get("former")) == (anew, None)
    objects.remove("former")
    assert objects.find("team", "main") is anew


def test_removed_objects_do_not_come_back_with_an_old_list(objects: Objects) -> None:
    last = source(version="7")
    objects.put(last)
    assert objects.remove("u") is last
    assert objects.remove("u") is None
    assert objects.put(source(version="7")) is None
    assert (objects.get("u"), objects.find("team", "main")) == (None, None)
    again = source(version="8")
    objects.put(again)
    assert objects.get("u") is again, "an object that left a selector may return, and is newer then"


def test_names_are_of_their_namespace(objects: Objects) -> None:
    objects.put(one := source("one", namespace="a"))
    objects.put(two := source("two", namespace="b"))
    assert (objects.find("a", "main"), objects.find("b", "main")) == (one, two)
    assert objects.find("c", "main") is None


def test_a_list_drops_what_it_lacks(objects: Objects) -> None:
    objects.put(source("old", "5", name="old"))
    objects.put(listed := source("listed", "5", name="listed"))
    assert full_list(objects, "20", listed) == ["old"]
    assert full_list(objects, "21", listed) == []


def test_a_list_keeps_what_came_while_it_was_under_way(objects: Objects) -> None:
    listing = objects.begin_list(None)
    objects.put(source("new", "30", name="new"))
    assert answer(objects, listing, "20") == []


def test_a_list_drops_what_went_before_its_moment_and_whose_event_came_late(objects: Objects) -> None:
    listing = objects.begin_list(None)
    objects.put(source("late", "10", name="late"))
    assert answer(objects, listing, "20") == ["late"]


def test_a_change_during_a_list_outlives_the_list(objects: Objects) -> None:
    objects.put(old := source(version="5"))
    listing = objects.begin_list(None)
    objects.put(new := source(version="30"))
    answer(objects, listing, "20", old)
    assert objects.get("u") is new


def test_what_was_deleted_during_a_list_does_not_come_back_with_it(objects: Objects) -> None:
    objects.put(obj := source(version="5"))
    listing = objects.begin_list(None)
    objects.remove("u")
    answer(objects, listing, "20", obj)
    assert objects.get("u") is None


def test_an_answer_that_is_older_than_the_list_that_lacked_it_brings_nothing_back(objects: Objects) -> None:
    objects.put(source(version="5"))
    assert full_list(objects, "20") == ["u"]
    assert objects.put(source(version="9")) is None
    assert objects.get("u") is None


def test_a_list_of_one_namespace_says_nothing_of_another(objects: Objects) -> None:
    objects.put(source("one", namespace="a"))
    objects.put(source("two", namespace="b"))
    assert full_list(objects, "20", namespace="a") == ["one"]
    assert names(objects.within("b")) == names(objects.within(None)) == ["main"]


# etcd restored from a backup


def test_a_restored_object_replaces_the_newer_one(objects: Objects) -> None:
    objects.put(source(version="990", generation=3))
    objects.put(source("since", "980", name="since"))
    gone = full_list(objects, "905", restored := source(version="850", generation=2))
    assert gone == ["since"]
    assert objects.get("u") is restored
    objects.put(changed := source(version="906"))
    assert objects.get("u") is changed, "what follows is judged within the new history"


def test_the_same_version_may_be_another_object_after_a_restore(objects: Objects) -> None:
    objects.put(source(version="900", generation=3))
    objects.put(source("other", "990", name="other"))
    full_list(objects, "905", restored := source(version="900", generation=2))
    assert objects.get("u") is restored


def test_a_restored_object_replaces_a_newer_one_also_when_versions_have_caught_up(objects: Objects) -> None:
    objects.put(source(version="990"))
    objects.put(source("deleted", "970", name="deleted"))
    objects.remove("deleted")
    back = source("deleted", "850", name="deleted")
    full_list(objects, "1100", restored := source(version="850"), back)
    assert objects.get("u") is restored
    assert objects.get("deleted") is back


def test_what_was_removed_before_a_restore_comes_back_with_it(objects: Objects) -> None:
    objects.put(source(version="990"))
    objects.remove("u")
    assert objects.put(source(version="850")) is None, "by an event alone nobody can tell"
    full_list(objects, "905", restored := source(version="850"))
    assert objects.get("u") is restored
    objects.remove("u")
    objects.put(source("other", "906", name="other"))
    assert objects.put(source(version="850")) is None


def test_a_new_objects_event_may_come_before_the_list_of_the_new_history(objects: Objects) -> None:
    objects.put(old := source(version="990"))
    objects.put(new := source("new", "903", name="new"))
    assert objects.put(source(version="904")) is old
    listing = objects.begin_list(None)
    assert answer(objects, listing, "905", changed := source(version="904"), new) == []
    assert (objects.get("u"), objects.get("new")) == (changed, new)
    assert (listing.new_history, listing.doubtful) == (True, False)


def test_a_late_event_of_the_old_history_during_the_list_is_settled_by_the_next(objects: Objects) -> None:
    objects.put(source(version="990"))
    first = objects.begin_list(None)
    objects.put(source(version="995"))
    objects.put(source("unseen", "996", name="unseen"))
    answer(objects, first, "905", restored := source(version="850"))
    assert first.doubtful
    assert objects.get("u") is restored
    assert objects.get("unseen") is not None, "may as well be newer than the list"
    second = objects.begin_list(None)
    assert answer(objects, second, "906", restored) == ["unseen"]
    assert not second.doubtful


def test_a_removal_during_the_list_of_a_new_history_is_settled_by_the_next(objects: Objects) -> None:
    objects.put(source(version="990"))
    first = objects.begin_list(None)
    objects.remove("u")
    answer(objects, first, "905", source(version="850"))
    assert first.doubtful
    full_list(objects, "906")
    assert objects.get("u") is None


def test_an_event_of_the_old_history_after_the_list_is_undone_by_the_next(objects: Objects) -> None:
    objects.put(source(version="990"))
    full_list(objects, "905", restored := source(version="850"))
    objects.put(source(version="995"))
    full_list(objects, "906", restored)
    assert objects.get("u") is restored


def test_a_new_history_is_noticed_once(objects: Objects) -> None:
    objects.put(source(version="990"))
    first = objects.begin_list("a")
    answer(objects, first, "905")
    second = objects.begin_list("b")
    answer(objects, second, "906")
    assert (first.new_history, second.new_history, objects.highest) == (True, False, 906)


# Parsed objects


def test_an_object_is_parsed_once_for_each_form(objects: Objects) -> None:
    objects.put(source(version="5"))
    first = objects.parsed("u")
    objects.put(source(version="5"))
    assert first is not None
    assert objects.parsed("u") is first
    objects.put(source(version="6", generation=2))
    second = objects.parsed("u")
    assert second is not None
    assert (second.generation, objects.parsed("u") is second) == (2, True)
    objects.remove("u")
    assert objects.parsed("u") is None


def test_what_does_not_parse_says_so_each_time_and_is_tried_once() -> None:
    tries = []

    def parse(obj: RawObject, known: CatalogSource | None) -> CatalogSource:
        tries.append(obj)
        raise InvalidObject("spec.source: not known here")

    objects: Objects = ObjectStore("catalogsources", parse=parse)
    objects.put(source())
    for _ in range(3):
        with pytest.raises(InvalidObject, match="not known here"):
            objects.parsed("u")
    assert len(tries) == 1
    objects.put(source(version="6"))
    with pytest.raises(InvalidObject):
        objects.parsed("u")
    assert len(tries) == 2


def test_a_form_with_the_same_spec_shares_the_model_of_it(objects: Objects) -> None:
    objects.put(source())
    first = objects.parsed("u")
    objects.put(source(version="6", annotations={"a": "b"}))
    objects.put(source(version="7", annotations={"a": "c"}))
    third = objects.parsed("u")
    assert first is not None
    assert third is not None
    assert third.spec is first.spec
    assert third.annotations == {"a": "c"}


def test_another_spec_is_read_anew_whatever_the_generation_says(objects: Objects) -> None:
    objects.put(source())
    first = objects.parsed("u")
    changed = source(version="6")
    changed["spec"] = {**changed["spec"], "interval": "7m"}
    objects.put(changed)
    second = objects.parsed("u")
    assert first is not None
    assert second is not None
    assert second.spec.interval.total_seconds() == 420
    assert first.spec.interval != second.spec.interval


def test_objects_without_a_version_replace_each_other(objects: Objects) -> None:
    objects.put(source(version=""))
    objects.put(later := source(version=""))
    assert objects.get("u") is later


def test_what_was_removed_longest_ago_is_forgotten_first(objects: Objects) -> None:
    for number in range(4097):
        objects.put(source(f"u{number}", "5", name=f"n{number}"))
        objects.remove(f"u{number}")
    back = [f"u{number}" for number in (0, 1, 4096)]
    for uid in back:
        objects.put(source(uid, "5", name=uid.replace("u", "n")))
    assert [objects.get(uid) is not None for uid in back] == [True, False, False]


def test_a_list_that_shows_the_name_in_another_life_replaces_the_former_one(objects: Objects) -> None:
    objects.put(source("former", "5"))
    listing = objects.begin_list(None)
    listing.answered("9")
    assert objects.put_listed(anew := source("anew", "8"), listing) is None
    assert (objects.find("team", "main"), objects.get("former"), len(objects)) == (anew, None, 1)
    assert objects.within("team") == [anew]


def test_a_list_does_not_bring_back_a_former_life_of_what_was_made_anew_meanwhile(objects: Objects) -> None:
    listing = objects.begin_list(None)
    objects.put(anew := source("anew", "12"))
    listing.answered("9")
    assert objects.put_listed(source("former", "8"), listing) is None
    assert objects.end_list(listing) == []
    assert (objects.find("team", "main"), objects.get("former")) == (anew, None)


def test_one_of_a_namespace_that_goes_leaves_the_others_in_it(objects: Objects) -> None:
    objects.put(source("one", name="one"))
    objects.put(two := source("two", name="two"))
    objects.remove("one")
    assert objects.within("team") == objects.within(None) == [two]
    objects.remove("two")
    assert (objects.within("team"), objects.within("nowhere"), len(objects)) == ([], [], 0)
    assert objects.remove("two") is None
    assert (objects.get("two"), objects.find("team", "two")) == (None, None)


def test_an_index_finds_what_it_files_and_nothing_that_it_does_not() -> None:
    made: ObjectStore[CatalogSource] = ObjectStore(
        "catalogsources",
        parse=CatalogSource.from_object,
        index=lambda obj: obj["metadata"].get("labels", {}).get("of"),
    )
    made.put(source("one", name="one", labels={"of": "x"}))
    made.put(two := source("two", name="two", labels={"of": "x"}))
    made.put(source("three", name="three"))
    assert [len(made.indexed(key)) for key in ("x", "y", None)] == [2, 0, 0]
    made.put(moved := source("one", "6", name="one", labels={"of": "y"}))
    assert (made.indexed("x"), made.indexed("y")) == ([two], [moved])
    made.remove("two")
    assert made.indexed("x") == []


def test_the_same_version_again_is_the_form_that_is_known(objects: Objects) -> None:
    objects.put(first := source())
    assert objects.put(source()) is first
    assert objects.get("u") is first


def test_what_was_removed_at_a_version_is_back_with_a_later_one_only(objects: Objects) -> None:
    objects.put(source(version="5"))
    objects.remove("u", "9")
    assert objects.put(source(version="9")) is None
    assert objects.get("u") is None
    objects.put(back := source(version="10"))
    assert objects.get("u") is back


@pytest.mark.parametrize(("text", "number"), [("17", 17), ("", 0), ("a1", 0), ("-1", 0), ("1.5", 0)])
def test_a_version_that_is_no_number_is_0(text: str, number: int) -> None:
    assert version_number(text) == number


def test_the_highest_version_is_that_of_objects_and_lists(objects: Objects) -> None:
    assert objects.highest == 0
    objects.put(source(version="7"))
    assert objects.highest == 7
    full_list(objects, "9", source(version="7"))
    assert objects.highest == 9
    objects.put(source("other", "8", name="other"))
    assert objects.highest == 9


def test_removals_of_a_former_history_are_no_longer_held_against_the_present_one(objects: Objects) -> None:
    objects.put(source("before", "50", name="before"))
    objects.put(source("during", "51", name="during"))
    objects.remove("before")
    listing = objects.begin_list(None)
    objects.remove("during")
    answer(objects, listing, "20")
    objects.put(back := source("before", "21", name="before"))
    objects.put(source("during", "21", name="during"))
    assert objects.get("before") is back
    assert objects.get("during") is None, "it was removed after the list was asked for"
