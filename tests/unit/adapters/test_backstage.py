"""The Backstage client over recorded answers of plugin-catalog-backend 4.0.0, and over others."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from skillmeat_operator.adapters.backstage import BackstageClient
from skillmeat_operator.adapters.backstage_reader import MOST_BYTES, PAGE_SIZE
from skillmeat_operator.adapters.credential import Credential
from skillmeat_operator.api.conditions import Reason
from skillmeat_operator.domain.failure import FailedError, FailureKind, Side
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


OPERATIONS: dict[str, Operation] = {
    "view": lambda portal: portal.view(),
    "locations": lambda portal: portal.locations(),
    "register": lambda portal: portal.register(TARGET),
    "register-or-refresh": lambda portal: portal.register(TARGET, refresh_on_conflict=True),
    "onconflict-refresh": lambda portal: portal.onconflict_refresh(TARGET),
    "unregister": lambda portal: portal.unregister("i-1"),
    "refresh": lambda portal: portal.refresh(REF),
    "dry-run": lambda portal: portal.dry_run(TARGET),
    "by-refs": lambda portal: portal.entities_by_refs(["template:a/b"]),
    "full": lambda portal: portal.full_entities(["template:a/b"]),
    "exists": lambda portal: portal.entity_exists("template:a/b"),
    "location-errors": lambda portal: portal.location_errors(REF),
    "delete-entity": lambda portal: portal.delete_entity("u-1"),
    "validate": lambda portal: portal.validate_entity({}, TARGET),
}
WRITES = {
    "register",
    "register-or-refresh",
    "onconflict-refresh",
    "unregister",
    "refresh",
    "dry-run",
    "delete-entity",
}
CREDENTIAL, TRANSIENT, CONFIGURATION = (
    FailureKind.CREDENTIAL,
    FailureKind.TRANSIENT,
    FailureKind.CONFIGURATION,
)
UNREACHABLE = Reason.CATALOG_UNREACHABLE


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("name", "kind", "reason", "says"),
    [
        ("401-bad-token", CREDENTIAL, Reason.AUTHENTICATION_FAILED, "put a valid one there"),
        (
            "401-no-token",
            CREDENTIAL,
            Reason.AUTHENTICATION_FAILED,
            "spec.backstage.auth.bearerTokenSecretRef",
        ),
        ("401-no-token-post", CREDENTIAL, Reason.AUTHENTICATION_FAILED, "bearerTokenSecretRef"),
        ("jwks-bad-aud", CREDENTIAL, Reason.AUTHENTICATION_FAILED, "bearerTokenSecretRef"),
        ("jwks-bad-iss", CREDENTIAL, Reason.AUTHENTICATION_FAILED, "bearerTokenSecretRef"),
        ("legacy-badsig", CREDENTIAL, Reason.AUTHENTICATION_FAILED, "bearerTokenSecretRef"),
        ("legacy-wrong-sub", CREDENTIAL, Reason.AUTHENTICATION_FAILED, "bearerTokenSecretRef"),
        ("legacy-expired", CREDENTIAL, Reason.AUTHENTICATION_FAILED, "bearerTokenSecretRef"),
        ("404-plugin", TRANSIENT, UNREACHABLE, "is starting"),
        ("404-route", TRANSIENT, UNREACHABLE, "is starting"),
        ("429-rate-limited", TRANSIENT, UNREACHABLE, "HTTP 429"),
        ("readonly-create", CONFIGURATION, Reason.TOKEN_FORBIDDEN, "read-only"),
        ("readonly-delete", CONFIGURATION, Reason.TOKEN_FORBIDDEN, "StaticLocation"),
    ],
)
async def test_a_recorded_refusal(  # noqa: PLR0917
    wire_to: WireTo,
    backstage_recording: Recording,
    operation: str,
    name: str,
    kind: FailureKind,
    reason: Reason,
    says: str,
) -> None:
    wire = wire_to(lambda request: backstage_recording(name))
    with pytest.raises(FailedError, match=says) as caught:
        await OPERATIONS[operation](client(wire))
    failure = caught.value.failure
    assert (failure.side, failure.kind, failure.reason) == (Side.CATALOG, kind, reason)
    assert failure.retry_after == (10.0 if name == "429-rate-limited" else None)
    assert "portal.example.com" in failure.message
    assert len(wire.requests) == 1


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", ["403-permission-restricted-create", "403-plugin-restricted"])
async def test_a_recorded_403(
    wire_to: WireTo, backstage_recording: Recording, operation: str, name: str
) -> None:
    with pytest.raises(FailedError, match=r"permission catalog\.(entity|location)\.") as caught:
        await OPERATIONS[operation](client(wire_to(lambda request: backstage_recording(name))))
    failure = caught.value.failure
    expected = Reason.TOKEN_FORBIDDEN if operation in WRITES else Reason.ACCESS_DENIED
    assert (failure.kind, failure.reason) == (CREDENTIAL, expected)


HTML = httpx.Response(200, headers={"content-type": "text/html"}, content=b"<html>Sign in</html>")
NOT_FOUND = {"error": {"name": "NotFoundError", "message": "x"}}


@pytest.mark.parametrize(
    "operation", sorted(set(OPERATIONS) - {"unregister", "refresh", "delete-entity", "validate"})
)
@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param(HTML, Reason.INVALID_RESPONSE, id="login-page"),
        pytest.param(answer({"x": 1}), Reason.INVALID_RESPONSE, id="another-object"),
        pytest.param(answer(7), Reason.INVALID_RESPONSE, id="number"),
        pytest.param(empty(200), Reason.INVALID_RESPONSE, id="nothing"),
        pytest.param(answer({}, 302), Reason.INVALID_RESPONSE, id="redirect"),
        pytest.param(answer({"error": {"name": "ConflictError"}}, 418), Reason.INVALID_RESPONSE, id="teapot"),
        pytest.param(answer({}, 503), UNREACHABLE, id="503"),
        pytest.param(answer({"error": {"name": "Error", "message": "x"}}, 500), UNREACHABLE, id="500"),
        pytest.param(httpx.Response(404, content=b"default backend - 404"), UNREACHABLE, id="404-of-a-proxy"),
        pytest.param(answer({"detail": "Not Found"}, 404), UNREACHABLE, id="404-of-another-server"),
    ],
)
async def test_an_answer_that_no_catalog_gives(
    wire_to: WireTo, operation: str, given: httpx.Response, reason: Reason
) -> None:
    with pytest.raises(FailedError) as caught:
        await OPERATIONS[operation](client(wire_to(lambda request: given)))
    assert (caught.value.failure.kind, caught.value.failure.reason) == (TRANSIENT, reason)


async def test_a_404_of_the_catalog_itself_where_none_is_expected(wire_to: WireTo) -> None:
    with pytest.raises(FailedError) as caught:
        await client(wire_to(lambda request: answer(NOT_FOUND, 404))).locations()
    assert caught.value.failure.reason is UNREACHABLE


async def test_without_a_token_the_message_says_where_to_put_one(
    wire_to: WireTo, backstage_recording: Recording
) -> None:
    wire = wire_to(lambda request: backstage_recording("401-no-token"))
    with pytest.raises(FailedError, match="asks for a token: set --backstage-token-file"):
        await client(wire, token=None, token_field="--backstage-token-file").view()
    assert "authorization" not in wire.requests[0].headers


@pytest.mark.parametrize(
    ("name", "operation", "expected"),
    [
        ("location-create", lambda portal: portal.register(TARGET), LOCATION),
        ("location-create-409", lambda portal: portal.register(TARGET), None),
        (
            "location-create-onconflict-refresh",
            lambda portal: portal.register(TARGET, refresh_on_conflict=True),
            LOCATION,
        ),
        ("location-create-onconflict-refresh", lambda portal: portal.onconflict_refresh(TARGET), True),
        ("location-delete", lambda portal: portal.unregister("i-1"), True),
        ("location-delete-404", lambda portal: portal.unregister("i-1"), False),
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
        ("doc-404-existing", lambda portal: portal.location_errors(_ref("doc-404-existing")), True),
        ("conflict-location2", lambda portal: portal.location_errors(_ref("conflict-location2")), False),
        ("location-first-read-fails-entity", lambda portal: portal.location_errors(REF), None),
        ("rules-rejected-location-entity", lambda portal: portal.location_errors(REF), None),
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


def _ref(name: str) -> str:
    names = {"doc-404-existing": "40737844fec180ed43a184e36e51e0cbaa4ea7ca"}
    return f"location:default/generated-{names.get(name, 'f9d7a698be617fc361178f4f17f7c373dbb6b382')}"


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("location-create-400-type", "register"),
        ("location-create-400-extra", "register"),
        ("location-create-400-json", "register"),
        ("location-create-400-missing", "register"),
        ("location-create-400-ctype", "register"),
        ("location-create-onconflict-bad", "onconflict-refresh"),
        ("refresh-bad", "refresh"),
        ("by-query-badcursor", "view"),
        ("by-refs-badbody", "by-refs"),
        ("by-refs-5000", "by-refs"),
        ("location-get-404", "dry-run"),
        ("entity-by-name", "exists"),
    ],
)
async def test_a_recorded_answer_to_something_else(
    wire_to: WireTo, backstage_recording: Recording, name: str, operation: str
) -> None:
    with pytest.raises(FailedError) as caught:
        await OPERATIONS[operation](client(wire_to(lambda request: backstage_recording(name))))
    assert caught.value.failure.kind is TRANSIENT


OLD = {"error": {"name": "InputError", "message": "Unknown query parameter 'onConflict'"}}


@pytest.mark.parametrize(("then", "expected"), [(201, LOCATION), (409, None)], ids=["new", "exists"])
async def test_an_older_catalog_registers_without_refreshing(
    wire_to: WireTo, then: int, expected: RegisteredLocation | None
) -> None:
    created = {"location": {"id": LOCATION.id, "type": "url", "target": TARGET}, "entities": []}

    def handle(request: httpx.Request) -> httpx.Response:
        return answer(OLD, 400) if "onConflict" in request.url.params else answer(created, then)

    wire = wire_to(handle)
    assert await client(wire).register(TARGET, refresh_on_conflict=True) == expected
    assert await client(wire).onconflict_refresh(TARGET) is False
    assert wire.paths[:2] == ["POST /api/catalog/locations?onConflict=refresh", "POST /api/catalog/locations"]


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


async def test_canaries_stay_inside(wire_to: WireTo, no_secret: Callable[[str, object], None]) -> None:
    body = {"error": {"name": "canary-remote", "message": "canary-remote"}}
    for status in (200, 302, 400, 401, 403, 404, 429, 500, 503):
        for operation in OPERATIONS.values():
            portal = client(
                wire_to(lambda request, status=status: answer(body, status)), token=Credential.of("canary-t")
            )
            try:
                await operation(portal)
            except FailedError as error:
                no_secret("canary", error.failure)
                no_secret("canary", error)
    no_secret("canary", None)
