"""One visit of a CatalogSource: who carries on with it, what is said of it and when, and what its end is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from skillmeat_operator.adapters.kubernetes.errors import UnavailableError
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.controller.queue import Result
from skillmeat_operator.controller.remote.reading import Reading
from skillmeat_operator.controller.remote.surroundings import Surroundings
from skillmeat_operator.controller.visit.acting import Acted
from skillmeat_operator.controller.visit.decision import Decision, HoldersPendingError
from skillmeat_operator.controller.visit.gather import Observation, PortalObserved, SourceObserved
from skillmeat_operator.controller.visit.portal_slots import PortalBusyError
from skillmeat_operator.controller.visit.source import Identity, SourceReconciler
from skillmeat_operator.controller.visit.visit import SupersededError, Visit
from skillmeat_operator.controller.watch.changes import Changes
from skillmeat_operator.controller.watch.store import Store
from skillmeat_operator.domain.failure import FailedError, Failure
from skillmeat_operator.domain.observation import ServerInfo, StalenessReading, TemplateList
from skillmeat_operator.domain.status.outcome import Outcome, SideOutcome, UnreadableBundle
from skillmeat_operator.domain.timings import Timings
from tests.conditions import builders as a
from tests.unit.controller.visit.scene import (
    AWAY,
    CLUSTER,
    PORTAL,
    TARGET,
    Clock,
    Portal,
    Remotes,
    external,
    visit,
)
from tests.unit.controller.visit.scene import Writer as StatusWriter

TIMINGS = Timings()
QUIET = TIMINGS.quiet_visit
PLAN = a.plan(a.elements(3))
LATER = 777.0
"""Seconds after which the planner of the scene has an object visited, where nothing is due before."""
READY = {
    "type": "Ready",
    "status": "True",
    "reason": "Succeeded",
    "message": "m",
    "observedGeneration": 1,
    "lastTransitionTime": "2026-03-01T11:00:00Z",
}
REQUEST = {"annotations": {"skillmeat.io/reconcile-requested-at": "now"}}
ELSEWHERE = {"revision": "sha256:1", "entities": {"published": 3, "observed": 3}}


class Writer(StatusWriter):
    """Notes what was said of a former portal too."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    async def tell_left_behind(self, source: Any, raw: Any, seen: Any) -> None:
        self.seen.append(seen)


@dataclass
class Scene:
    """One CatalogSource, and all parts of a visit as far as they answer to it."""

    spec: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=lambda: {"conditions": [READY]})
    metadata: dict[str, Any] = field(default_factory=dict)
    public_url: str | None = "http://operator.example:8080"
    clock: Clock = field(default_factory=Clock)
    went: list[Any] = field(default_factory=list)
    """Who carried on with the visit."""
    error: Exception | None = None
    """Raised by whoever carries on first."""
    asked: float = 0.0
    published: Any = "published"
    stored_fails: Exception | None = None
    looks: list[float] = field(default_factory=list)
    decide_fails: list[Exception] = field(default_factory=list)
    decided: bool = True
    seen_by_decider: list[bool] = field(default_factory=list)
    acted: Callable[[Outcome], Acted | None] = Acted
    act_fails: Exception | None = None
    waits: bool = True
    soon: bool = False
    made_location: bool | Failure = True
    asks: list[str] = field(default_factory=list)
    keeper_failed: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)
    verified: bool = False
    bundles_fail: Exception | None = None
    bundles_after: float | None = None
    bundles_written: list[tuple[Outcome, int | None]] = field(default_factory=list)
    tidied: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    unreadable_bundles: tuple[UnreadableBundle, ...] = ()

    def __post_init__(self) -> None:
        self.store, self.remotes, self.portal = Store(), Remotes(), Portal(clock=self.clock)
        self.portal.listed = {TARGET: "loc"}
        self.changes, self.writer = Changes(clock=self.clock), Writer()
        self.observation = Observation(
            source=SourceObserved(
                outcome=SideOutcome(),
                listing=Reading(990.0, TemplateList(tuple(a.elements(3)), "d"), None, serial=4),
                around=Surroundings(ServerInfo("0.74.0"), StalenessReading({})),
            ),
            portal=self.portal.observed(),
        )
        parts = cast(Any, self)
        self.reconciler = SourceReconciler(
            identity=Identity(
                cluster_uid=CLUSTER,
                public_url=self.public_url,
                backstage_url=None,
                allowed_catalog_namespaces=("*",),
            ),
            store=self.store,
            changes=self.changes,
            remotes=cast(Any, self.remotes),
            gatherer=parts,
            decider=parts,
            publications=parts,
            keeper=cast(
                Any,
                SimpleNamespace(
                    asked=self.requested.append,
                    failed=self.keeper_failed.append,
                    keeps_waiting=self._keeps_waiting,
                    settles_soon=lambda uid: self.soon,
                    register_unlisted=self._register_unlisted,
                ),
            ),
            external=cast(
                Any,
                SimpleNamespace(
                    has_verified=lambda _: self.verified, keeps_waiting=lambda uid, asked: self.waits
                ),
            ),
            acting=parts,
            deleter=cast(Any, SimpleNamespace(visit=self._delete)),
            bundles=cast(Any, SimpleNamespace(**self._bundles())),
            resting=cast(Any, SimpleNamespace(unreadable=self._unreadable, suspended=self._suspended)),
            writer=cast(Any, self.writer),
            planner=cast(Any, SimpleNamespace(after=self._plan)),
            clock=self.clock,
            now=lambda: a.NOW,
            timings=TIMINGS,
        )

    async def visit(self, *, raw: dict[str, Any] | None = None) -> Result:
        """A visit of the object as it is described."""
        if raw is None:
            visit(self.spec, status=self.status, store=self.store, **self.metadata)
        else:
            self.store.sources.put(raw)
        return await self.reconciler.visit(a.UID)

    @property
    def outcome(self) -> Outcome:
        return self.outcomes[-1]

    # The parts

    def _begin(self, name: Any, of: Visit | None = None) -> Result:
        self.went.append(name)
        if of is not None:
            self.visits.append(of)
        if self.error is not None:
            raise self.error
        return Result.done(after=1.0)

    async def _delete(self, of: Visit, *, readable: bool = True) -> Result:
        return self._begin(f"delete readable={readable}", of)

    async def _unreadable(self, raw: Any, message: str) -> Result:
        return self._begin(f"unreadable {message}")

    async def _suspended(self, of: Visit) -> Result:
        return self._begin("suspended", of)

    def _bundles(self) -> dict[str, Any]:
        async def read(raws: Any) -> None:
            self._begin("reconcile")

        async def write(of: Visit, raws: Any, outcome: Outcome, *, serial: int | None) -> float | None:
            self.bundles_written.append((outcome, serial))
            if self.bundles_fail is not None:
                raise self.bundles_fail
            return self.bundles_after

        return {
            "of": lambda _: [],
            "read": read,
            "write": write,
            "models": lambda raws: [],
            "frozen": lambda raws: [],
            "unreadable": lambda raws: self.unreadable_bundles,
        }

    def _plan(self, of: Visit, outcome: Outcome, *others: float | None) -> Result:
        self.outcomes.append(outcome)
        return Result.done(after=min([LATER, *(one for one in others if one is not None)]))

    async def observe(self, of: Visit) -> Observation:
        self.visits.append(of)
        return replace(self.observation, asked=self.asked)

    async def decide(self, of: Visit, observation: Any, *, portal: PortalObserved, **_: Any) -> Any:
        self.seen_by_decider.append(portal.view is not None)
        if self.decide_fails:
            raise self.decide_fails.pop(0)
        return Decision(PLAN, None, None) if self.decided else None

    async def stored(self, uid: str, *, not_before: float) -> Any:
        self.looks.append(not_before)
        if self.stored_fails is not None:
            raise self.stored_fails
        return self.published

    def current(self, uid: str) -> Any:
        return self.published

    async def tidy(self, uid: str) -> None:
        self.tidied.append(uid)

    def _keeps_waiting(self, uid: str, asked: float) -> bool:
        assert asked == self.asked
        return self.waits

    async def _register_unlisted(self, of: Visit, portal: Any, target: str | None) -> bool:
        self.asks.append(f"register {target}")
        if isinstance(self.made_location, Failure):
            raise FailedError(self.made_location)
        return self.made_location

    async def act(
        self, of: Visit, decision: Any, portal: PortalObserved, base: Outcome, *, owner: Any, target: str
    ) -> Acted | None:
        assert target == TARGET == owner.target
        if self.act_fails is not None:
            raise self.act_fails
        return self.acted(replace(base, plan=PLAN))

    def verify_external(self, of: Visit, decision: Any, portal: Any, base: Outcome) -> Acted | None:
        self.asks.append("external")
        return self.acted(replace(base, plan=PLAN))

    def portal_failed(self, of: Visit, portal: PortalObserved, failure: Failure) -> PortalObserved:
        return replace(portal, outcome=SideOutcome(failure=failure), view=None)


def scene(**changes: Any) -> Scene:
    return Scene(**changes)


# --- who carries on


async def test_an_object_that_is_gone_needs_nothing() -> None:
    assert await scene().reconciler.visit("gone") == Result.done()


def unreadable(**metadata: Any) -> dict[str, Any]:
    raw = a.raw_source(**metadata)
    raw["spec"]["removalPolicy"] = "newer"
    return raw


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(a.raw_source(), "reconcile", id="reconciled"),
        pytest.param(a.raw_source({"suspend": True}), "suspended", id="suspended"),
        pytest.param(
            a.raw_source(deletionTimestamp="2026-03-01T12:00:00Z"), "delete readable=True", id="deleted"
        ),
        pytest.param(
            a.raw_source({"suspend": True}, deletionTimestamp="2026-03-01T12:00:00Z"),
            "delete readable=True",
            id="suspended-and-deleted",
        ),
        pytest.param(unreadable(), "unreadable spec.removalPolicy", id="unreadable"),
        pytest.param(
            unreadable(deletionTimestamp="2026-03-01T12:00:00Z"),
            "delete readable=False",
            id="unreadable-and-deleted",
        ),
    ],
)
async def test_each_state_of_an_object_has_its_own_visit(raw: dict[str, Any], expected: str) -> None:
    one = scene()
    await one.visit(raw=raw)
    assert len(one.went) == 1
    assert one.went[0].startswith(expected)
    assert bool(one.outcomes) is (expected == "reconcile")


@pytest.mark.parametrize(
    "error",
    [
        SupersededError("changed"),
        UnavailableError("timed out"),
        ExceptionGroup("statuses", [UnavailableError("timed out")]),
    ],
)
@pytest.mark.parametrize("raw", [a.raw_source(), a.raw_source({"suspend": True}), unreadable()])
async def test_a_visit_that_ended_early_is_tried_again(error: Exception, raw: dict[str, Any]) -> None:
    assert await scene(error=error).visit(raw=raw) == Result.failure()


@pytest.mark.parametrize("seen", [True, False])
async def test_a_visit_knows_when_its_spec_was_first_seen(seen: bool) -> None:
    one = scene()
    if seen:
        one.clock.now = 900.0
        one.changes.note(a.UID, 1)
        one.clock.now = 1000.0
    await one.visit()
    assert one.visits[0].spec_seen == (900.0 if seen else 1000.0)
    assert one.visits[0].began == 1000.0


# --- a setting is wrong


async def test_a_wrong_setting_is_told_and_nothing_is_read() -> None:
    one = scene(public_url=None, unreadable_bundles=(UnreadableBundle("b", "p"),), metadata=REQUEST)
    assert await one.visit() == Result.done(after=LATER)
    assert one.remotes.forgotten == [a.UID]
    assert one.outcome.configuration is not None
    assert one.outcome.configuration.reason == Reason.PUBLIC_URL_MISSING
    assert one.outcome.requests == ("now", None)
    assert one.outcome.unreadable == one.unreadable_bundles
    assert one.visits == []
    assert one.writer.ready()[:2] == ("False", "PublicURLMissing")
    assert one.bundles_written == [(one.outcome, None)]


async def test_a_right_one_leaves_the_readers_alone() -> None:
    one = scene()
    await one.visit()
    assert one.remotes.forgotten == []


# --- waiting


def _never_read(one: Scene) -> None:
    one.observation = replace(one.observation, source=SourceObserved(outcome=None))


def _holders(one: Scene) -> None:
    one.decide_fails = [HoldersPendingError()]


def _busy(one: Scene) -> None:
    one.act_fails = PortalBusyError()


def _looked_up(one: Scene) -> None:
    one.acted = lambda base: None


@pytest.mark.parametrize("why", [_never_read, _holders, _busy, _looked_up])
@pytest.mark.parametrize(
    ("told", "waited", "after", "announced"),
    [
        pytest.param(False, 0.5, QUIET - 0.5, False, id="a-moment"),
        pytest.param(False, QUIET, 600.0, True, id="longer"),
        pytest.param(True, 0.5, 600.0, False, id="told-before"),
        pytest.param(True, QUIET, 600.0, False, id="told-before-and-longer"),
    ],
)
async def test_a_first_visit_that_takes_a_while_says_so_once(
    why: Callable[[Scene], None], told: bool, waited: float, after: float, announced: bool
) -> None:
    one = scene(status={"conditions": [READY]} if told else {}, spec={"interval": "10m"})
    one.clock.now = 1000.0 - waited
    one.changes.note(a.UID, 1)
    one.clock.now = 1000.0
    why(one)
    assert await one.visit() == Result.done(after=after)
    assert bool(one.writer.statuses) is announced
    if announced:
        assert one.writer.ready()[:2] == ("Unknown", "Progressing")
    assert one.bundles_written == []
    assert one.tidied == []


def waiting(base: Outcome) -> Acted:
    return Acted(replace(base, unread=True))


@pytest.mark.parametrize(
    ("acted", "soon", "said"),
    [
        pytest.param(waiting, True, False, id="it-settles-soon"),
        pytest.param(waiting, False, True, id="it-takes-longer"),
        pytest.param(Acted, True, True, id="it-is-settled"),
        pytest.param(Acted, False, True, id="it-was-settled-before"),
    ],
)
async def test_what_settles_soon_is_not_told_before(
    acted: Callable[[Outcome], Acted], soon: bool, said: bool
) -> None:
    one = scene(acted=acted, soon=soon)
    assert await one.visit() == Result.done(after=LATER if said else QUIET)
    assert len(one.writer.statuses) == len(one.bundles_written) == len(one.writer.seen) == said
    assert one.tidied == ([a.UID] if acted is Acted else [])


@pytest.mark.parametrize(
    ("told", "pages", "waited", "after"),
    [
        pytest.param(False, False, 0.5, QUIET - 0.5, id="the-pages-come-soon"),
        pytest.param(False, False, QUIET, None, id="they-do-not"),
        pytest.param(False, True, 0.5, None, id="they-are-there"),
        pytest.param(True, False, 0.5, None, id="it-was-told-before"),
    ],
)
async def test_a_first_status_waits_a_moment_for_the_pages(
    told: bool, pages: bool, waited: float, after: float | None
) -> None:
    one = scene(status={"conditions": [READY]} if told else {})
    one.clock.now = 1000.0 - waited
    one.changes.note(a.UID, 1)
    one.clock.now = 1000.0
    if not pages:
        one.observation = replace(one.observation, source=replace(one.observation.source, around=None))
    assert await one.visit() == Result.done(after=LATER if after is None else after)
    assert bool(one.writer.statuses) is (after is None)


# --- what is found out


async def test_the_outcome_has_what_was_read_of_both_sides() -> None:
    one = scene(unreadable_bundles=(UnreadableBundle("b", "p"),), metadata=REQUEST)
    await one.visit()
    found = one.outcome
    assert (found.source, found.catalog) == (SideOutcome(), SideOutcome())
    assert found.server == ServerInfo("0.74.0")
    assert (found.staleness_known, found.staleness_pending, found.staleness_failure) == (True, False, None)
    assert found.seen is not None
    assert (found.seen.url, found.seen.target) == (PORTAL, TARGET)
    assert found.requests == ("now", None)
    assert found.serving
    assert found.unreadable == one.unreadable_bundles
    assert one.requested == [a.UID]
    assert one.keeper_failed == []
    assert one.bundles_written == [(found, 4)]
    assert one.writer.seen == [found.seen]


@pytest.mark.parametrize("requested", [True, False])
async def test_a_sync_is_asked_for_by_who_asks(requested: bool) -> None:
    one = scene(metadata=REQUEST if requested else {})
    await one.visit()
    assert one.requested == [a.UID] * requested


async def test_a_request_is_not_answered_by_what_is_older() -> None:
    one = scene(metadata=REQUEST)
    one.observation = replace(one.observation, source=replace(one.observation.source, current=False))
    await one.visit()
    assert one.outcome.requests == (None, None)


@pytest.mark.parametrize(
    ("around", "failure", "expected"),
    [
        pytest.param(None, None, (False, True, None), id="not-read-yet"),
        pytest.param(None, AWAY, (False, False, AWAY), id="could-not-be-read"),
        pytest.param(Surroundings(None, None), None, (False, False, None), id="not-offered"),
        pytest.param(Surroundings(None, StalenessReading({})), None, (True, False, None), id="read"),
    ],
)
async def test_what_is_known_of_the_pages_is_told(around: Any, failure: Any, expected: Any) -> None:
    one = scene()
    source = replace(one.observation.source, around=around, around_failure=failure)
    one.observation = replace(one.observation, source=source)
    await one.visit()
    found = one.outcome
    assert (found.staleness_known, found.staleness_pending, found.staleness_failure) == expected


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("spec", [{}, external()])
async def test_who_asked_hears_after_the_deadline(spec: dict[str, Any], waits: bool) -> None:
    one = scene(spec=spec, waits=waits)
    await one.visit()
    assert one.outcome.requests_overdue is not waits
    assert one.asks == (["external"] if spec else [])


async def test_without_a_view_the_keeper_knows_that_the_portal_was_away() -> None:
    one = scene()
    failed = PortalObserved(outcome=SideOutcome(failure=AWAY))
    one.observation = replace(one.observation, portal=failed)
    await one.visit()
    assert one.keeper_failed == [a.UID]
    assert one.outcome.seen is not None
    assert one.outcome.seen.url is None


@pytest.mark.parametrize(
    ("asked", "not_before"), [(0.0, 1000.0 - TIMINGS.stored_look), (980.0, 980.0), (960.0, 970.0)]
)
async def test_what_is_stored_is_looked_at_as_new_as_somebody_asked(asked: float, not_before: float) -> None:
    one = scene(asked=asked)
    await one.visit()
    assert one.looks == [not_before]


@pytest.mark.parametrize("served", [True, False])
async def test_a_snapshot_that_cannot_be_read_is_told_and_tried_again(served: bool) -> None:
    one = scene(stored_fails=UnavailableError("timed out"), published="x" if served else None)
    result = await one.visit()
    assert result == Result.failure(first=TIMINGS.backoff_first, longest=TIMINGS.backoff_longest)
    outcome = one.bundles_written[-1][0]
    assert (outcome.published, outcome.serving, outcome.plan) == (False, served, None)
    assert one.seen_by_decider == []


@pytest.mark.parametrize(("verified", "published"), [(True, None), (False, "x")])
async def test_under_external_nothing_is_stored_and_what_was_verified_counts(
    verified: bool, published: Any
) -> None:
    one = scene(spec=external(), verified=verified, published=published)
    await one.visit()
    assert one.looks == []
    assert one.outcome.serving is verified


@pytest.mark.parametrize("published", ["x", None])
async def test_what_is_stored_is_served(published: Any) -> None:
    one = scene(published=published)
    await one.visit()
    assert one.outcome.serving is (published is not None)


async def test_a_portal_that_fails_in_the_middle_is_decided_without() -> None:
    one = scene(decide_fails=[FailedError(AWAY)])
    await one.visit()
    assert one.seen_by_decider == [True, False]
    assert one.outcome.catalog == SideOutcome(failure=AWAY)
    assert one.outcome.plan == PLAN


async def test_without_anything_to_decide_on_what_was_found_is_told() -> None:
    one = scene(decided=False, decide_fails=[FailedError(AWAY)])
    await one.visit()
    assert one.outcome.plan is None
    assert one.outcome.catalog == SideOutcome(failure=AWAY)


# --- a token that sees nothing


@pytest.mark.parametrize(
    ("changes", "reads", "listed", "made", "fails", "blind"),
    [
        pytest.param({"status": ELSEWHERE}, False, True, False, True, False, id="there-was-something"),
        pytest.param({"status": ELSEWHERE}, False, True, True, True, True, id="the-portal-was-emptied"),
        pytest.param({"status": ELSEWHERE}, False, False, False, True, False, id="and-its-location-is-gone"),
        pytest.param({}, False, True, False, True, False, id="the-location-is-listed"),
        pytest.param({}, False, False, False, False, True, id="most-likely-it-is-new"),
        pytest.param({"status": ELSEWHERE}, True, True, False, False, True, id="it-reads"),
        pytest.param(
            {"status": ELSEWHERE, "published": "x"}, False, True, False, False, True, id="a-snapshot-tells"
        ),
        pytest.param(
            {"status": {"revision": "sha256:1", "entities": {"published": 0, "observed": 0}}},
            *(False, False, False, False, True),
            id="nothing-was-published",
        ),
        pytest.param(
            {"status": {"revision": "sha256:1", "entities": {"published": 1, "observed": 1}}},
            *(False, False, False, True, False),
            id="one-was-published",
        ),
        pytest.param(
            {"status": {"revision": "sha256:1"}}, False, False, False, True, False, id="how-many-is-not-told"
        ),
        pytest.param(
            {"status": {"entities": {"published": 3, "observed": 3}}},
            *(False, False, False, False, True),
            id="no-revision-was-told",
        ),
    ],
)
async def test_an_empty_view_of_a_token_that_reads_nothing_proves_nothing(
    changes: dict[str, Any], reads: bool, listed: bool, made: bool, fails: bool, blind: bool
) -> None:
    status = {"conditions": [READY], **changes.get("status", {})}
    one = scene(published=changes.get("published"), status=status, made_location=made)
    one.portal.reads_entities = reads
    if not listed:
        one.portal.listed.clear()
    one.observation = replace(one.observation, portal=one.portal.observed())
    await one.visit()
    assert one.asks == [f"register {TARGET}"] * fails
    assert one.seen_by_decider == [blind]
    told = one.outcome.catalog
    assert told is not None
    assert (told.failure is None) is blind
    if told.failure is not None:
        assert told.failure.reason == Reason.TOKEN_CANNOT_READ


async def test_a_location_that_could_not_be_made_is_the_portals_failure() -> None:
    one = scene(published=None, status={"conditions": [READY], **ELSEWHERE}, made_location=AWAY)
    one.portal.reads_entities = False
    one.observation = replace(one.observation, portal=one.portal.observed())
    await one.visit()
    assert one.outcome.catalog == SideOutcome(failure=AWAY)


# --- filters that need pages


FILTER = {"filters": {"include": [{"bundleStatuses": ["published"]}]}}


def _unsupported(reason: str, generation: int) -> dict[str, Any]:
    return {**READY, "type": "SourceReachable", "status": "False", "reason": reason} | {
        "observedGeneration": generation
    }


@pytest.mark.parametrize(
    ("spec", "around", "told", "pending", "refused"),
    [
        pytest.param({}, Surroundings(None, None), [], False, False, id="no-such-filter"),
        pytest.param(FILTER, Surroundings(None, StalenessReading({})), [], False, False, id="told"),
        pytest.param(FILTER, Surroundings(None, None), [], False, True, id="not-offered"),
        pytest.param(FILTER, None, [], True, False, id="not-read-yet"),
        pytest.param(
            FILTER, None, [_unsupported("FilterUnsupported", 1)], False, True, id="found-before-the-restart"
        ),
        pytest.param(
            FILTER, None, [_unsupported("FilterUnsupported", 0)], True, False, id="found-of-another-spec"
        ),
        pytest.param(FILTER, None, [_unsupported("Timeout", 1)], True, False, id="another-failure"),
    ],
)
async def test_a_filter_over_statuses_needs_a_server_that_tells_them(
    spec: dict[str, Any], around: Any, told: list[Any], pending: bool, refused: bool
) -> None:
    one = scene(spec=spec, status={"conditions": [READY, *told]})
    source = replace(one.observation.source, around=around)
    one.observation = replace(one.observation, source=source)
    await one.visit()
    assert one.outcome.filter_pending is pending
    assert one.outcome.source is not None
    failure = one.outcome.source.failure
    assert (failure is not None and failure.reason == Reason.FILTER_UNSUPPORTED) is refused
    assert one.outcome.source.stalled is refused


async def test_without_a_list_nothing_is_said_of_the_filter() -> None:
    one = scene(spec=FILTER)
    one.observation = replace(one.observation, source=SourceObserved(outcome=SideOutcome(failure=AWAY)))
    await one.visit()
    assert one.outcome.source == SideOutcome(failure=AWAY)
    assert not one.outcome.filter_pending
    assert one.bundles_written[-1][1] is None


# --- the end of a visit


async def test_the_status_is_written_although_a_bundles_was_not() -> None:
    one = scene(bundles_fail=ExceptionGroup("statuses", [UnavailableError("timed out")]))
    assert await one.visit() == Result.failure()
    assert len(one.writer.statuses) == 1
    assert one.tidied == [a.UID]


async def test_what_no_head_names_is_deleted_although_the_status_was_not_written() -> None:
    one = scene()
    one.writer.fails = UnavailableError("timed out")
    assert await one.visit() == Result.failure()
    assert one.tidied == [a.UID]


@pytest.mark.parametrize("retry", [True, False])
async def test_what_has_to_be_tried_again_is_tried_with_backoff(retry: bool) -> None:
    one = scene(acted=lambda base: Acted(base, retry=retry))
    backoff = Result.failure(first=TIMINGS.backoff_first, longest=TIMINGS.backoff_longest)
    assert await one.visit() == (backoff if retry else Result.done(after=LATER))
    assert len(one.writer.statuses) == 1


@pytest.mark.parametrize(("after", "bundles", "expected"), [(5.0, None, 5.0), (5.0, 3.0, 3.0)])
async def test_the_soonest_of_what_is_due_counts(
    after: float, bundles: float | None, expected: float
) -> None:
    one = scene(acted=lambda base: Acted(base, after=after), bundles_after=bundles)
    assert await one.visit() == Result.done(after=expected)


@pytest.mark.parametrize("follows", [True, False])
@pytest.mark.parametrize("next_view", [1005.0, None])
async def test_the_catalog_is_looked_at_when_the_keeper_wants_to(
    next_view: float | None, follows: bool
) -> None:
    one = scene(acted=lambda base: Acted(base, next_view=next_view))
    if follows:
        one.remotes.views.followers.add(a.UID)
    await one.visit()
    assert one.remotes.views.asks == ([(1005.0, False)] if follows and next_view else [])


async def test_nothing_is_said_of_a_spec_that_changed_during_the_visit() -> None:
    def change(base: Outcome) -> Acted:
        raw = a.raw_source(generation=2, resourceVersion="9")
        one.store.sources.put(raw)
        return Acted(base)

    one = scene(acted=change)
    assert await one.visit() == Result.failure()
    assert one.writer.statuses == []
    assert one.bundles_written == []
