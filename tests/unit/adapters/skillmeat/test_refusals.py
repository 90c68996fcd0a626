"""What refusals, failures and forbidden requests become in the SkillMeat client."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from skillmeat_operator.adapters.http.credential import Credential
from skillmeat_operator.adapters.http.tls import TlsMaterial
from skillmeat_operator.adapters.skillmeat.client import CALL_TIMEOUT, SkillMeatClient
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.domain.failure import FailedError, FailureKind, Side

URL = "https://skillmeat.example.com"
BEARER = Credential.of("canary-bearer")
SERVICE = Credential.of("canary-service")

Recording = Callable[[str], httpx.Response]
WireTo = Callable[[Callable[[httpx.Request], httpx.Response]], Any]


def client(wire: Any, url: str = URL, **options: Any) -> SkillMeatClient:
    return SkillMeatClient(wire.http, wire.source_limiter, base_url=url, **options)


def json_answer(body: object, status: int = 200) -> httpx.Response:
    return httpx.Response(status, headers={"content-type": "application/json"}, content=_bytes(body))


def _bytes(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


CREDENTIAL, CONFIGURATION, TRANSIENT = (
    FailureKind.CREDENTIAL,
    FailureKind.CONFIGURATION,
    FailureKind.TRANSIENT,
)
LATER = Reason.SOURCE_UNREACHABLE


@pytest.mark.parametrize(
    ("name", "kind", "reason", "says"),
    [
        ("auth-no-creds-401", CREDENTIAL, Reason.AUTHENTICATION_FAILED, "put a valid one into that Secret"),
        ("auth-unknown-smk-401", CREDENTIAL, Reason.AUTHENTICATION_FAILED, "bearerTokenSecretRef"),
        ("auth-revoked-smk-401", CREDENTIAL, Reason.AUTHENTICATION_FAILED, "bearerTokenSecretRef"),
        ("auth-garbage-bearer", CREDENTIAL, Reason.AUTHENTICATION_FAILED, "bearerTokenSecretRef"),
        ("jwt-no-creds-401", CREDENTIAL, Reason.AUTHENTICATION_FAILED, "bearerTokenSecretRef"),
        ("enterprise-no-creds-401", CREDENTIAL, Reason.AUTHENTICATION_FAILED, "bearerTokenSecretRef"),
        (
            "local-auth-enabled-unknown-smk-401",
            CREDENTIAL,
            Reason.AUTHENTICATION_FAILED,
            "bearerTokenSecretRef",
        ),
        ("auth-smk-register-403", CREDENTIAL, Reason.ACCESS_DENIED, "bearerTokenSecretRef"),
        ("local-smk-key-telemetry-403", CREDENTIAL, Reason.ACCESS_DENIED, "bearerTokenSecretRef"),
        ("template-404", CONFIGURATION, Reason.ENDPOINT_NOT_FOUND, "without /api/v1"),
        (
            "templates-trailing-slash-404",
            CONFIGURATION,
            Reason.ENDPOINT_NOT_FOUND,
            "spec.source.skillmeat.url",
        ),
        ("templates-head-405", CONFIGURATION, Reason.ENDPOINT_NOT_FOUND, "spec.source.skillmeat.url"),
        ("enterprise-templates-501", CONFIGURATION, Reason.EDITION_UNSUPPORTED, "edition"),
        ("rate-limited-429", TRANSIENT, LATER, "HTTP 429"),
        ("auth-jwks-unreachable-503", TRANSIENT, LATER, "HTTP 503"),
        ("broken-migration-templates-500", TRANSIENT, LATER, "HTTP 500"),
        ("clerk-unchained-no-creds-500", TRANSIENT, LATER, "HTTP 500"),
        ("clerk-unchained-garbage-500", TRANSIENT, LATER, "HTTP 500"),
        ("register-deployment-422", TRANSIENT, Reason.INVALID_RESPONSE, "HTTP 422"),
    ],
)
async def test_a_recorded_refusal(
    wire_to: WireTo, skillmeat_recording: Recording, name: str, kind: FailureKind, reason: Reason, says: str
) -> None:
    wire = wire_to(lambda request: skillmeat_recording(name))
    with pytest.raises(FailedError) as caught:
        await client(wire, bearer=BEARER).list_templates(within=10)
    failure = caught.value.failure
    assert (failure.side, failure.kind, failure.reason) == (Side.SOURCE, kind, reason)
    assert says in failure.message
    assert "skillmeat.example.com" in failure.message
    assert failure.retry_after == (10.0 if name == "rate-limited-429" else None)
    assert failure.whole_server is (name == "rate-limited-429")


@pytest.mark.parametrize(
    ("status", "reason", "says"),
    [
        (
            401,
            Reason.AUTHENTICATION_FAILED,
            "asks for a token: set spec.source.skillmeat.auth.bearerTokenSecretRef",
        ),
        (500, LATER, "if it asks for a token, set spec.source.skillmeat.auth.bearerTokenSecretRef"),
        (301, Reason.INVALID_RESPONSE, "redirect"),
        (302, Reason.INVALID_RESPONSE, "redirect"),
        (307, Reason.INVALID_RESPONSE, "redirect"),
        (400, Reason.INVALID_RESPONSE, "HTTP 400"),
        (206, Reason.INVALID_RESPONSE, "HTTP 206"),
        (410, Reason.ENDPOINT_NOT_FOUND, "base URL"),
        (502, LATER, "HTTP 502"),
        (504, LATER, "HTTP 504"),
        (599, LATER, "HTTP 599"),
    ],
)
async def test_another_status_without_a_token(
    wire_to: WireTo, status: int, reason: Reason, says: str
) -> None:
    wire = wire_to(lambda request: json_answer([], status))
    with pytest.raises(FailedError, match=says) as caught:
        await client(wire).list_templates(within=10)
    assert caught.value.failure.reason is reason


def failing(error: Exception) -> Callable[[httpx.Request], httpx.Response]:
    def handle(request: httpx.Request) -> httpx.Response:
        raise error

    return handle


def caused(error: httpx.TransportError, cause: BaseException) -> httpx.TransportError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            caused(httpx.ConnectError("x"), ConnectionRefusedError()),
            "refused the connection: check that it runs",
        ),
        (caused(httpx.ConnectError("x"), OSError(113, "no route")), "cannot be reached"),
        (httpx.ConnectTimeout("x"), "timed out"),
        (httpx.ReadTimeout("x"), "timed out"),
        (caused(httpx.ReadError("x"), ConnectionResetError()), "closed the connection without an answer"),
        (httpx.PoolTimeout("x"), "as often as the operator allows itself"),
    ],
)
async def test_an_unreachable_server_by_class(wire_to: WireTo, error: Exception, says: str) -> None:
    wire = wire_to(failing(error))
    with pytest.raises(FailedError, match=says) as caught:
        await client(wire).list_templates(within=CALL_TIMEOUT)
    failure = caught.value.failure
    assert (failure.kind, failure.reason) == (TRANSIENT, LATER)
    assert "SkillMeat at skillmeat.example.com" in failure.message
    assert failure.whole_server is (says.startswith("refused the connection") or says == "timed out")


async def test_a_time_out_shorter_than_usual_says_nothing_of_the_server(wire_to: WireTo) -> None:
    wire = wire_to(failing(httpx.ReadTimeout("x")))
    with pytest.raises(FailedError) as caught:
        await client(wire).list_templates(within=10)
    assert not caught.value.failure.whole_server


@pytest.mark.parametrize(
    ("url", "options", "reason", "says"),
    [
        pytest.param(
            "https://evil.test", {}, Reason.EGRESS_NOT_ALLOWED, "--allowed-hosts", id="host-not-allowed"
        ),
        pytest.param(
            URL,
            {"bearer": Credential.of("canary", allowed_hosts=("b.example.com",))},
            Reason.EGRESS_NOT_ALLOWED,
            "skillmeat.io/allowed-hosts",
            id="secret-bound-elsewhere",
        ),
        pytest.param(
            URL,
            {"service_token": Credential.of("canary", allowed_hosts=())},
            Reason.EGRESS_NOT_ALLOWED,
            "serviceTokenSecretRef",
            id="service-token-bound-elsewhere",
        ),
        pytest.param(
            URL,
            {"bearer": Credential.of("canary\ncanary")},
            Reason.AUTHENTICATION_FAILED,
            "no single line of ASCII",
            id="token-of-two-lines",
        ),
    ],
)
async def test_what_is_not_sent(
    wire_to: WireTo, url: str, options: dict[str, Any], reason: Reason, says: str
) -> None:
    wire = wire_to(lambda request: json_answer([]))
    with pytest.raises(FailedError, match=says) as caught:
        await client(wire, url, **options).list_templates(within=10)
    assert caught.value.failure.reason is reason
    assert wire.requests == []


@pytest.mark.parametrize(
    "url", ["", "ftp://a.example.com", "https://", "https://[::1", "https://[1.2]", "https://xn--0"]
)
async def test_a_url_that_is_none(wire_to: WireTo, url: str) -> None:
    wire = wire_to(lambda request: json_answer([]))
    with pytest.raises(FailedError, match=r"spec\.source\.skillmeat\.url must") as caught:
        client(wire, url)
    assert (caught.value.failure.kind, caught.value.failure.reason) == (CONFIGURATION, Reason.INVALID_SPEC)


async def test_a_url_with_a_password_is_refused_without_being_repeated(wire_to: WireTo) -> None:
    with pytest.raises(FailedError, match="must not contain a user name") as caught:
        client(wire_to(lambda request: json_answer([])), "https://canary-user:canary-pass@a.example.com")
    assert "canary" not in str(caught.value)


async def test_canaries_stay_inside(wire_to: WireTo, no_secret: Callable[[str, object], None]) -> None:
    body = {"detail": "canary-remote", "Authorization": "canary-remote"}
    for status in (200, 302, 400, 401, 403, 404, 429, 500, 501, 503):
        wire = wire_to(lambda request, status=status: json_answer(body, status))
        subject = client(
            wire,
            "https://skillmeat.example.com/canary-path",
            bearer=BEARER,
            service_token=SERVICE,
            tls=TlsMaterial(key=b"canary-key"),
        )
        with pytest.raises(FailedError) as caught:
            await subject.list_templates(within=10)
        for canary in (
            "canary-bearer",
            "canary-service",
            "canary-remote",
            "canary-key",
        ):
            no_secret(canary, caught.value.failure)
        assert "canary" not in str(caught.value)
