"""The Backstage client over recorded answers of plugin-catalog-backend 4.0.0, and over others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from skillmeat_operator.adapters.backstage.client import DRY_RUNS, BackstageClient
from skillmeat_operator.adapters.backstage.reader import MOST_BYTES, PAGE_SIZE
from skillmeat_operator.adapters.http.credential import Credential
from skillmeat_operator.adapters.http.pinning import REPEATABLE
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.domain.failure import FailedError
from skillmeat_operator.domain.observation import DryRun, RegisteredLocation

Handler = Callable[[httpx.Request], httpx.Response]
Recording = Callable[[str], httpx.Response]
WireTo = Callable[[Handler], Any]
Operation = Callable[[BackstageClient], Awaitable[object]]

TARGET = "http://127.0.0.1:28181/t.yaml"
REF = "location:default/generated-630a70cb27a03125f9763e826ac163f17f7ba77c"
LOCATION = RegisteredLocation("fced1280-6e22-4f10-b3fb-d4624e1abc7e", TARGET, REF)


def client(wire: Any, **options: Any) -> BackstageClient:
    settings: dict[str, Any] = {
        "base_url": "https://portal.example.com",
        "token": Credential.of("canary"),
        **options,
    }
    return BackstageClient(wire.http, wire.portal_limiter, **settings)


def answer(body: object, status: int = 200) -> httpx.Response:
    return httpx.Response(
        status, headers={"content-type": "application/json"}, content=json.dumps(body).encode()
    )


def empty(status: int) -> httpx.Response:
    return httpx.Response(status)


@pytest.mark.parametrize(
    ("name", "operation", "expected"),
    [
        ("location-create", lambda portal: portal.register(TARGET), LOCATION),
        ("location-create-409", lambda portal: portal.register(TARGET), None),
        ("location-create-onconflict-refresh", lambda portal: portal.onconflict_refresh(TARGET), True),
        ("location-delete", lambda portal: portal.unregister("i-1"), True),
        ("location-delete-404", lambda portal: portal.unregister("i-1"), False),
        ("404-route", lambda portal: portal.move("i-1", TARGET), False),
        ("location-get-404", lambda portal: portal.move("i-1", TARGET), False),
        ("refresh-ok", lambda portal: portal.refresh("template:skillmeat/alpha"), True),
        ("refresh-location", lambda portal: portal.refresh(REF), True),
        ("refresh-unprocessed-template", lambda portal: portal.refresh("template:skillmeat/bad"), True),
        ("refresh-404", lambda portal: portal.refresh("template:skillmeat/zzz"), False),
        ("dryrun-ok", lambda portal: portal.dry_run(TARGET), DryRun(ok=True)),
        ("dryrun-exists", lambda portal: portal.dry_run(TARGET), DryRun(ok=True)),
        ("readonly-dryrun", lambda portal: portal.dry_run(TARGET), DryRun(ok=True)),
        ("dryrun-404", lambda portal: portal.dry_run(TARGET), DryRun(ok=False, unreachable=True)),
        (
            "dryrun-not-allowed-host",
            lambda portal: portal.dry_run(TARGET),
            DryRun(ok=False, host_not_allowed=True),
        ),
        ("dryrun-alias", lambda portal: portal.dry_run(TARGET), DryRun(ok=False)),
        ("entity-by-name", lambda portal: portal.entity_exists("Template:SkillMeat/Alpha"), True),
        ("entity-by-name-404", lambda portal: portal.entity_exists("template:skillmeat/zzz"), False),
        ("entity-after-delete", lambda portal: portal.entity_exists("template:skillmeat/alpha"), False),
        ("entity-delete-by-uid", lambda portal: portal.delete_entity("u-1"), None),
        ("entity-delete-by-uid-404", lambda portal: portal.delete_entity("u-1"), None),
        ("entity-by-uid-404", lambda portal: portal.delete_entity("u-1"), None),
        ("validate-ok", lambda portal: portal.validate_entity({}, TARGET), True),
        ("validate-entity-ignores-rules", lambda portal: portal.validate_entity({}, TARGET), True),
        ("validate-bad", lambda portal: portal.validate_entity({}, TARGET), False),
        ("by-refs-5000", lambda portal: portal.validate_entity({}, TARGET), None),
        ("locations-empty", lambda portal: portal.locations(), {}),
        ("locations-list", lambda portal: portal.locations(), {TARGET: LOCATION}),
        ("restricted-read-locations", lambda portal: portal.locations(), {}),
        ("by-query", lambda portal: portal.reads_entities(), True),
        ("by-refs-badref", lambda portal: portal.full_entities(["alpha"]), {"alpha": None}),
    ],
)
async def test_a_recorded_answer(
    wire_to: WireTo, backstage_recording: Recording, name: str, operation: Operation, expected: object
) -> None:
    wire = wire_to(lambda request: backstage_recording(name))
    assert await operation(client(wire)) == expected
    assert len(wire.requests) == 1


NOT_FOUND = {"error": {"name": "NotFoundError", "message": "x"}}
OLD = {"error": {"name": "InputError", "message": "Unknown query parameter 'onConflict'"}}


async def test_an_older_catalog_does_not_refresh_on_conflict(wire_to: WireTo) -> None:
    wire = wire_to(lambda request: answer(OLD, 400))
    assert await client(wire).onconflict_refresh(TARGET) is False
    assert wire.paths == ["POST /api/catalog/locations?onConflict=refresh"]


async def test_a_move_that_fails_for_another_reason_is_no_sign_of_an_older_catalog(wire_to: WireTo) -> None:
    for refused in (answer({"detail": "Not Found"}, 404), empty(503), empty(403)):
        with pytest.raises(FailedError):
            await client(wire_to(lambda request, refused=refused: refused)).move("i-1", TARGET)


async def test_two_dry_runs_at_a_time_for_all_clients_of_a_portal(
    wire_to: WireTo, backstage_recording: Recording
) -> None:
    wire = wire_to(lambda request: backstage_recording("dryrun-ok"))
    slots = asyncio.Semaphore(DRY_RUNS)
    clients = [client(wire, dry_runs=slots) for _ in range(3)]
    async with slots, slots:
        third = asyncio.create_task(clients[2].dry_run(TARGET))
        for _ in range(10):
            await asyncio.sleep(0)
        assert clients[0].dry_run_waits
        assert wire.requests == []
    assert await third == DryRun(ok=True)
    assert not clients[0].dry_run_waits


async def test_what_is_asked(wire_to: WireTo, backstage_recording: Recording) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        return backstage_recording("dryrun-ok" if "dryRun" in request.url.params else "location-create")

    wire = wire_to(handle)
    portal = client(wire, base_url="https://portal.example.com/base/")
    await portal.register(TARGET)
    await portal.dry_run(TARGET)
    assert wire.paths == ["POST /base/api/catalog/locations", "POST /base/api/catalog/locations?dryRun=true"]
    for request in wire.requests:
        assert json.loads(request.content) == {"type": "url", "target": TARGET}
        assert request.headers["content-type"] == "application/json"
        assert request.headers["authorization"] == "Bearer canary"


def marked(number: int, **changes: Any) -> dict[str, Any]:
    annotations = {"skillmeat.io/managed-by": "c/s", "skillmeat.io/content-hash": f"sha256:{number}"}
    metadata = {
        "name": f"t{number}",
        "namespace": "skillmeat",
        "uid": f"u-{number}",
        "annotations": annotations,
    }
    return {"kind": "Template", "metadata": {**metadata, **changes}}


class Portal:
    """A catalog that pages as the real one does."""

    def __init__(self, entities: list[Any], *, totals: list[int] | None = None, other: int = 0) -> None:
        self.entities = entities
        self.totals = totals
        self.other = other

    def __call__(self, request: httpx.Request) -> httpx.Response:
        params = request.url.params
        if request.url.path.endswith("/locations"):
            return answer([{"data": {"id": "1", "type": "url", "target": TARGET}}])
        if "filter" not in params and "cursor" not in params:
            return answer(
                {"items": [{"kind": "User"}] * self.other, "totalItems": self.other, "pageInfo": {}}
            )
        begin, size = int(params.get("cursor", "0")), int(params["limit"])
        rest = len(self.entities) > begin + size
        total = self.totals.pop(0) if self.totals else len(self.entities)
        info = {"nextCursor": str(begin + size)} if rest else {}
        return answer({"items": self.entities[begin : begin + size], "totalItems": total, "pageInfo": info})


async def test_a_view_has_all_pages_and_the_locations(wire_to: WireTo) -> None:
    wire = wire_to(Portal([marked(number) for number in range(2 * PAGE_SIZE + 1)]))
    view = await client(wire).view()
    assert len(view.entities) == 2 * PAGE_SIZE + 1
    assert view.entities["template:skillmeat/t7"].content_hash == "sha256:7"
    assert view.locations == {TARGET: RegisteredLocation("1", TARGET, REF)}
    assert view.reads_entities
    assert [request.url.path for request in wire.requests] == ["/api/catalog/entities/by-query"] * 3 + [
        "/api/catalog/locations"
    ]
    first, second = (dict(request.url.params) for request in wire.requests[:2])
    assert first == {
        "filter": "kind=template,metadata.annotations.skillmeat.io/managed-by",
        "fields": "kind,metadata.name,metadata.namespace,metadata.uid,metadata.annotations,status",
        "limit": "500",
    }
    assert second == {"cursor": "500", "fields": first["fields"], "limit": "500"}


@pytest.mark.parametrize(
    ("other", "reads"), [(1, True), (0, False)], ids=["token-reads", "token-may-not-read"]
)
async def test_a_view_without_our_entities_looks_for_any(wire_to: WireTo, other: int, reads: bool) -> None:
    view = await client(wire_to(Portal([], other=other))).view()
    assert (view.entities, view.reads_entities) == ({}, reads)


async def test_a_portal_that_answers_fewer_than_it_counts_is_asked_again(wire_to: WireTo) -> None:
    entities = [marked(number) for number in range(3)]
    assert len((await client(wire_to(Portal(entities, totals=[4, 3]))).view()).entities) == 3
    with pytest.raises(FailedError, match="fewer entities than it counts"):
        await client(wire_to(Portal(entities, totals=[4, 4]))).view()


async def test_pages_that_go_round_in_circles_end(wire_to: WireTo) -> None:
    page = {"items": [marked(1)], "totalItems": 9, "pageInfo": {"nextCursor": "again"}}
    with pytest.raises(FailedError, match="pages without end"):
        await client(wire_to(lambda request: answer(page))).view()


@pytest.mark.parametrize("broken", [None, {}, marked(1, uid=None), marked(1, name="a b")])
async def test_one_entity_of_another_shape_makes_no_smaller_view(wire_to: WireTo, broken: object) -> None:
    with pytest.raises(FailedError) as caught:
        await client(wire_to(Portal([marked(0), broken]))).view()
    assert caught.value.failure.reason is Reason.INVALID_RESPONSE


async def test_refs_are_asked_in_chunks_of_500_and_lower_case(wire_to: WireTo) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        refs = json.loads(request.content)["entityRefs"]
        return answer(
            {"items": [None if ref.endswith("0") else marked(int(ref.rpartition("t")[2])) for ref in refs]}
        )

    wire = wire_to(handle)
    found = await client(wire).entities_by_refs([f"Template:SkillMeat/t{number}" for number in range(1201)])
    asked = [json.loads(request.content) for request in wire.requests]
    assert [len(one["entityRefs"]) for one in asked] == [500, 500, 201]
    assert asked[0]["fields"][0] == "kind"
    assert len(found) == 1201
    assert found["template:skillmeat/t10"] is None
    entity = found["template:skillmeat/t11"]
    assert entity is not None
    assert entity.uid == "u-11"


async def test_no_refs_need_no_call(wire_to: WireTo) -> None:
    wire = wire_to(lambda request: answer({}))
    assert await client(wire).entities_by_refs([]) == {}
    assert wire.requests == []


async def test_long_refs_stay_below_the_limit_of_a_body(wire_to: WireTo) -> None:
    wire = wire_to(lambda request: answer({"items": [None] * len(json.loads(request.content)["entityRefs"])}))
    refs = [f"template:{'n' * 63}/{'x' * 250}{number:013}" for number in range(500)]
    found = await client(wire).full_entities(refs)
    assert list(found) == refs
    assert len(wire.requests) == 2
    assert all(len(request.content) < MOST_BYTES for request in wire.requests)


async def test_full_entities_are_whole(wire_to: WireTo) -> None:
    entity = {**marked(1), "spec": {"steps": []}}
    wire = wire_to(lambda request: answer({"items": [entity, None]}))
    found = await client(wire).full_entities(["template:skillmeat/t1", "template:skillmeat/t2"])
    assert found == {"template:skillmeat/t1": entity, "template:skillmeat/t2": None}
    assert "fields" not in json.loads(wire.requests[0].content)


async def test_an_entity_too_large_for_the_portal_is_not_sent_for_validation(wire_to: WireTo) -> None:
    wire = wire_to(lambda request: empty(200))
    assert await client(wire).validate_entity({"x": "y" * MOST_BYTES}, TARGET) is None
    assert wire.requests == []


async def test_paths_are_quoted(wire_to: WireTo) -> None:
    wire = wire_to(lambda request: answer(NOT_FOUND, 404))
    await client(wire).unregister("a/b?c")
    await client(wire).entity_exists("template:skillmeat/a?b#c")
    assert wire.paths == [
        "DELETE /api/catalog/locations/a%2Fb%3Fc",
        "GET /api/catalog/entities/by-name/template/skillmeat/a%3Fb%23c",
    ]


async def test_only_a_registration_must_not_be_doubled(wire_to: WireTo) -> None:
    location = {"location": {"id": "loc", "type": "url", "target": "http://t"}, "entities": []}

    def portal(request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            return empty(204)
        if request.url.path.endswith("/locations"):
            return answer(location, 201)
        return answer({"items": [None]})

    wire = wire_to(portal)
    one = client(wire)
    await one.register("http://t")
    await one.onconflict_refresh("http://t")
    await one.dry_run("http://t")
    await one.unregister("loc")
    await one.refresh("location:default/x")
    await one.entities_by_refs(["template:a/b"])
    assert [request.extensions[REPEATABLE] for request in wire.requests] == [False, *[True] * 5]
