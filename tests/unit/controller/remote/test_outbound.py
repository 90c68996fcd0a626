"""What the operator's way out refuses whatever the flags allow: the API server, and the operator itself."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any, cast

import pytest

from skillmeat_operator.adapters.http.call_errors import CallError, CallProblem
from skillmeat_operator.adapters.kubernetes.errors import UnavailableError
from skillmeat_operator.controller.remote import outbound
from skillmeat_operator.controller.remote.outbound import outbound_client

API_SERVER, POD = "203.0.113.1", "203.0.113.9"


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names that resolve, for the operator's look-ups and for those of the way out."""
    known = {"api.example": [API_SERVER], "6.example": ["2001:db8::1"]}

    def look_up(name: str, port: int, **_: Any) -> list[Any]:
        if name not in known:
            for family in (socket.AF_INET, socket.AF_INET6):
                try:
                    socket.inet_pton(family, name)
                except OSError:
                    continue
                return [(family, 1, 6, "", (name, port))]
            raise socket.gaierror("there is no such name")
        return [(socket.AF_INET, 1, 6, "", (one, port)) for one in known[name]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setenv("POD_IP", POD)
    return known


TOLD: dict[str, Any] = {}
"""What the API server answers to ``GET /api``."""


class Api:
    """Connections to the API server that all get the same answer."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.closed = False

    async def request(self, method: str, path: str) -> Any:
        assert (method, path) == ("GET", "/api")
        if not TOLD:
            raise UnavailableError("away")
        return TOLD

    async def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    TOLD.clear()
    monkeypatch.setattr(outbound, "Transport", Api)


def config(**changes: Any) -> Any:
    given: dict[str, Any] = {
        "serve_address": SimpleNamespace(host="203.0.113.5", port=8080),
        "metrics_address": SimpleNamespace(host="203.0.113.6", port=9090),
        "namespaces": (),
        "allowed_hosts": ("*",),
        "backstage_url": None,
    }
    return SimpleNamespace(**{**given, **changes})


async def refused(url: str, *, server: str = "https://api.example:6443", **changes: Any) -> bool:
    """Whether the way out refuses a URL."""
    access = cast(Any, SimpleNamespace(configuration=SimpleNamespace(host=server)))
    client = await outbound_client(config(**changes), access)
    try:
        await client.endpoint(url)
    except CallError as error:
        return error.problem is CallProblem.EGRESS_REFUSED
    else:
        return False
    finally:
        await client.aclose()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param(f"https://{API_SERVER}:6443", True, id="the-API-server"),
        pytest.param(f"https://{API_SERVER}:443", False, id="another-port-there"),
        pytest.param("http://203.0.113.5:8080", True, id="documents"),
        pytest.param("http://203.0.113.6:9090", True, id="probes"),
        pytest.param("http://203.0.113.5:9090", False, id="neither"),
        pytest.param("http://203.0.113.77:8080", False, id="anything-else"),
    ],
)
async def test_the_api_server_and_the_operator_are_not_reached(url: str, expected: bool) -> None:
    assert await refused(url) is expected


async def test_an_api_server_without_a_port_is_refused_at_that_of_https() -> None:
    assert await refused(f"https://{API_SERVER}:443", server="https://api.example")
    assert not await refused(f"https://{API_SERVER}:6443", server="https://api.example")


@pytest.mark.parametrize(
    ("stated", "url", "expected"),
    [
        ("203.0.113.20:6443", "https://203.0.113.20:6443", True),
        ("203.0.113.20:6443", "https://203.0.113.20:443", False),
        ("[2001:db8::20]:6443", "https://[2001:db8::20]:6443", True),
        ("", "https://203.0.113.20:6443", False),
        ("no address", "https://203.0.113.20:6443", False),
        (None, "https://203.0.113.20:6443", False),
    ],
)
async def test_what_stands_behind_the_service_is_refused_too(stated: Any, url: str, expected: bool) -> None:
    row = {"clientCIDR": "0.0.0.0/0", "serverAddress": stated}
    TOLD.update(kind="APIVersions", serverAddressByClientCIDRs=[row, "other"])
    assert await refused(url) is expected
    assert await refused(f"https://{API_SERVER}:6443")


async def test_all_addresses_of_the_api_server_are_refused(names: dict[str, list[str]]) -> None:
    names["api.example"] = [API_SERVER, "203.0.113.2"]
    assert await refused("https://203.0.113.2:6443")


@pytest.mark.parametrize("server", ["https://nowhere.example", "unix"])
async def test_an_api_server_that_has_no_address_now_keeps_nobody_from_beginning(server: str) -> None:
    assert not await refused("http://203.0.113.77", server=server)


async def test_an_api_server_whose_name_hangs_keeps_nobody_from_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def hangs(_name: str, _port: int) -> list[str]:
        raise TimeoutError

    monkeypatch.setattr(outbound, "system_resolver", hangs)
    assert not await refused("http://203.0.113.77")


@pytest.mark.parametrize(
    ("pod", "expected"), [(POD, True), ("2001:db8::9", False), ("", False), ("no address", False)]
)
async def test_a_listener_on_all_addresses_is_not_reached_by_the_pods_own(
    monkeypatch: pytest.MonkeyPatch, pod: str, expected: bool
) -> None:
    monkeypatch.setenv("POD_IP", pod)
    everywhere = SimpleNamespace(host="0.0.0.0", port=8080)  # noqa: S104
    assert await refused(f"http://{POD}:8080", serve_address=everywhere) is expected
    monkeypatch.delenv("POD_IP")
    assert not await refused(f"http://{POD}:8080", serve_address=everywhere)


async def test_listeners_at_a_name_are_left_out_and_at_an_address_of_either_family_are_not() -> None:
    assert not await refused("http://203.0.113.77", serve_address=SimpleNamespace(host="localhost", port=1))
    six = SimpleNamespace(host="2001:db8::5", port=8080)
    assert await refused("http://[2001:db8::5]:8080", serve_address=six)


@pytest.mark.parametrize(
    ("namespaces", "expected"), [((), True), (("team",), False)], ids=["the-cluster", "a-namespace"]
)
async def test_without_allowed_hosts_only_an_operator_of_some_namespaces_calls_whomever(
    namespaces: tuple[str, ...], expected: bool
) -> None:
    assert await refused("http://203.0.113.77", namespaces=namespaces, allowed_hosts=None) is expected


async def test_the_operators_own_portal_is_allowed() -> None:
    portal: dict[str, Any] = {"allowed_hosts": (), "backstage_url": "http://203.0.113.50:7007"}
    assert not await refused("http://203.0.113.50:7007", **portal)
    assert await refused("http://203.0.113.51:7007", **portal)
