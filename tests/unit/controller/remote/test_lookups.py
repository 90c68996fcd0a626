"""Look-ups by ref: gathered, shared, answered in the background, and forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from skillmeat_operator.adapters.http.hosts import Host
from skillmeat_operator.controller.remote.connections import PortalConnection
from skillmeat_operator.controller.remote.lookups import RefLookups
from skillmeat_operator.controller.remote.servers import Servers
from skillmeat_operator.domain.failure import FailedError, Failure, Side
from skillmeat_operator.domain.timings import Timings
from tests.unit.controller.virtual import clock, failure, middle, virtual

AWAY = failure(side=Side.CATALOG, whole_server=True)


@dataclass
class Portal:
    """What is asked of it, and what it answers."""

    asked: list[list[str]] = field(default_factory=list)
    fails: Failure | None = None
    shows: dict[str, Any] = field(default_factory=dict)

    async def entities_by_refs(self, refs: Iterable[str]) -> dict[str, Any]:
        self.asked.append(list(refs))
        await asyncio.sleep(0.2)
        if self.fails is not None:
            raise FailedError(self.fails)
        return {ref: self.shows.get(ref) for ref in refs}


@dataclass
class Scene:
    portal: Portal = field(default_factory=Portal)
    marked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        timings = Timings()
        self.lookups = RefLookups(
            servers=Servers(timings=timings, uniform=middle, clock=clock),
            mark_due=lambda uid, delay: self.marked.append(uid),
            broken=AWAY,
            clock=clock,
            uniform=middle,
            timings=timings,
        )
        self.connection = PortalConnection(
            key=("http://portal", "token"),
            host=Host("portal", 80),
            url="http://portal",
            client=cast(Any, self.portal),
            secrets="token",
        )

    def look(self, uid: str, refs: Iterable[str], *, age: float = 60.0, purpose: str = "wanted") -> Any:
        return self.lookups.look(uid, self.connection, refs, purpose=purpose, not_before=clock() - age)


@virtual
async def test_what_is_asked_within_a_moment_goes_out_as_one_and_answers_all() -> None:
    scene = Scene()
    for number in range(100):
        assert scene.look(f"v{number}", [f"template:n/t{number}", "template:n/shared"]) is None
    await asyncio.sleep(1)
    assert len(scene.portal.asked) == 1
    assert len(scene.portal.asked[0]) == 101
    assert sorted(set(scene.marked)) == sorted(f"v{number}" for number in range(100))
    assert scene.look("v7", ["template:n/t7"]) == {"template:n/t7": None}
    await scene.lookups.stop()


@virtual
async def test_an_answer_that_is_too_old_is_looked_up_again() -> None:
    scene = Scene()
    scene.look("a", ["template:n/t"])
    await asyncio.sleep(100)
    assert scene.look("a", ["template:n/t"], age=200) == {"template:n/t": None}
    assert scene.look("a", ["template:n/t"], age=60) is None
    scene.portal.shows["template:n/t"] = "entity"
    await asyncio.sleep(1)
    assert scene.look("a", ["template:n/t"], age=60) == {"template:n/t": "entity"}
    await scene.lookups.stop()


@virtual
async def test_a_failure_is_raised_once_it_is_known_and_the_look_up_is_tried_again() -> None:
    scene = Scene()
    scene.portal.fails = AWAY
    assert scene.look("a", ["template:n/t"]) is None
    await asyncio.sleep(1)
    with pytest.raises(FailedError):
        scene.look("a", ["template:n/t"])
    assert (
        scene.lookups.peek("a", scene.connection, ["template:n/t"], purpose="wanted", not_before=clock())
        is None
    )
    scene.portal.fails = None
    await asyncio.sleep(20)
    assert scene.look("a", ["template:n/t"]) == {"template:n/t": None}
    await scene.lookups.stop()


@virtual
async def test_questions_of_two_purposes_do_not_drop_each_others_answers() -> None:
    scene = Scene()
    for _ in range(3):
        first = scene.look("a", ["template:n/conflicting"], purpose="conflicts")
        second = scene.look("a", ["template:n/new"], purpose="wanted")
        await asyncio.sleep(1)
    assert (first, second) == ({"template:n/conflicting": None}, {"template:n/new": None})
    assert len(scene.portal.asked) == 1
    await scene.lookups.stop()


@virtual
async def test_answers_that_nobody_asks_for_are_dropped() -> None:
    scene = Scene()
    scene.look("a", ["template:n/t", "template:n/u"])
    scene.look("b", ["template:n/u"])
    await asyncio.sleep(1)
    scene.look("a", [])
    assert "a" not in scene.lookups
    assert scene.look("b", ["template:n/t", "template:n/u"]) is None
    await asyncio.sleep(1)
    assert scene.portal.asked[1] == ["template:n/t"]
    scene.lookups.leave("b")
    assert "b" not in scene.lookups
    await asyncio.sleep(100)
    assert len(asyncio.all_tasks()) == 1


@virtual
async def test_a_question_goes_out_a_moment_after_it_was_asked() -> None:
    scene = Scene()
    scene.look("a", ["template:n/t"])
    await asyncio.sleep(0.04)
    assert scene.portal.asked == []
    await asyncio.sleep(0.02)
    assert scene.portal.asked == [["template:n/t"]]
    await scene.lookups.stop()


@virtual
async def test_nothing_is_asked_and_nobody_remembered_where_nothing_is_looked_up() -> None:
    scene = Scene()
    assert scene.look("a", []) == {}
    await asyncio.sleep(1)
    assert (scene.portal.asked, "a" in scene.lookups) == ([], False)


@virtual
async def test_only_what_is_not_answered_yet_is_looked_up() -> None:
    scene = Scene()
    scene.portal.shows = {"template:n/t": "t", "template:n/u": "u"}
    scene.look("a", ["template:n/t"])
    await asyncio.sleep(1)
    assert scene.look("a", ["template:n/t", "template:n/u"]) is None
    await asyncio.sleep(1)
    assert scene.portal.asked == [["template:n/t"], ["template:n/u"]]
    assert scene.look("a", ["template:n/t", "template:n/u"]) == {"template:n/t": "t", "template:n/u": "u"}
    await scene.lookups.stop()


@virtual
async def test_an_answer_counts_from_the_moment_at_which_its_look_up_began() -> None:
    scene = Scene()
    scene.look("a", ["template:n/t"])
    await asyncio.sleep(1)
    began = 1000.05
    for not_before, found in ((began, True), (began - 0.01, True), (began + 0.01, False)):
        answer = scene.lookups.peek(
            "b", scene.connection, ["template:n/t"], purpose="p", not_before=not_before
        )
        assert (answer is not None) is found
    await scene.lookups.stop()


@virtual
async def test_a_ref_that_is_wanted_later_is_looked_up_again_then() -> None:
    scene = Scene()
    for at in (0.0, 10.0):
        scene.lookups.look(
            "a", scene.connection, ["template:n/t"], purpose="p", not_before=1000.0 + at if at else 0.0
        )
    await asyncio.sleep(1)
    assert len(scene.portal.asked) == 1
    scene.lookups.look("a", scene.connection, ["template:n/u"], purpose="q", not_before=0.0)
    await asyncio.sleep(1)
    assert scene.portal.asked[1] == ["template:n/t", "template:n/u"], "its answer was too old"
    await asyncio.sleep(10)
    scene.lookups.look("a", scene.connection, ["template:n/v"], purpose="q", not_before=0.0)
    await asyncio.sleep(1)
    scene.lookups.look("a", scene.connection, ["template:n/w"], purpose="q", not_before=0.0)
    await asyncio.sleep(1)
    assert scene.portal.asked[2:] == [["template:n/t", "template:n/v"], ["template:n/w"]]
    await scene.lookups.stop()


@virtual
async def test_a_failure_from_before_the_question_is_no_answer_to_it() -> None:
    scene = Scene()
    scene.portal.fails = failure(side=Side.CATALOG)
    scene.look("a", ["template:n/t"])
    await asyncio.sleep(1)
    assert scene.look("b", ["template:n/t"]) is None, "it asks for the first time"
    assert scene.look("a", ["template:n/t", "template:n/u"]) is None, "it asks for more"
    await scene.lookups.stop()


@virtual
async def test_a_failure_that_is_known_is_told_at_once_where_an_answer_is_too_old() -> None:
    scene = Scene()
    scene.look("a", ["template:n/t"])
    await asyncio.sleep(1)
    assert scene.look("a", ["template:n/t"]) == {"template:n/t": None}
    await asyncio.sleep(100)
    scene.portal.fails = failure(side=Side.CATALOG)
    scene.look("b", ["template:n/u"])
    await asyncio.sleep(1)
    with pytest.raises(FailedError):
        scene.look("a", ["template:n/t"])
    await scene.lookups.stop()


@virtual
async def test_who_asks_for_less_than_before_hears_of_the_failure() -> None:
    scene = Scene()
    scene.portal.fails = failure(side=Side.CATALOG)
    scene.look("a", ["template:n/t", "template:n/u"])
    await asyncio.sleep(1)
    with pytest.raises(FailedError):
        scene.look("a", ["template:n/t"])
    await scene.lookups.stop()


@pytest.mark.parametrize(("leaves", "stays"), [("a", "b"), ("b", "a")])
@virtual
async def test_one_that_leaves_takes_what_it_alone_asked_for_and_leaves_the_others_theirs(
    leaves: str, stays: str
) -> None:
    scene = Scene()
    scene.look(leaves, ["template:n/t", "template:n/u"])
    scene.look(stays, ["template:n/u"])
    await asyncio.sleep(1)
    scene.lookups.leave(leaves)
    scene.lookups.leave(leaves)
    assert (leaves in scene.lookups, stays in scene.lookups) == (False, True)
    assert scene.lookups.look(stays, scene.connection, [], purpose="another", not_before=0.0) == {}
    assert scene.look(stays, ["template:n/u"]) == {"template:n/u": None}
    assert scene.look(stays, ["template:n/t"]) is None
    await asyncio.sleep(1)
    assert scene.portal.asked[1:] == [["template:n/t"]]
    await scene.lookups.stop()


@virtual
async def test_one_purpose_that_is_over_leaves_the_other_in_place() -> None:
    scene = Scene()
    scene.look("a", ["template:n/t"], purpose="conflicts")
    scene.look("a", ["template:n/u"], purpose="wanted")
    await asyncio.sleep(1)
    assert scene.look("a", [], purpose="conflicts") == {}
    assert scene.look("a", [], purpose="never asked") == {}
    assert "a" in scene.lookups
    assert scene.look("a", ["template:n/u"], purpose="wanted") == {"template:n/u": None}
    assert scene.look("a", [], purpose="wanted") == {}
    assert "a" not in scene.lookups


@virtual
async def test_a_changed_credential_is_another_portal_whose_answers_are_its_own() -> None:
    scene = Scene()
    scene.look("a", ["template:n/t"])
    await asyncio.sleep(1)
    former, scene.connection = (
        scene.connection,
        PortalConnection(
            key=("http://portal", "another"),
            host=Host("portal", 80),
            url="http://portal",
            client=cast(Any, scene.portal),
            secrets="another",
        ),
    )
    assert scene.look("a", ["template:n/t"]) is None
    await asyncio.sleep(1)
    assert scene.look("a", ["template:n/t"]) == {"template:n/t": None}
    assert len(scene.portal.asked) == 2
    scene.connection = former
    assert scene.look("a", ["template:n/t"]) is None, "nobody asked there any more"
    await scene.lookups.stop()


@virtual
async def test_who_asks_again_meanwhile_still_hears_of_the_failure_of_the_first_look_up() -> None:
    scene = Scene()
    scene.portal.fails = failure(side=Side.CATALOG)
    scene.look("a", ["template:n/t"])
    await asyncio.sleep(0.1)
    assert scene.look("a", ["template:n/t"]) is None
    await asyncio.sleep(1)
    assert len(scene.portal.asked) == 1
    with pytest.raises(FailedError):
        scene.look("a", ["template:n/t"])
    await scene.lookups.stop()
