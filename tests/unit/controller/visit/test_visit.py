"""One visit: is the object still what it was, and which requests wait for an answer."""

from __future__ import annotations

from typing import Any

import pytest

from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.controller.visit.visit import SupersededError, Visit
from skillmeat_operator.controller.watch.store import Store
from tests.conditions import builders as a


def visit(raw: dict[str, Any] | None = None) -> Visit:
    obj = a.raw_source() if raw is None else raw
    store = Store()
    store.sources.put(obj)
    return Visit(
        source=CatalogSource.from_object(obj),
        raw=obj,
        store=store,
        began=0.0,
        spec_seen=0.0,
    )


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"generation": 2}, id="spec"),
        pytest.param({"uid": "another"}, id="made-anew"),
        pytest.param({"deletionTimestamp": "2026-03-01T12:00:00Z"}, id="deletion"),
    ],
)
def test_it_is_superseded(changes: dict[str, Any]) -> None:
    one = visit()
    one.ensure_current()
    one.store.sources.put(a.raw_source(resourceVersion="2", **changes))
    with pytest.raises(SupersededError):
        one.ensure_current()


def test_it_is_superseded_by_its_end() -> None:
    one = visit()
    one.store.sources.remove(one.uid)
    with pytest.raises(SupersededError):
        one.ensure_current()


def test_own_writes_and_annotations_supersede_nothing() -> None:
    one = visit()
    one.store.sources.put(a.raw_source(resourceVersion="2", annotations={"a": "b"}, finalizers=["x"]))
    one.ensure_current()


OURS, FLUX = "skillmeat.io/reconcile-requested-at", "reconcile.fluxcd.io/requestedAt"


@pytest.mark.parametrize(
    ("annotations", "handled", "pending"),
    [
        pytest.param({}, None, (None, None), id="none"),
        pytest.param({OURS: "1"}, None, ("1", None), id="ours"),
        pytest.param({OURS: "1", FLUX: "2"}, None, ("1", "2"), id="both"),
        pytest.param({OURS: "1", FLUX: "2"}, {"skillmeat": "1"}, (None, "2"), id="ours-handled"),
        pytest.param({OURS: "1", FLUX: "2"}, {"skillmeat": "1", "flux": "2"}, (None, None), id="handled"),
        pytest.param({OURS: "3"}, {"skillmeat": "1"}, ("3", None), id="a-new-token"),
        pytest.param({OURS: "x" * 999}, {"skillmeat": "x" * 999}, (None, None), id="a-long-token"),
        pytest.param({OURS: "x" * 999}, {"skillmeat": "x" * 253}, ("x" * 999, None), id="another-long-token"),
        pytest.param({OURS: "x" * 1025}, {"skillmeat": "x" * 1023 + "…"}, (None, None), id="a-cut-token"),
    ],
)
def test_pending_requests(
    annotations: dict[str, str], handled: dict[str, str] | None, pending: tuple[str | None, str | None]
) -> None:
    raw = a.raw_source(annotations=annotations)
    if handled is not None:
        raw["status"]["handledRequests"] = handled
    assert visit(raw).pending_requests() == pending
