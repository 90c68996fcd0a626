import asyncio
from collections.abc import Collection

import pytest

from skillmeat_operator.adapters.http.call_errors import CallError, CallProblem
from skillmeat_operator.adapters.http.egress import REMEMBER, RESOLVE_TIMEOUT, Egress, EgressPolicy
from skillmeat_operator.adapters.http.hosts import Host


def policy(
    *allowed: str,
    portal: str | None = None,
    flag: bool = True,
    cluster_wide: bool = True,
    refused: Collection[tuple[str, int]] = (),
    own: Collection[str] = (),
) -> EgressPolicy:
    return EgressPolicy.of_flags(
        allowed_hosts=allowed if flag else None,
        cluster_wide=cluster_wide,
        backstage_url=portal,
        refused=refused,
        own_addresses=own,
    )


async def addresses(rules: EgressPolicy, url: str, found: Collection[str]) -> tuple[str, ...]:
    async def resolve(name: str, port: int) -> Collection[str]:
        return found

    return await Egress(rules, clock=lambda: 0.0, resolver=resolve).addresses(Host.of(url))


LOCAL = ["127.0.0.1"]
API_SERVER = [("10.96.0.1", 443)]
ANYWHERE = "0.0.0.0"  # noqa: S104
LISTENERS = [(ANYWHERE, 8080)]


@pytest.mark.parametrize(
    ("rules", "url", "found"),
    [
        pytest.param(policy("a.example.com"), "http://a.example.com", ["10.1.2.3"], id="named-and-private"),
        pytest.param(policy("*"), "http://a.example.com", ["8.8.8.8"], id="star"),
        pytest.param(
            policy(flag=False, cluster_wide=False), "http://a.example.com", ["8.8.8.8"], id="one-namespace"
        ),
        pytest.param(policy("localhost"), "http://localhost:9", LOCAL, id="localhost-named"),
        pytest.param(policy("127.0.0.1:9"), "http://127.0.0.1:9", LOCAL, id="loopback-literal-named"),
        pytest.param(policy("::1"), "http://[::1]", ["::1"], id="ipv6-loopback-named"),
        pytest.param(policy("*", "localhost"), "http://localhost:9", LOCAL, id="loopback-named-beside-star"),
        pytest.param(
            policy(portal="http://p.example.com:7007"), "http://p.example.com:7007", ["10.0.0.9"], id="portal"
        ),
        pytest.param(
            policy(portal="http://localhost:7007"), "http://localhost:7007", LOCAL, id="portal-on-loopback"
        ),
        pytest.param(
            policy(portal="http://p.test:7007"), "http://p.test:7007", LOCAL, id="portal-name-on-loopback"
        ),
        pytest.param(
            policy("*", refused=API_SERVER),
            "https://10.96.0.1:8443",
            ["10.96.0.1"],
            id="api-server-on-another-port",
        ),
        pytest.param(
            policy("*", refused=LISTENERS, own=["10.0.0.4"]),
            "http://a.example.com:8080",
            ["10.0.0.5"],
            id="other-pod",
        ),
    ],
)
async def test_allowed(rules: EgressPolicy, url: str, found: list[str]) -> None:
    assert await addresses(rules, url, found) == tuple(found)


@pytest.mark.parametrize(
    ("rules", "url", "found"),
    [
        pytest.param(policy(flag=False), "http://a.example.com", ["8.8.8.8"], id="no-flag-cluster-wide"),
        pytest.param(policy(), "http://a.example.com", ["8.8.8.8"], id="empty-flag"),
        pytest.param(policy("b.example.com"), "http://a.example.com", ["8.8.8.8"], id="other-host"),
        pytest.param(policy("*"), "http://localhost", LOCAL, id="star-does-not-name-localhost"),
        pytest.param(policy("*"), "http://127.0.0.1", LOCAL, id="star-does-not-name-loopback"),
        pytest.param(policy("*"), "http://a.example.com", ["::1"], id="star-and-name-on-ipv6-loopback"),
        pytest.param(policy("*.localhost"), "http://a.localhost", LOCAL, id="suffix-does-not-name-loopback"),
        pytest.param(policy("a.example.com"), "http://a.example.com", LOCAL, id="name-rebound-to-loopback"),
        pytest.param(policy("localhost:9"), "http://localhost:10", LOCAL, id="loopback-on-another-port"),
        pytest.param(
            policy("a.example.com"), "http://a.example.com", ["8.8.8.8", "127.0.0.1"], id="one-of-two-is-bad"
        ),
        pytest.param(
            policy("169.254.169.254"), "http://169.254.169.254", ["169.254.169.254"], id="metadata-named"
        ),
        pytest.param(policy("a.test"), "http://a.test", ["::ffff:169.254.169.254"], id="metadata-mapped"),
        pytest.param(policy("a.test"), "http://a.test", ["64:ff9b::a9fe:a9fe"], id="metadata-by-nat64"),
        pytest.param(policy("a.test"), "http://a.test", ["64:ff9b::7f00:1"], id="loopback-by-nat64"),
        pytest.param(policy("a.test"), "http://a.test", ["fd00:ec2::254"], id="metadata-on-ipv6"),
        pytest.param(policy("a.test"), "http://a.test", ["fe80::1%eth0"], id="link-local"),
        pytest.param(policy("a.test"), "http://a.test", ["224.0.0.1"], id="multicast"),
        pytest.param(policy(ANYWHERE), f"http://{ANYWHERE}", [ANYWHERE], id="unspecified"),
        pytest.param(
            policy(portal="http://p.test"), "http://p.test", ["169.254.169.254"], id="portal-on-metadata"
        ),
        pytest.param(
            policy(portal="http://p.test:7007"),
            "http://p.test:7008",
            ["10.0.0.1"],
            id="portal-on-another-port",
        ),
        pytest.param(
            policy("*", refused=API_SERVER), "https://a.test", ["10.96.0.1"], id="api-server-by-any-name"
        ),
        pytest.param(
            policy("*", refused=API_SERVER), "https://a.test", ["::ffff:10.96.0.1"], id="api-server-mapped"
        ),
        pytest.param(
            policy("localhost", refused=LISTENERS),
            "http://localhost:8080",
            LOCAL,
            id="own-listener-on-loopback",
        ),
        pytest.param(
            policy("*", refused=LISTENERS, own=["10.0.0.4"]),
            "http://a.test:8080",
            ["10.0.0.4"],
            id="own-listener",
        ),
        pytest.param(
            policy("*"),
            "http://a.test",
            [*(f"8.8.8.{n}" for n in range(9)), "127.0.0.1"],
            id="the-last-of-ten-is-bad",
        ),
    ],
)
async def test_refused(rules: EgressPolicy, url: str, found: list[str]) -> None:
    with pytest.raises(CallError) as caught:
        await addresses(rules, url, found)
    assert caught.value.problem is CallProblem.EGRESS_REFUSED
    assert "--allowed-hosts" in caught.value.detail


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"allowed_hosts": ["http://a"]}, "'http://a' is not a host"),
        ({"backstage_url": "ftp://a"}, "must be an http:// or https:// URL"),
        ({"refused": [("localhost", 1)]}, "does not appear to be an IPv4 or IPv6 address"),
    ],
)
def test_flags_that_cannot_be_read(flags: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EgressPolicy.of_flags(**{"allowed_hosts": None, "cluster_wide": True, **flags})  # type: ignore[arg-type]


class Resolver:
    def __init__(self, *answers: Collection[str] | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, name: str, port: int) -> Collection[str]:
        self.asked += 1
        await asyncio.sleep(0)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


HOST = Host("a.example.com", 80)


async def test_one_look_up_serves_simultaneous_requests_and_those_that_follow_soon() -> None:
    now = 0.0
    resolver = Resolver(["8.8.8.8"], ["8.8.4.4"])
    egress = Egress(policy("*"), clock=lambda: now, resolver=resolver)
    assert set(await asyncio.gather(*(egress.addresses(HOST) for _ in range(20)))) == {("8.8.8.8",)}
    now = REMEMBER - 0.1
    assert await egress.addresses(HOST) == ("8.8.8.8",)
    assert resolver.asked == 1
    now = REMEMBER
    assert await egress.addresses(HOST) == ("8.8.4.4",)


async def test_a_name_that_is_rebound_is_checked_again() -> None:
    now = 0.0
    egress = Egress(policy("*"), clock=lambda: now, resolver=Resolver(["8.8.8.8"], ["127.0.0.1"]))
    await egress.addresses(HOST)
    now = REMEMBER
    with pytest.raises(CallError, match="loopback"):
        await egress.addresses(HOST)


@pytest.mark.parametrize("failure", [OSError("no such name"), UnicodeError("label too long")])
async def test_a_failed_look_up_is_not_remembered(failure: Exception) -> None:
    egress = Egress(policy("*"), clock=lambda: 0.0, resolver=Resolver(failure, ["8.8.8.8"]))
    with pytest.raises(CallError) as caught:
        await egress.addresses(HOST)
    assert caught.value.problem is CallProblem.NAME_NOT_RESOLVED
    assert await egress.addresses(HOST) == ("8.8.8.8",)


async def test_a_name_without_addresses_is_not_resolved() -> None:
    with pytest.raises(CallError, match="name not resolved"):
        await addresses(policy("*"), "http://a.test", [])


def test_a_look_up_that_hangs_ends(in_virtual_time: object) -> None:
    async def hang(name: str, port: int) -> Collection[str]:
        await asyncio.Event().wait()
        return []

    async def main() -> float:
        loop = asyncio.get_running_loop()
        with pytest.raises(CallError, match="name not resolved"):
            await Egress(policy("*"), clock=loop.time, resolver=hang).addresses(HOST)
        return loop.time()

    assert in_virtual_time(main) == pytest.approx(RESOLVE_TIMEOUT)  # type: ignore[operator]


async def test_the_system_resolver_gives_each_address_once() -> None:
    egress = Egress(policy("127.0.0.1"), clock=lambda: 0.0)
    assert await egress.addresses(Host("127.0.0.1", 9)) == ("127.0.0.1",)
