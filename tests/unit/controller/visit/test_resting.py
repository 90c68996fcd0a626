"""Suspended, or of a spec that cannot be read: nothing is read any more, what is published stays, status says why."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from skillmeat_operator.controller.publication.published import spec_hash
from skillmeat_operator.controller.queue import Result
from skillmeat_operator.controller.visit.resting import RestingVisits
from skillmeat_operator.controller.visit.visit import Visit
from tests.conditions import builders as a
from tests.unit.controller.visit.scene import Remotes, Writer, external, visit


@dataclass
class Parts:
    """Publications and TemplateBundles of one object."""

    hash: str | None = None
    """Of the spec that was published; None: nothing is."""
    looks: list[float] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    told: list[tuple[Any, ...]] = field(default_factory=list)
    fails: Exception | None = None

    async def stored(self, uid: str, *, not_before: float) -> Any:
        self.looks.append(not_before)
        return SimpleNamespace(head=SimpleNamespace(spec_hash=self.hash)) if self.hash else None

    async def content(self, uid: str) -> Any:
        return f"content of {uid}" if self.hash else None

    def forget(self, uid: str) -> None:
        self.forgotten.append(uid)

    async def write_waiting(self, *args: Any, suspended: bool = False) -> None:
        self.told.append((*args, suspended))
        if self.fails is not None:
            raise self.fails


@dataclass
class Scene:
    remotes: Remotes = field(default_factory=Remotes)
    parts: Parts = field(default_factory=Parts)
    writer: Writer = field(default_factory=Writer)

    def __post_init__(self) -> None:
        self.resting = RestingVisits(
            remotes=cast(Any, self.remotes),
            publications=cast(Any, self.parts),
            bundles=cast(Any, self.parts),
            writer=cast(Any, self.writer),
            now=lambda: a.NOW,
        )


@pytest.fixture
def scene() -> Scene:
    return Scene()


def suspended(spec: dict[str, Any] | None = None, *, told: int = 1, ready: bool = True) -> Visit:
    """A suspended object that was Ready in the generation that is told."""
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "Succeeded",
        "message": "m",
        "observedGeneration": told,
        "lastTransitionTime": "2026-03-01T11:00:00Z",
    }
    return visit({"suspend": True, **(spec or {})}, status={"conditions": [condition] if ready else []})


async def test_what_was_settled_is_carried_over(scene: Scene) -> None:
    of = suspended()
    scene.parts.hash = spec_hash(of.source.spec)
    assert await scene.resting.suspended(of) == Result.done()
    assert scene.writer.ready()[:2] == ("True", "Succeeded")
    assert scene.remotes.forgotten == scene.parts.forgotten == [a.UID]
    assert scene.parts.told == [("team", "main", f"content of {a.UID}", True)]
    assert scene.parts.looks == [0.0]


@pytest.mark.parametrize(
    ("of", "published", "settled"),
    [
        pytest.param(suspended(), "another spec", False, id="another-spec-is-published"),
        pytest.param(suspended(), None, False, id="nothing-is-published"),
        pytest.param(suspended(external()), None, True, id="external-of-this-generation"),
        pytest.param(suspended(external(), told=0), None, False, id="external-of-another-generation"),
        pytest.param(suspended(external(), ready=False), None, False, id="external-of-which-nothing-is-told"),
        pytest.param(suspended(external()), "another spec", False, id="external-after-a-publication"),
    ],
)
async def test_it_is_settled_only_where_this_spec_was(
    scene: Scene, of: Visit, published: str | None, settled: bool
) -> None:
    scene.parts.hash = published
    await scene.resting.suspended(of)
    assert scene.writer.ready()[:2] == (("True", "Succeeded") if settled else ("False", "Suspended"))


@pytest.mark.parametrize("how", ["suspended", "unreadable"])
async def test_its_own_status_is_written_although_its_bundles_could_not_be(scene: Scene, how: str) -> None:
    scene.parts.fails = ExceptionGroup("not written", [ValueError("one")])
    resting = scene.resting
    visiting = (
        resting.suspended(suspended()) if how == "suspended" else resting.unreadable(a.raw_source(), "why")
    )
    with pytest.raises(ExceptionGroup):
        await visiting
    assert len(scene.writer.statuses) + len(scene.writer.invalids) == 1


@pytest.mark.parametrize("published", ["a spec", None])
async def test_an_unreadable_one_is_told_and_its_bundles_wait(scene: Scene, published: str | None) -> None:
    scene.parts.hash = published
    assert await scene.resting.unreadable(a.raw_source(), "spec.x: newer") == Result.done()
    assert scene.writer.invalids == ["spec.x: newer"]
    assert scene.remotes.forgotten == [a.UID]
    content = f"content of {a.UID}" if published else None
    assert scene.parts.told == [("team", "main", content, False)]
    assert scene.parts.looks == [0.0]


async def test_a_status_is_of_the_spec_that_was_suspended(scene: Scene) -> None:
    of = suspended()
    await scene.resting.suspended(of)
    assert scene.writer.statuses[-1]["observedGeneration"] == 1
