"""The end of a CatalogSource: nothing of it is left in the portal, or it is said what is, before the object goes."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from skillmeat_operator.adapters.kubernetes.errors import ForbiddenError, KubernetesError
from skillmeat_operator.api.keys import FINALIZER
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.controller.queue import Result
from skillmeat_operator.controller.remote.connections import PortalConnection
from skillmeat_operator.controller.visit.deletion.deleter import Deleter
from skillmeat_operator.controller.visit.portal_slots import PortalSlots
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.domain.failure import FailedError, Failure, FailureKind, Side
from skillmeat_operator.domain.observation import CatalogEntity
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
    Writer,
    visit,
)

TIMINGS = Timings(force_delete_timeout=0.05)
FORMER = TARGET.replace("operator.example", "former.example")
OTHERS = "http://operator.example:8080/catalogs/c1c1c1c1/team/other.yaml"
FORCED = {"skillmeat.io/force-delete": "true"}
BACKOFF = Result.failure(first=TIMINGS.backoff_first, longest=TIMINGS.backoff_longest)


def secret(reason: Reason = Reason.SECRET_NOT_FOUND, *, returns: bool = False) -> Failure:
    return Failure(
        side=Side.CATALOG, kind=FailureKind.SECRET, reason=reason, message="no Secret", returns=returns
    )


class Slow(Portal):
    """A portal that takes a moment to delete a location."""

    async def unregister(self, location_id: str) -> bool:
        self.clock.now += 0.25
        return await super().unregister(location_id)


@dataclass
class Publications:
    """One snapshot."""

    target: str | None = TARGET
    there: bool = True
    unreadable: KubernetesError | None = None
    undeletable: KubernetesError | None = None
    deleted: list[str] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)

    async def stored(self, uid: str, *, not_before: float) -> Any:
        self.looks.append(not_before)
        if self.unreadable is not None:
            raise self.unreadable
        return SimpleNamespace(head=SimpleNamespace(target=self.target)) if self.there else None

    async def delete(self, uid: str) -> None:
        if self.undeletable is not None:
            raise self.undeletable
        self.deleted.append(uid)


@dataclass
class Scene:
    """An object that is being deleted, registered in one portal."""

    clock: Clock = field(default_factory=Clock)
    annotations: dict[str, str] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    finalizers: list[str] = field(default_factory=lambda: [FINALIZER])
    no_connection: Failure | None = None
    would_be: str | None = "http://operator.example:8080/catalogs/c1c1c1c1/team/would-be.yaml"
    released: list[str] = field(default_factory=list)
    due: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.portal = Slow(clock=self.clock, listed={TARGET: "loc", OTHERS: "theirs"}, location_read=False)
        self.remotes, self.writer, self.publications = Remotes(), Writer(), Publications()
        self.slots = PortalSlots(workers=1, mark_due=lambda uid, after: self.due.append(uid))
        self.deleter = Deleter(
            cluster_uid=CLUSTER,
            target_of=lambda _: self.would_be,
            connections=cast(Any, SimpleNamespace(portal=self._connection)),
            remotes=cast(Any, self.remotes),
            publications=cast(Any, self.publications),
            finalizers=cast(Any, SimpleNamespace(release=self._release)),
            slots=self.slots,
            writer=cast(Any, self.writer),
            clock=self.clock,
            now=lambda: a.NOW,
            timings=TIMINGS,
        )

    async def _connection(self, source: CatalogSource) -> PortalConnection:
        if self.no_connection is not None:
            raise FailedError(self.no_connection)
        return self.portal.connection()

    async def _release(self, store: Any, uid: str) -> None:
        self.released.append(uid)

    def object(self) -> Visit:
        return visit(
            {"backstage": {"url": PORTAL}, **self.spec},
            finalizers=self.finalizers,
            annotations=self.annotations,
            status=self.status,
            deletionTimestamp="2026-03-01T12:00:00Z",
        )

    async def visit(self, *, readable: bool = True) -> Result:
        return await self.deleter.visit(self.object(), readable=readable)

    def read(self) -> None:
        """The view that was asked for is there."""
        self.clock.now += 1.0
        self.remotes.views.last = self.portal.reading()

    async def steps(self, most: int = 5) -> list[Result]:
        """Visits with a new view before each, until the object is let go."""
        results: list[Result] = []
        while not self.released and len(results) < most:
            results.append(await self.visit())
            self.read()
        return results

    @property
    def gone(self) -> bool:
        return self.released == [a.UID] and self.publications.deleted == [a.UID]


def scene(**changes: Any) -> Scene:
    return Scene(**changes)


async def test_an_object_that_we_do_not_hold_is_none_of_our_business() -> None:
    one = scene(finalizers=["somebody/else"])
    assert await one.visit() == Result.done()
    assert (one.released, one.publications.deleted, one.portal.calls) == ([], [], [])


async def test_a_retained_one_goes_and_stays_in_the_portal() -> None:
    one = scene(spec={"deletionPolicy": "Retain"})
    assert await one.visit() == Result.done()
    assert one.gone
    assert one.portal.calls == []
    assert one.remotes.views.following == []


async def test_the_location_goes_and_that_is_confirmed_before_the_object_does() -> None:
    one = scene()
    results = await one.steps()
    waits = Result.done(after=TIMINGS.dry_run_timeout, settles=True)
    assert results == [waits, waits, Result.done()]
    assert one.gone
    assert one.portal.calls == [("unregister", "loc")]
    assert one.remotes.lists.left[:1] == one.remotes.pages.left[:1] == [a.UID]
    assert one.remotes.views.asks == [(1000.0, True), (1001.25, True)]
    assert one.remotes.views.following[0]["interval"] is None


async def test_the_view_is_read_over_its_connection() -> None:
    one = scene()
    await one.visit()
    assert one.remotes.views.reader is not None
    shared = await one.remotes.views.reader(1.0)
    assert set(shared.view.locations) == {TARGET, OTHERS}
    assert one.remotes.views.following[0]["key"] == one.portal.connection().key


async def test_a_view_from_before_the_deletion_shows_nothing_of_it() -> None:
    one = scene()
    one.remotes.views.last = one.portal.reading(began=999.0)
    await one.visit()
    assert one.portal.calls == []
    one.remotes.views.last = one.portal.reading(began=1000.0)
    await one.visit()
    assert one.portal.calls == [("unregister", "loc")]
    # The view that confirms it begins after it was done.
    one.clock.now = 1005.0
    await one.visit()
    assert one.released == []


async def test_a_location_under_a_former_target_goes_too_and_nobody_elses() -> None:
    one = scene()
    one.portal.listed[FORMER] = "former"
    await one.steps()
    assert one.gone
    assert set(one.portal.listed) == {OTHERS}


async def test_a_location_that_is_still_listed_is_deleted_again_with_backoff() -> None:
    one = scene()
    one.portal.keeps_locations = True
    results = await one.steps(3)
    assert results[2] == BACKOFF
    status, reason, message = one.writer.ready()
    assert (status, reason) == ("False", "Finalizing")
    assert "deletion waits for the portal" in message
    assert "still lists" in message
    one.portal.keeps_locations = False
    await one.steps()
    assert one.gone
    assert one.portal.made_calls("unregister") == [("unregister", "loc")] * 2


async def test_orphans_of_ours_are_deleted_and_nothing_else() -> None:
    def entity(name: str, owner: str, *, orphan: bool, origin: str = f"url:{TARGET}") -> CatalogEntity:
        return CatalogEntity(
            a.ref(name), name, None, managed_by=f"{CLUSTER}/{owner}", origin=origin, orphan=orphan
        )

    one = scene()
    shown = [
        entity("mine", a.UID, orphan=True),
        entity("fresh", a.UID, orphan=False),
        entity("theirs", "another", orphan=True, origin="url:http://x.example"),
        entity("left", "predecessor", orphan=True),
    ]
    one.portal.shown = {found.ref: found for found in shown}
    await one.steps()
    assert one.portal.made_calls("delete_entity") == [("delete_entity", "mine"), ("delete_entity", "left")]


@pytest.mark.parametrize(
    ("snapshot", "status", "expected"),
    [
        pytest.param(TARGET, OTHERS, "loc", id="snapshot"),
        pytest.param(None, OTHERS, "theirs", id="status"),
        pytest.param("none", OTHERS, "theirs", id="no-snapshot"),
        pytest.param(None, None, "would-be", id="what-it-would-be"),
    ],
)
async def test_the_target_is_the_published_one_then_the_told_one_then_what_it_would_be(
    snapshot: str | None, status: str | None, expected: str
) -> None:
    other = "http://x.example/would-be.yaml"
    one = scene(would_be=other)
    one.portal.listed = {TARGET.replace("main", "m"): "-", OTHERS: "theirs", other: "would-be"}
    if snapshot == TARGET:
        one.portal.listed[TARGET] = "loc"
    one.publications.there = snapshot != "none"
    one.publications.target = None if snapshot == "none" else snapshot
    one.status = {"catalog": {"url": PORTAL, "target": status}} if status else {"catalog": {"url": PORTAL}}
    one.remotes.views.last = one.portal.reading()
    await one.visit()
    assert one.portal.calls == [("unregister", expected)]
    assert one.publications.looks == [0.0]


async def test_without_a_status_it_is_what_it_would_be() -> None:
    one = scene(would_be=OTHERS)
    one.publications.there = False
    one.portal.listed = {OTHERS: "theirs"}
    one.remotes.views.last = one.portal.reading()
    await one.visit()
    assert one.portal.calls == [("unregister", "theirs")]


@pytest.mark.parametrize("forced", [False, True])
async def test_what_never_had_a_target_goes_at_once(forced: bool) -> None:
    one = scene(would_be=None, annotations=FORCED if forced else {})
    one.publications.there = False
    assert await one.visit() == Result.done()
    assert one.gone
    assert one.portal.calls == []
    assert one.writer.events == []


async def test_a_portal_that_fails_is_waited_for_and_then_asked_without_haste() -> None:
    one = scene()
    one.remotes.views.last = one.portal.reading()
    one.portal.fails = AWAY
    assert await one.visit() == BACKOFF
    assert one.writer.ready() == ("False", "Finalizing", "deletion waits for the portal: it is away")
    one.portal.fails = None
    one.clock.now += 10
    one.remotes.views.last = one.portal.reading(began=999.0)
    assert await one.visit() == Result.done(after=TIMINGS.dry_run_timeout, settles=False)
    assert one.remotes.views.asks[-1] == (1000.25, False)
    one.read()
    await one.steps()
    assert one.gone


@pytest.mark.parametrize("pausing", [True, False])
async def test_a_view_that_failed_is_told_only_while_no_newer_one_will_come(pausing: bool) -> None:
    one = scene()
    one.remotes.views.last = replace(one.portal.reading(began=990.0), value=None, failure=AWAY)
    one.remotes.views.pausing = AWAY if pausing else None
    result = await one.visit()
    assert result == (BACKOFF if pausing else Result.done(after=TIMINGS.dry_run_timeout))
    assert bool(one.writer.statuses) is pausing


async def test_while_a_server_wants_to_be_left_alone_an_older_good_view_is_not_enough() -> None:
    one = scene()
    one.remotes.views.last = one.portal.reading(began=990.0)
    one.remotes.views.pausing = AWAY
    assert not (await one.visit()).failed
    assert one.portal.calls == []


async def test_a_view_that_failed_after_the_deletion_is_told() -> None:
    one = scene()
    one.remotes.views.last = replace(one.portal.reading(), value=None, failure=AWAY)
    assert await one.visit() == BACKOFF


async def test_a_portal_in_which_others_are_at_work_is_come_back_to() -> None:
    one = scene()
    one.remotes.views.last = one.portal.reading()
    with ExitStack() as held:
        held.enter_context(one.slots.held(PORTAL, "another"))
        assert await one.visit() == Result.done(after=TIMINGS.dry_run_timeout)
        assert one.portal.calls == []
    assert one.due == [a.UID]


@pytest.mark.parametrize("readable", [True, False])
@pytest.mark.parametrize("what", ["unreadable", "undeletable"])
async def test_a_deletion_waits_for_the_api_server_and_says_so(what: str, readable: bool) -> None:
    one = scene()
    one.portal.listed.pop(TARGET)
    one.portal.shown[a.ref("x")] = a.shown(a.plan(a.elements(1)).published[0])
    one.remotes.views.last = one.portal.reading()
    setattr(one.publications, what, ForbiddenError("no"))
    assert await one.visit(readable=readable) == BACKOFF
    assert one.released == []
    said = one.writer.ready()[2] if readable else one.writer.invalids[-1]
    assert "deletion waits for the API server" in said


@pytest.mark.parametrize("readable", [True, False])
async def test_a_spec_that_cannot_be_read_gets_the_status_of_one(readable: bool) -> None:
    one = scene(no_connection=AWAY)
    assert await one.visit(readable=readable) == BACKOFF
    assert (len(one.writer.statuses), len(one.writer.invalids)) == ((1, 0) if readable else (0, 1))


@pytest.mark.parametrize(
    ("failure", "abandoned"),
    [
        pytest.param(secret(), True, id="no-secret"),
        pytest.param(secret(Reason.SECRET_KEY_NOT_FOUND), True, id="no-key"),
        pytest.param(secret(returns=True), False, id="the-operators-own"),
        pytest.param(secret(Reason.SECRET_UNAVAILABLE), False, id="not-readable-now"),
        pytest.param(AWAY, False, id="away"),
    ],
)
async def test_only_a_secret_that_is_gone_for_good_leaves_the_location_behind(
    failure: Failure, abandoned: bool
) -> None:
    one = scene(no_connection=failure)
    result = await one.visit()
    assert result == (Result.done() if abandoned else BACKOFF)
    assert one.gone is abandoned
    assert [reason for reason, _ in one.writer.events] == [Reason.DELETION_ABANDONED] * abandoned
    if abandoned:
        assert f"the location {TARGET} was left in the portal" in one.writer.events[0][1]
        assert one.writer.events[0][1].endswith("no Secret")


async def test_with_the_last_working_connection_the_secret_is_not_needed() -> None:
    one = scene(no_connection=secret())
    one.deleter.remember(a.UID, one.portal.connection())
    results = await one.steps()
    waits = Result.done(after=TIMINGS.dry_run_timeout)
    assert results == [waits, waits, Result.done()]
    assert one.gone
    assert TARGET not in one.portal.listed
    assert one.writer.events == []


async def test_a_portal_that_refuses_the_last_connection_is_abandoned() -> None:
    one = scene(no_connection=secret())
    one.deleter.remember(a.UID, one.portal.connection())
    one.remotes.views.last = one.portal.reading()
    one.portal.fails = AWAY
    assert await one.visit() == Result.done()
    assert one.gone
    assert one.writer.events[0][1].endswith("it is away")


async def test_the_last_connection_takes_its_place_among_the_others_too() -> None:
    one = scene(no_connection=secret())
    one.deleter.remember(a.UID, one.portal.connection())
    one.remotes.views.last = one.portal.reading()
    with one.slots.held(PORTAL, "another"):
        assert await one.visit() == Result.done(after=TIMINGS.dry_run_timeout)
    assert not one.gone


# --- absence has to be proved


@pytest.mark.parametrize(
    ("reads", "entity", "proved"),
    [
        pytest.param(True, False, False, id="a-token-that-reads"),
        pytest.param(False, False, True, id="a-token-that-reads-nothing"),
        pytest.param(True, True, True, id="its-entity-is-there"),
    ],
)
async def test_what_is_not_listed_is_proved_absent_where_it_might_be_hidden(
    reads: bool, entity: bool, proved: bool
) -> None:
    one = scene()
    one.portal.listed.pop(TARGET)
    one.portal.reads_entities, one.portal.location_read = reads, entity
    await one.steps()
    assert one.gone
    expected = [("register", TARGET), ("unregister", "made-1")] if proved else []
    assert one.portal.calls == expected


@pytest.mark.parametrize("hidden", ["listed", "listing"])
async def test_a_token_that_does_not_list_what_is_there_proves_nothing(hidden: str) -> None:
    one = scene()
    one.portal.reads_entities = one.portal.lists_locations = False
    if hidden == "listing":
        one.portal.listed.pop(TARGET)
    one.remotes.views.last = one.portal.reading()
    assert await one.visit() == BACKOFF
    assert "catalog.location.read" in one.writer.ready()[2]
    assert one.released == []
    assert [call for call, *_ in one.portal.calls] == (
        ["register"] if hidden == "listed" else ["register", "unregister"]
    )


async def test_one_that_was_made_to_prove_it_and_stays_is_not_gone() -> None:
    one = scene()
    one.portal.listed.pop(TARGET)
    one.portal.location_read = one.portal.keeps_locations = True
    one.remotes.views.last = one.portal.reading()
    assert await one.visit() == BACKOFF
    assert "still lists" in one.writer.ready()[2]


# --- forced


@pytest.mark.parametrize("listed", [True, False])
async def test_a_forced_one_takes_all_steps_at_once_with_views_of_its_own(listed: bool) -> None:
    one = scene(annotations=FORCED)
    if not listed:
        one.portal.listed.pop(TARGET)
    one.portal.shown[a.ref("x")] = CatalogEntity(
        a.ref("x"), "x", None, managed_by=f"{CLUSTER}/{a.UID}", origin=None, orphan=True
    )
    assert await one.visit() == Result.done()
    assert one.gone
    assert TARGET not in one.portal.listed
    assert one.portal.views == (2 if listed else 1)
    assert one.portal.made_calls("delete_entity") == [("delete_entity", "x")]
    assert one.writer.events == []
    assert one.remotes.views.following == []


async def test_anything_but_true_forces_nothing() -> None:
    one = scene(annotations={"skillmeat.io/force-delete": "yes"})
    await one.visit()
    assert one.released == []


@pytest.mark.parametrize("why", ["fails", "no connection", "hangs", "stays"])
async def test_a_forced_one_goes_whatever_the_portal_does_and_says_what_is_left(why: str) -> None:
    one = scene(annotations=FORCED)
    if why == "fails":
        one.portal.fails = AWAY
    elif why == "no connection":
        one.no_connection = AWAY
    elif why == "stays":
        one.portal.keeps_locations = True
    else:
        one.portal.view = lambda: asyncio.sleep(60)  # type: ignore[method-assign,assignment,return-value]
    assert await one.visit() == Result.done()
    assert one.gone
    reason, message = one.writer.events[0]
    assert reason == Reason.DELETION_ABANDONED
    assert TARGET in message
    assert "force-delete" in message


async def test_a_forced_one_needs_no_right_on_snapshots() -> None:
    one = scene(annotations=FORCED, status={"catalog": {"url": PORTAL, "target": TARGET}})
    one.publications.unreadable = one.publications.undeletable = ForbiddenError("no")
    assert await one.visit() == Result.done()
    assert one.released == [a.UID]
    assert TARGET not in one.portal.listed


async def test_an_unknown_location_is_called_so() -> None:
    one = scene(annotations=FORCED, no_connection=AWAY, would_be=None)
    one.publications.there = False
    await one.visit()
    assert "the location (unknown) was left" in one.writer.events[0][1]


@pytest.mark.parametrize("how", ["connection", "deletion"])
async def test_nothing_is_left_of_what_is_forgotten(how: str) -> None:
    one = scene()
    if how == "connection":
        one.deleter.remember(a.UID, one.portal.connection())
    else:
        await one.visit()
    assert a.UID in one.deleter
    one.deleter.forget(a.UID)
    one.deleter.forget(a.UID)
    assert a.UID not in one.deleter
