"""The objects as last seen: nothing old comes back, and nothing that is gone stays."""

from __future__ import annotations

from typing import Any

import pytest

from skillmeat_operator.controller.watch.store import ObjectStore, Store, source_name
from tests.conditions import builders as a


def source(uid: str = "u", version: str = "5", **more: Any) -> dict[str, Any]:
    return a.raw_source(uid=uid, resourceVersion=version, **more)


@pytest.fixture
def objects() -> ObjectStore:
    return ObjectStore("catalogsources")


def test_a_new_object_and_its_change(objects: ObjectStore) -> None:
    first, second = source(), source(version="6")
    assert objects.put(first) is None
    assert objects.put(second) is first
    assert objects.get("u") is objects.find("team", "main") is second
    assert (len(objects), list(objects)) == (1, [second])


def test_an_old_event_after_a_newer_one_changes_nothing(objects: ObjectStore) -> None:
    newer = source(version="10")
    objects.put(newer)
    assert objects.put(source(version="9")) is newer
    assert objects.get("u") is newer


def test_versions_are_numbers(objects: ObjectStore) -> None:
    objects.put(source(version="99"))
    objects.put(newer := source(version="100"))
    assert objects.get("u") is newer


def test_made_anew_under_the_same_name(objects: ObjectStore) -> None:
    objects.put(source("former", "5"))
    objects.put(anew := source("anew", "8"))
    assert objects.find("team", "main") is anew
    assert (objects.get("former"), len(objects)) == (None, 1)
    assert objects.put(source("former", "6")) is None
    assert (objects.find("team", "main"), objects.get("former")) == (anew, None)
    objects.remove("former")
    assert objects.find("team", "main") is anew


def test_removed_objects_do_not_come_back_with_an_old_list(objects: ObjectStore) -> None:
    last = source(version="7")
    objects.put(last)
    assert objects.remove("u") is last
    assert objects.remove("u") is None
    assert objects.put(source(version="7")) is None
    assert (objects.get("u"), objects.find("team", "main")) == (None, None)
    again = source(version="8")
    objects.put(again)
    assert objects.get("u") is again, "an object that left a selector may return, and is newer then"


def test_what_a_list_lacks_has_vanished_unless_it_is_newer(objects: ObjectStore) -> None:
    objects.put(old := source("old", "5", name="old"))
    objects.put(source("new", "30", name="new"))
    objects.put(source("listed", "5", name="listed"))
    assert objects.vanished({"listed"}, "20") == [old]
    assert objects.vanished({"listed", "old"}, "20") == []


def test_names_are_of_their_namespace(objects: ObjectStore) -> None:
    objects.put(one := source("one", namespace="a"))
    objects.put(two := source("two", namespace="b"))
    assert (objects.find("a", "main"), objects.find("b", "main")) == (one, two)
    assert objects.find("c", "main") is None


def test_the_gate_opens_when_both_kinds_were_listed() -> None:
    store = Store()
    store.note_listed("catalogsources")
    store.note_listed("catalogsources")
    assert not store.gate.is_set()
    store.note_listed("templatebundles")
    assert store.gate.is_set()


def test_bundles_of_a_source() -> None:
    store = Store()
    for name, spec, metadata in (
        ("mine", {}, {}),
        ("other", {"sourceRef": {"name": "else"}}, {}),
        ("elsewhere", {}, {"namespace": "b"}),
        ("leaving", {}, {"deletionTimestamp": "2026-03-01T12:00:00Z"}),
    ):
        store.bundles.put(a.raw_bundle(spec, name=name, **metadata))
    assert [one["metadata"]["name"] for one in store.bundles_of("team", "main")] == ["mine"]


def test_source_exists() -> None:
    store = Store()
    store.of("catalogsources").put(source())
    assert (store.source_exists("u"), store.source_exists("v")) == (True, False)


@pytest.mark.parametrize("spec", [None, {}, {"sourceRef": None}, {"sourceRef": {"name": 7}}], ids=repr)
def test_a_bundle_without_source(spec: Any) -> None:
    assert source_name({"metadata": {}, "spec": spec}) is None
