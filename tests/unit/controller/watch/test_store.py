"""Both kinds together: gates by namespace, and the bundles of a source."""

from __future__ import annotations

from typing import Any

import pytest

from skillmeat_operator.controller.watch.store import Store, source_name
from tests.conditions import builders as a

SOURCES, BUNDLES = "catalogsources", "templatebundles"


def test_the_gate_of_the_cluster_opens_when_both_kinds_were_listed() -> None:
    store = Store()
    assert not store.note_listed(SOURCES)
    assert not store.note_listed(SOURCES)
    assert (store.gate.is_set(), store.is_open("team")) == (False, False)
    assert store.note_listed(BUNDLES), "opened just now"
    assert not store.note_listed(BUNDLES)
    assert (store.gate.is_set(), store.is_open("team")) == (True, True)


def test_each_namespace_has_a_gate_of_its_own() -> None:
    store = Store(["team-a", "team-b"])
    store.note_listed(SOURCES, "team-a")
    store.note_refused(SOURCES, "team-b")
    store.note_refused(BUNDLES, "team-b")
    assert (store.is_open("team-a"), store.gate.is_set()) == (False, False)
    assert store.note_listed(BUNDLES, "team-a")
    assert (store.is_open("team-a"), store.is_open("team-b"), store.gate.is_set()) == (True, False, True)
    store.note_refused(SOURCES, "team-a")
    assert store.is_open("team-a"), "what is known stays known when a right is taken away"
    store.note_listed(SOURCES, "team-b")
    assert store.note_listed(BUNDLES, "team-b")
    assert store.is_open("team-b")


def test_a_namespace_refused_for_one_kind_stays_shut() -> None:
    store = Store(["team-b"])
    store.note_listed(SOURCES, "team-b")
    store.note_refused(BUNDLES, "team-b")
    assert (store.is_open("team-b"), store.gate.is_set()) == (False, True)


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
    store.of("catalogsources").put(a.raw_source(uid="u"))
    assert (store.source_exists("u"), store.source_exists("v")) == (True, False)


@pytest.mark.parametrize("spec", [None, {}, {"sourceRef": None}, {"sourceRef": {"name": 7}}], ids=repr)
def test_a_bundle_without_source(spec: Any) -> None:
    assert source_name({"metadata": {}, "spec": spec}) is None


def test_a_bundle_that_moves_or_goes_is_no_longer_its_former_sources() -> None:
    store = Store()
    store.bundles.put(a.raw_bundle({}, resourceVersion="1"))
    assert len(store.bundles_of("team", "main")) == 1
    store.bundles.put(moved := a.raw_bundle({"sourceRef": {"name": "other"}}, resourceVersion="2"))
    assert (store.bundles_of("team", "main"), store.bundles_of("team", "other")) == ([], [moved])
    store.bundles.remove(moved["metadata"]["uid"])
    assert store.bundles_of("team", "other") == []


def test_other_peoples_bundles_are_not_looked_at() -> None:
    class Untouchable(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            assert not watched, "a foreign bundle was read"
            return super().__getitem__(key)

    watched = False
    store = Store()
    for number in range(50):
        foreign = a.raw_bundle({"sourceRef": {"name": "else"}}, name=f"b{number}")
        store.bundles.put(Untouchable(foreign))
    store.bundles.put(mine := a.raw_bundle({}, name="mine"))
    watched = True
    assert store.bundles_of("team", "main") == [mine]


def test_the_whole_cluster_or_the_named_namespaces_are_watched() -> None:
    assert Store().watches("team")
    assert (Store(["a"]).watches("a"), Store(["a"]).watches("b")) == (True, False)


@pytest.mark.parametrize("spec", [None, "text", [], {"sourceRef": "main"}, {"sourceRef": {"name": 1}}, {}])
def test_a_bundle_of_another_shape_names_no_source_and_stops_nothing(spec: object) -> None:
    raw = {**a.raw_bundle(), "spec": spec}
    store = Store()
    store.bundles.put(raw)
    assert source_name(raw) is None
    assert store.bundles_of("team", "main") == []
