"""What refusals and strange answers of a portal become, for each operation of the Backstage client."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from skillmeat_operator.adapters.backstage.client import BackstageClient
from skillmeat_operator.adapters.http.credential import Credential
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.domain.failure import FailedError, FailureKind, Side
from skillmeat_operator.domain.observation import RegisteredLocation

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
    "onconflict-refresh": lambda portal: portal.onconflict_refresh(TARGET),
    "unregister": lambda portal: portal.unregister("i-1"),
    "refresh": lambda portal: portal.refresh(REF),
    "dry-run": lambda portal: portal.dry_run(TARGET),
    "by-refs": lambda portal: portal.entities_by_refs(["template:a/b"]),
    "full": lambda portal: portal.full_entities(["template:a/b"]),
    "exists": lambda portal: portal.entity_exists("template:a/b"),
    "validate": lambda portal: portal.validate_entity({}, TARGET),
    "delete-entity": lambda portal: portal.delete_entity("u-1"),
}
WRITES = {
    "register",
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
async def test_a_recorded_refusal(
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
