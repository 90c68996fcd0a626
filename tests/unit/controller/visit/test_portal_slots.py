"""Visits that change a portal: one that hangs holds less than half of the workers, all of them not much more."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from skillmeat_operator.controller.visit.portal_slots import PortalBusyError, PortalSlots


def test_a_portal_and_all_portals_have_so_many_places() -> None:
    due: list[str] = []

    def mark_due(uid: str, after: float) -> None:
        assert after == 0.0
        due.append(uid)

    slots = PortalSlots(workers=20, mark_due=mark_due)
    with ExitStack() as held:
        for number in range(8):
            held.enter_context(slots.held("one", f"a{number}"))
        with pytest.raises(PortalBusyError), slots.held("one", "late"):
            pass
        for number in range(4):
            held.enter_context(slots.held("two", f"b{number}"))
        with pytest.raises(PortalBusyError), slots.held("two", "later"):
            pass
        with slots.held("three", "the first in its portal"):
            assert due == []
        assert due == ["late"]
    assert due == ["late", "later"]
    with slots.held("one", "late"):
        pass
    assert due == ["late", "later"]


def test_who_is_gone_is_not_called() -> None:
    due: list[str] = []
    slots = PortalSlots(workers=1, mark_due=lambda uid, after: due.append(uid))
    with slots.held("one", "a"):
        with pytest.raises(PortalBusyError), slots.held("one", "b"):
            pass
        assert "b" in slots
        slots.forget("b")
        assert "b" not in slots
    assert due == []
