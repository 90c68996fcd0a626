"""Events in the background: no status waits for them, namespaces take turns, and what cannot be sent stops nobody."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from skillmeat_operator.adapters.kubernetes.events import EventRecorder, EventType
from skillmeat_operator.adapters.kubernetes.object_ref import ObjectRef
from skillmeat_operator.api.keys import TEMPLATE_BUNDLE
from skillmeat_operator.controller.visit import announcer
from skillmeat_operator.controller.visit.announcer import WORKERS, Announcer


class Recorder:
    """Takes Events once it is let."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.under_way = 0
        self.most = 0
        self.free = asyncio.Event()
        self.free.set()
        self.fails: set[str] = set()

    async def emit(self, ref: ObjectRef, event_type: EventType, reason: str, message: str) -> bool:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.free.wait()
            await asyncio.sleep(0)
        finally:
            self.under_way -= 1
        if ref.name in self.fails:
            raise ValueError("a defect")
        self.sent.append(f"{ref.namespace}/{ref.name} {event_type} {reason} {message}")
        return True


def post(one: Announcer, namespace: str, name: str) -> None:
    one.post(ObjectRef(TEMPLATE_BUNDLE, namespace, name, "uid"), EventType.NORMAL, "Succeeded", "m")


async def settled(one: Announcer) -> None:
    for _ in range(200):
        await asyncio.sleep(0)


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_is_posted_before_and_while_it_runs_is_sent() -> None:
    recorder = Recorder()
    one = Announcer(cast(EventRecorder, recorder))
    post(one, "team", "a")
    task = asyncio.create_task(one.run())
    await settled(one)
    assert recorder.sent == ["team/a Normal Succeeded m"]
    post(one, "team", "b")
    await settled(one)
    assert recorder.sent[1:] == ["team/b Normal Succeeded m"]
    await ended(task)


async def test_namespaces_take_turns_and_few_are_under_way() -> None:
    recorder = Recorder()
    recorder.free.clear()
    one = Announcer(cast(EventRecorder, recorder))
    for number in range(50):
        post(one, "large", str(number))
    task = asyncio.create_task(one.run())
    await settled(one)
    assert recorder.under_way == WORKERS
    post(one, "small", "x")
    recorder.free.set()
    await settled(one)
    assert recorder.most == WORKERS
    assert len(recorder.sent) == 51
    assert recorder.sent.index("small/x Normal Succeeded m") <= WORKERS + 1
    large = [one.split()[0] for one in recorder.sent if one.startswith("large")]
    assert large == [f"large/{number}" for number in range(50)], "those of one namespace in their order"
    await ended(task)


async def test_one_that_fails_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()
    recorder.fails = {str(number) for number in range(2 * WORKERS)}
    one = Announcer(cast(EventRecorder, recorder))
    for number in range(2 * WORKERS + 1):
        post(one, "team", str(number))
    task = asyncio.create_task(one.run())
    await settled(one)
    assert len(recorder.sent) == 1
    assert caplog.text.count("was not sent") == 2 * WORKERS
    await ended(task)


@pytest.mark.parametrize("taken", [True, False])
async def test_what_has_to_be_known_is_sent_at_once(taken: bool) -> None:
    class Answers:
        async def emit(self, *_: Any) -> bool:
            return taken

    one = Announcer(cast(EventRecorder, Answers()))
    ref = ObjectRef(TEMPLATE_BUNDLE, "team", "a", "uid")
    assert await one.send(ref, EventType.WARNING, "DeletionAbandoned", "m") is taken


async def test_more_than_can_wait_are_counted_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(announcer, "LIMIT", 3)
    recorder: Any = Recorder()
    one = Announcer(recorder)
    for name in "abcde":
        post(one, "team", name)
    assert one.lost == 2
    assert caplog.text.count("are not sent") == 1
    task = asyncio.create_task(one.run())
    await settled(one)
    assert [each.split()[0] for each in recorder.sent] == ["team/a", "team/b", "team/c"]
    post(one, "team", "f")
    await settled(one)
    assert recorder.sent[-1].startswith("team/f")
    await ended(task)
