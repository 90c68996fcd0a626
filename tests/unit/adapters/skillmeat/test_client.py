"""The SkillMeat client over recorded answers of SkillMeat 0.74.0, and over others."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from skillmeat_operator.adapters.http.credential import Credential
from skillmeat_operator.adapters.http.json_body import parse_elements
from skillmeat_operator.adapters.skillmeat import client as skillmeat_module
from skillmeat_operator.adapters.skillmeat.client import MOST_TEMPLATES, SkillMeatClient
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.domain.failure import FailedError, FailureKind
from skillmeat_operator.domain.observation import ServerInfo, TemplateList

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


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("templates-populated", 3),
        ("templates-empty", 0),
        ("templates-edge-cases", 14),
        ("templates-stale-PATCHED-SERVER", 1),
        ("auth-smk-bearer-200", 0),
    ],
)
async def test_a_recorded_list(
    wire_to: WireTo, skillmeat_recording: Recording, name: str, count: int
) -> None:
    recorded = skillmeat_recording(name)
    wire = wire_to(lambda request: recorded)
    found = await client(wire).list_templates(within=10)
    assert found.elements == tuple(recorded.json())
    assert len(found.elements) == count


async def test_what_is_asked(wire_to: WireTo) -> None:
    wire = wire_to(lambda request: json_answer([]))
    base = f"{URL}/prefix/"
    await client(wire, base, platform="claude code&x", bearer=BEARER, service_token=SERVICE).list_templates(
        within=10
    )
    await client(wire).list_templates(within=10)
    assert wire.paths == [
        "GET /prefix/api/v1/integrations/idp/templates?platform=claude+code%26x",
        "GET /api/v1/integrations/idp/templates",
    ]
    first, second = (request.headers for request in wire.requests)
    assert (first["authorization"], first["x-skillmeat-service-token"]) == (
        "Bearer canary-bearer",
        "canary-service",
    )
    assert not {"authorization", "x-skillmeat-service-token"} & set(second)


TOO_MANY = b"[" + b",".join([b"{}"] * (MOST_TEMPLATES + 1)) + b"]"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="object"),
        pytest.param(b'{"items": []}', id="paged"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html><body>Log in</body></html>", id="html"),
        pytest.param(b'[{"kind": "Template"}, {"kind"', id="half-a-body"),
        pytest.param(b'[{"kind": "Template"}]]', id="more-than-a-body"),
        pytest.param(b"[\xff]", id="not-utf-8"),
        pytest.param(b"[" * 200_000, id="nested-without-end"),
        pytest.param(TOO_MANY, id="ten-thousand-and-one"),
    ],
)
async def test_a_list_that_is_none_is_no_shorter_list(wire_to: WireTo, body: bytes) -> None:
    wire = wire_to(lambda request: json_answer(body))
    with pytest.raises(FailedError) as caught:
        await client(wire).list_templates(within=10)
    failure = caught.value.failure
    assert (failure.kind, failure.reason) == (FailureKind.TRANSIENT, Reason.INVALID_RESPONSE)


async def test_a_list_that_does_not_say_it_is_json_is_none(wire_to: WireTo) -> None:
    wire = wire_to(lambda request: httpx.Response(200, headers={"content-type": "text/html"}, content=b"[]"))
    with pytest.raises(FailedError, match="not JSON"):
        await client(wire).list_templates(within=10)


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/x+json"]
)
async def test_a_list_says_in_several_ways_that_it_is_json(wire_to: WireTo, content_type: str) -> None:
    wire = wire_to(lambda request: httpx.Response(200, headers={"content-type": content_type}, content=b"[]"))
    assert (await client(wire).list_templates(within=10)).elements == ()


@pytest.mark.parametrize(
    "element",
    [
        pytest.param(None, id="null"),
        pytest.param("text", id="text"),
        pytest.param({"kind": "Template", "spec": "x" * 300_000}, id="over-256-kib"),
        pytest.param({"metadata": {"annotations": None}}, id="no-annotations"),
        pytest.param({"metadata": {"name": "\ud800"}}, id="half-a-character"),
    ],
)
async def test_a_poisoned_element_is_left_to_the_rules(wire_to: WireTo, element: object) -> None:
    body = [{"kind": "Template"}, element, {"kind": "Template"}]
    wire = wire_to(lambda request: json_answer(body))
    assert (await client(wire).list_templates(within=10)).elements == tuple(body)


async def test_a_bottomless_element_is_left_to_the_rules(wire_to: WireTo) -> None:
    poison = b'{"metadata": {"name": "deep"}, "spec": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    wire = wire_to(lambda request: json_answer(b'[{"a": 1},' + poison + b"]"))
    first, second = (await client(wire).list_templates(within=10)).elements
    assert (first, second["metadata"]) == ({"a": 1}, {"name": "deep"})


def entity(name: str = "a", generated: str = "2026-01-01T00:00:00Z", title: str = "t") -> dict[str, Any]:
    annotations = {"skillmeat.io/generated-at": generated, "skillmeat.io/bundle-id": "b"}
    return {"kind": "Template", "metadata": {"name": name, "title": title, "annotations": annotations}}


async def listed(wire_to: WireTo, body: object) -> TemplateList:
    return await client(wire_to(lambda request: json_answer(body))).list_templates(within=10)  # type: ignore[no-any-return]


async def test_the_digest_leaves_out_generated_at_and_nothing_else(wire_to: WireTo) -> None:
    async def digest(*entities: object) -> str:
        return (await listed(wire_to, list(entities))).digest

    def form(*fields: str) -> dict[str, Any]:
        return {**entity(), "spec": {"parameters": {"properties": dict.fromkeys(fields)}}}

    base = await digest(entity(), entity("b"))
    assert await digest(entity(generated="2027-02-02T00:00:00Z"), entity("b")) == base
    others = [
        await digest(entity(title="u"), entity("b")),
        await digest(entity("b"), entity()),
        await digest(entity()),
        await digest(entity(), entity("b"), None),
        await digest(),
        await digest(form("a", "b")),
        await digest(form("b", "a")),
    ]
    assert len({base, *others}) == 8


@pytest.mark.parametrize(
    ("count", "aside"), [pytest.param(3, False, id="small-list"), pytest.param(5000, True, id="large-list")]
)
async def test_only_a_large_list_is_decoded_beside_the_loop(
    wire_to: WireTo, monkeypatch: pytest.MonkeyPatch, count: int, aside: bool
) -> None:
    threads: list[int] = []

    def note(body: bytes, *, most: int) -> list[Any]:
        threads.append(threading.get_ident())
        return parse_elements(body, most=most)

    monkeypatch.setattr(skillmeat_module, "parse_elements", note)
    found = await listed(wire_to, [entity(f"n{number}") for number in range(count)])
    assert len(found.elements) == count
    assert (threads != [threading.get_ident()]) is aside


@pytest.mark.parametrize(
    ("answer", "info"),
    [
        pytest.param(
            '{"version":"0.74.0","edition":"local"}', ServerInfo("0.74.0", "local"), id="version-and-edition"
        ),
        pytest.param("{}", ServerInfo(), id="says-nothing"),
        pytest.param('{"version": 7, "edition": null}', ServerInfo(), id="says-something-else"),
        pytest.param(
            '{"version": "<b>", "edition": "a b"}', ServerInfo(), id="says-what-status-may-not-show"
        ),
        pytest.param('{"version": "' + "1" * 65 + '"}', ServerInfo(), id="says-too-much"),
    ],
)
async def test_server_info(wire_to: WireTo, answer: str, info: ServerInfo) -> None:
    assert await client(wire_to(lambda request: json_answer(answer.encode()))).server_info() == info


async def test_server_info_as_recorded_and_where_there_is_none(
    wire_to: WireTo, skillmeat_recording: Recording
) -> None:
    wire = wire_to(lambda request: skillmeat_recording("version"))
    assert await client(wire).server_info() == ServerInfo("0.74.0", "local")
    assert wire.paths == ["GET /api/v1/version"]
    assert (
        await client(wire_to(lambda request: skillmeat_recording("template-404"))).server_info()
        == ServerInfo()
    )


@pytest.mark.parametrize("answer", [json_answer([]), json_answer(b"<html>"), json_answer({}, 503)])
async def test_server_info_that_fails(wire_to: WireTo, answer: httpx.Response) -> None:
    with pytest.raises(FailedError):
        await client(wire_to(lambda request: answer)).server_info()
