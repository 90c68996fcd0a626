"""The last readings of both sides, and which further ones are asked for: nothing waits, and nothing is made up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from skillmeat_operator.adapters.http.hosts import Host
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.controller.remote.connections import ListKey, PortalConnection, SourceConnection
from skillmeat_operator.controller.remote.reading import Reading
from skillmeat_operator.controller.remote.surroundings import Surroundings
from skillmeat_operator.controller.visit.failure_judge import FailureJudge
from skillmeat_operator.controller.visit.gather import (
    Gatherer,
    Observation,
    PortalObserved,
    SourceObserved,
)
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.controller.watch.changes import Changes
from skillmeat_operator.domain.failure import FailedError, Failure, FailureKind, Side
from skillmeat_operator.domain.observation import ServerInfo, TemplateList
from skillmeat_operator.domain.status.outcome import SideOutcome
from skillmeat_operator.domain.timings import Timings
from tests.conditions import builders as a
from tests.unit.controller.virtual import failure
from tests.unit.controller.visit.scene import Clock, Portal, Remotes, Views, visit

TIMINGS = Timings()
LIST = TemplateList(elements=tuple(a.elements(2)), digest="d")
AROUND = Surroundings(server=ServerInfo(version="0.74.0"), staleness=None)
REQUEST, FLUX = "skillmeat.io/reconcile-requested-at", "reconcile.fluxcd.io/requestedAt"
AWAY = failure()
REFUSED = failure(FailureKind.CREDENTIAL, reason=Reason.AUTHENTICATION_FAILED)
MISSING = failure(FailureKind.SECRET, reason=Reason.SECRET_NOT_FOUND)
BOTH = pytest.mark.parametrize("side", list(Side))


@dataclass
class Skillmeat:
    """A SkillMeat server's API."""

    within: list[float] = field(default_factory=list)

    async def list_templates(self, *, within: float) -> TemplateList:
        self.within.append(within)
        return LIST


@dataclass
class Scene:
    """One CatalogSource; both sides were read well at 990 s, and the visit begins at 1000 s."""

    clock: Clock = field(default_factory=Clock)
    fails: dict[Side, Failure] = field(default_factory=dict)
    """Why there is no connection."""
    renewed: list[str] = field(default_factory=list)
    looked: list[float] = field(default_factory=list)
    """How old what was read of Secrets might be."""
    working: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.portal, self.remotes, self.skillmeat = Portal(clock=self.clock), Remotes(), Skillmeat()
        self.changes = Changes(clock=self.clock)
        self.judge = FailureJudge(clock=self.clock, now=lambda: a.NOW, timings=TIMINGS)
        self.remotes.lists.last = Reading(began=990.0, value=LIST, failure=None, serial=3)
        self.remotes.pages.last = Reading(began=980.0, value=AROUND, failure=None, serial=1)
        self.remotes.views.last = self.portal.reading(began=990.0)
        self.gatherer = Gatherer(
            connections=cast(
                Any, SimpleNamespace(source=self._source, portal=self._portal, renew=self.renewed.append)
            ),
            remotes=cast(Any, self.remotes),
            changes=self.changes,
            working=lambda uid, connection: self.working.append(f"{uid} {connection.url}"),
            judge=self.judge,
            timings=TIMINGS,
        )

    async def _source(self, source: CatalogSource, *, not_before: float) -> SourceConnection:
        self.looked.append(not_before)
        if Side.SOURCE in self.fails:
            raise FailedError(self.fails[Side.SOURCE])
        return SourceConnection(
            key=ListKey("http://skillmeat.example", "x", ("token",)),
            host=Host("skillmeat.example", 80),
            client=cast(Any, self.skillmeat),
            secrets="token",
        )

    async def _portal(self, source: CatalogSource, *, not_before: float) -> PortalConnection:
        self.looked.append(not_before)
        if Side.CATALOG in self.fails:
            raise FailedError(self.fails[Side.CATALOG])
        return self.portal.connection()

    def readers(self, side: Side) -> Views:
        return self.remotes.lists if side is Side.SOURCE else self.remotes.views

    def fail(self, side: Side, with_failure: Failure, *, began: float = 990.0) -> None:
        """The last reading of a side failed."""
        self.readers(side).last = Reading(
            began=began, value=None, failure=replace(with_failure, side=side), serial=3
        )

    async def observe(self, of: Visit | None = None) -> Observation:
        return await self.gatherer.observe(of or visit())

    def asked(self, *tokens: str, at: float = 995.0) -> Visit:
        """A visit of an object for which somebody asked at a moment."""
        self.clock.now = at
        self.changes.note(a.UID, 1, tokens)
        self.clock.now = 1000.0
        return visit(annotations=dict(zip((REQUEST, FLUX), tokens, strict=False)))


def side_of(observation: Observation, side: Side) -> SourceObserved | PortalObserved:
    return observation.source if side is Side.SOURCE else observation.portal


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_what_was_read_of_both_sides_is_taken_as_it_is(scene: Scene) -> None:
    found = await scene.observe()
    assert found.source == SourceObserved(
        outcome=SideOutcome(), listing=scene.remotes.lists.last, around=AROUND, current=True
    )
    assert (found.portal.outcome, found.portal.view) == (SideOutcome(), scene.remotes.views.last)
    assert found.portal.connection == scene.portal.connection()
    assert (found.pending, found.current, found.pages_pending, found.asked) == (False, True, False, 0.0)
    assert scene.working == [f"{a.UID} http://portal.example:7007"]
    assert scene.remotes.lists.asks == scene.remotes.views.asks == scene.remotes.pages.asks == []


@pytest.mark.parametrize(
    ("unread", "pending"),
    [((), False), ((Side.SOURCE,), True), ((Side.CATALOG,), True), ((Side.SOURCE, Side.CATALOG), True)],
)
async def test_a_side_that_was_never_read_is_pending(
    scene: Scene, unread: tuple[Side, ...], pending: bool
) -> None:
    for side in unread:
        scene.readers(side).last = None
    found = await scene.observe()
    assert found.pending is pending
    for side in Side:
        one = side_of(found, side)
        assert (one.outcome is None) is (side in unread)
        assert one.current is (side not in unread)
        assert scene.readers(side).asks == ([(0.0, True)] if side in unread else [])
    assert found.current is not pending
    assert bool(scene.working) is (Side.CATALOG not in unread)


@pytest.mark.parametrize(
    ("last", "pending"),
    [
        pytest.param(None, True, id="never-read"),
        pytest.param(Reading(980.0, AROUND, None, 1), False, id="read"),
        pytest.param(Reading(980.0, None, AWAY, 1), False, id="failed"),
    ],
)
async def test_pages_come_after_the_list(scene: Scene, last: Any, pending: bool) -> None:
    scene.remotes.pages.last = last
    found = await scene.observe()
    assert found.pages_pending is pending
    assert found.source.around == (last.value if last else None)
    assert found.source.around_failure == (last.failure if last else None)
    scene.remotes.lists.last = None
    assert not (await scene.observe()).pages_pending


def test_what_is_not_said_to_be_older_is_current() -> None:
    assert SourceObserved(outcome=None).current
    assert PortalObserved(outcome=None).current
    assert Observation(source=SourceObserved(outcome=None), portal=PortalObserved(outcome=None)).asked == 0.0


# --- readers


@pytest.mark.parametrize(
    ("spec", "interval", "within", "pages"),
    [
        pytest.param({"interval": "30m", "timeout": "20s"}, 1800.0, 20.0, 3600.0, id="long"),
        pytest.param({"interval": "10s", "timeout": "20s"}, 10.0, 10.0, TIMINGS.staleness_least, id="short"),
    ],
)
async def test_readers_are_followed_with_the_objects_own_times(
    scene: Scene, spec: dict[str, str], interval: float, within: float, pages: float
) -> None:
    await scene.observe(visit(spec))
    lists, others, views = scene.remotes.lists, scene.remotes.pages, scene.remotes.views
    assert lists.following[-1]["interval"] == views.following[-1]["interval"] == interval
    assert lists.following[-1]["within"] == within
    assert others.following[-1]["interval"] == pages
    assert lists.following[-1]["key"].platform == "x"
    assert others.following[-1]["key"].platform is None
    assert lists.reader is not None
    assert await lists.reader(7.0) == LIST
    assert scene.skillmeat.within == [7.0]
    assert views.reader is not None
    assert (await views.reader(7.0)).view.reads_entities


# --- requests


@BOTH
@pytest.mark.parametrize(("at", "current"), [(989.0, True), (990.0, True), (991.0, False)])
async def test_a_request_is_answered_by_a_reading_that_began_after_it(
    scene: Scene, side: Side, at: float, current: bool
) -> None:
    found = await scene.observe(scene.asked("1", at=at))
    assert found.asked == at
    assert side_of(found, side).current is found.current is current
    assert scene.readers(side).asks == ([] if current else [(at, True)])
    assert scene.looked == [at, at]


async def test_of_two_requests_the_newer_counts(scene: Scene) -> None:
    scene.clock.now = 970.0
    scene.changes.note(a.UID, 1, ["1"])
    of = scene.asked("1", "2", at=985.0)
    assert (await scene.observe(of)).asked == 985.0


async def test_a_request_that_was_not_seen_before_counts_from_the_visit(scene: Scene) -> None:
    of = visit(annotations={REQUEST: "1"}, began=1000.0)
    found = await scene.observe(of)
    assert (found.asked, found.current) == (1000.0, False)


async def test_a_request_is_for_the_pages_too_and_they_do_not_hold_it_up(scene: Scene) -> None:
    found = await scene.observe(scene.asked("1", at=985.0))
    assert scene.remotes.pages.asks == [(985.0, False)]
    assert found.current
    scene.remotes.pages.last = None
    scene.remotes.pages.asks.clear()
    await scene.observe(scene.asked("1", at=985.0))
    assert scene.remotes.pages.asks == []


async def test_pages_that_are_newer_than_the_request_are_not_read_again(scene: Scene) -> None:
    await scene.observe(scene.asked("1", at=980.0))
    assert scene.remotes.pages.asks == []


# --- failures of readings


@BOTH
@pytest.mark.parametrize("pausing", [True, False])
async def test_a_failure_answers_a_request_only_while_the_server_wants_to_be_left_alone(
    scene: Scene, side: Side, pausing: bool
) -> None:
    scene.fail(side, AWAY)
    scene.readers(side).pausing = AWAY if pausing else None
    found = await scene.observe(scene.asked("1", at=995.0))
    assert side_of(found, side).current is pausing
    assert not found.current, "the other side has not been read since"
    outcome = side_of(found, side).outcome
    assert outcome is not None
    assert outcome.failure is not None
    assert outcome.failure.side is side
    assert scene.readers(side).asks == [(995.0, True)]


async def test_a_pause_makes_no_older_view_an_answer(scene: Scene) -> None:
    scene.remotes.views.pausing = AWAY
    found = await scene.observe(scene.asked("1", at=995.0))
    assert not found.portal.current
    assert found.portal.view is not None


@BOTH
async def test_a_failed_reading_is_the_outcome_and_no_value(scene: Scene, side: Side) -> None:
    scene.fail(side, AWAY)
    found = await scene.observe()
    one = side_of(found, side)
    assert one.outcome == SideOutcome(failure=replace(AWAY, side=side))
    assert one.current
    if isinstance(one, SourceObserved):
        assert one.listing is None
    else:
        assert one.view is None
        assert one.connection is not None
        assert scene.working == []
    assert scene.renewed == []
    assert scene.readers(side).asks == []


@BOTH
@pytest.mark.parametrize(("spec_seen", "asks"), [(989.0, []), (990.0, []), (991.0, [(991.0, True)])])
async def test_after_a_changed_spec_a_failure_is_looked_at_again(
    scene: Scene, side: Side, spec_seen: float, asks: list[tuple[float, bool]]
) -> None:
    scene.fail(side, AWAY)
    await scene.observe(visit(spec_seen=spec_seen))
    assert scene.readers(side).asks == asks
    assert scene.readers(next(one for one in Side if one is not side)).asks == []


@BOTH
async def test_a_refused_token_is_read_anew_and_tried_a_second_time(scene: Scene, side: Side) -> None:
    scene.fail(side, REFUSED)
    await scene.observe()
    assert scene.renewed == [a.UID]
    assert scene.readers(side).asks == []
    await scene.observe()
    second = 990.0 + TIMINGS.credential_recheck
    assert scene.readers(side).asks == [(second, False)]
    scene.fail(side, REFUSED, began=second)
    found = await scene.observe()
    outcome = side_of(found, side).outcome
    assert outcome is not None
    assert outcome.stalled
    assert scene.readers(side).asks == [(second, False)]


async def test_a_token_that_was_taken_in_between_is_refused_anew(scene: Scene) -> None:
    scene.fail(Side.SOURCE, REFUSED)
    await scene.observe()
    scene.remotes.lists.last = Reading(began=1000.0, value=LIST, failure=None, serial=4)
    await scene.observe()
    scene.fail(Side.SOURCE, REFUSED, began=990.0 + 2 * TIMINGS.credential_recheck)
    outcome = (await scene.observe()).source.outcome
    assert outcome is not None
    assert not outcome.stalled


# --- the address wants to be left alone


@pytest.mark.parametrize(
    ("arrange", "told"),
    [
        pytest.param(lambda scene: setattr(scene.remotes.lists, "last", None), True, id="never-read"),
        pytest.param(lambda scene: scene.fail(Side.SOURCE, REFUSED), False, id="failed"),
        pytest.param(lambda scene: None, True, id="read-before"),
    ],
)
async def test_who_asks_hears_of_a_pause_that_another_was_told(
    scene: Scene, arrange: Callable[[Scene], Any], told: bool
) -> None:
    scene.remotes.lists.pausing = replace(AWAY, message="later")
    of = scene.asked("1", at=995.0)
    arrange(scene)
    found = (await scene.observe(of)).source
    assert found.outcome is not None
    assert found.outcome.failure is not None
    assert (found.outcome.failure.message == "later") is told
    assert found.listing == (scene.remotes.lists.last if told else None)
    if told:
        assert (found.around, found.around_failure, found.current) == (AROUND, None, True)
        scene.remotes.pages.last = Reading(began=999.0, value=None, failure=AWAY, serial=1)
        assert (await scene.observe(of)).source.around_failure == AWAY
        scene.remotes.pages.last = None
        assert (await scene.observe(of)).source.around is None


@pytest.mark.parametrize("read", [True, False])
async def test_who_does_not_ask_hears_of_it_only_where_nothing_was_read(scene: Scene, read: bool) -> None:
    scene.remotes.lists.pausing = replace(AWAY, message="later")
    if not read:
        scene.remotes.lists.last = None
    found = (await scene.observe()).source
    assert found.outcome is not None
    assert (found.outcome.failure is None) is read


# --- no connection


@BOTH
@pytest.mark.parametrize(("reason", "leaves"), [(MISSING, True), (REFUSED, True), (AWAY, False)])
async def test_without_a_connection_readers_are_left_unless_it_comes_back_by_itself(
    scene: Scene, side: Side, reason: Failure, leaves: bool
) -> None:
    scene.fails[side] = replace(reason, side=side)
    found = await scene.observe()
    one = side_of(found, side)
    assert one.outcome is not None
    assert one.outcome.failure == replace(reason, side=side)
    assert not found.pending
    assert one.current
    left = scene.remotes.left_portal if side is Side.CATALOG else scene.remotes.lists.left
    assert bool(left) is leaves
    if side is Side.SOURCE:
        assert scene.remotes.pages.left == left
        assert scene.remotes.left_portal == []
    else:
        assert scene.remotes.lists.left == []
        assert found.portal.connection is None
    assert scene.readers(side).following == []


@BOTH
async def test_a_secret_that_is_there_again_has_its_whole_grace(scene: Scene, side: Side) -> None:
    for missing, at in ((True, 1000.0), (False, 1010.0), (True, 1000.0 + TIMINGS.secret_grace)):
        scene.clock.now = at
        scene.fails = {side: replace(MISSING, side=side)} if missing else {}
        outcome = side_of(await scene.observe(), side).outcome
        assert outcome is not None
        assert not outcome.stalled
    scene.clock.now += TIMINGS.secret_grace
    outcome = side_of(await scene.observe(), side).outcome
    assert outcome is not None
    assert outcome.stalled
