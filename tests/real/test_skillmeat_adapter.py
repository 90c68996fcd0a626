"""The SkillMeat client against a real SkillMeat 0.74.0."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable

import pytest

from skillmeat_operator.adapters.http.client import HttpClient
from skillmeat_operator.adapters.http.egress import Egress, EgressPolicy
from skillmeat_operator.adapters.http.pools import Transports, pinned_transports
from skillmeat_operator.adapters.http.rate_limit import SOURCE_LIMITS, RateLimiter
from skillmeat_operator.adapters.skillmeat.client import SkillMeatClient
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.domain.failure import FailedError, FailureKind
from testbed.ports import LOOPBACK, ports
from testbed.skillmeat import SkillMeat


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """The client as the operator has it; loopback is named."""
    clock = asyncio.get_running_loop().time
    egress = Egress(EgressPolicy.of_flags(allowed_hosts=[LOOPBACK], cluster_wide=True), clock=clock)
    client = HttpClient(egress=egress, transports=Transports(pinned_transports(egress)), clock=clock)
    yield client
    await client.aclose()


def source_client(http: HttpClient, url: str, **options: object) -> SkillMeatClient:
    return SkillMeatClient(http, RateLimiter(SOURCE_LIMITS, clock=http.clock), base_url=url, **options)  # type: ignore[arg-type]


async def reason_of(call: Awaitable[object]) -> tuple[FailureKind, Reason]:
    with pytest.raises(FailedError) as caught:
        await call
    return caught.value.failure.kind, caught.value.failure.reason


async def test_the_list_and_its_digest_follow_skillmeat(http: HttpClient, skillmeat: SkillMeat) -> None:
    skillmeat.clear()
    client = source_client(http, skillmeat.url)
    assert (await client.list_templates(within=20)).elements == ()
    bundle, _ = skillmeat.add_template("fin-serv", "1.2.0", "Financial services", ["python"])
    first = await client.list_templates(within=20)
    skillmeat.invalidate()
    again = await client.list_templates(within=20)
    assert [element["metadata"]["name"] for element in first.elements] == ["skillmeat-bundle-fin-serv"]
    assert again.elements != first.elements  # generated-at moved
    assert again.digest == first.digest
    skillmeat.update_bundle(bundle, version="1.3.0")
    assert (await client.list_templates(within=20)).digest != first.digest


async def test_staleness_is_the_later_of_bundle_and_template(http: HttpClient, skillmeat: SkillMeat) -> None:
    skillmeat.clear()
    bundle, scaffold = skillmeat.add_template("fin-serv", "1.2.0")
    client = source_client(http, skillmeat.url)
    before = (await client.read_staleness()).bundles[bundle]
    skillmeat.update_template(scaffold, backstage_owner="group:default/data")
    after = (await client.read_staleness()).bundles[bundle]
    assert (before.status, after.status) == ("draft", "draft")
    assert after.updated_at > before.updated_at


async def test_staleness_of_many_pages_is_complete_and_never_blocked(
    http: HttpClient, skillmeat: SkillMeat
) -> None:
    skillmeat.clear()
    identifiers = skillmeat.add_templates_fast(350)
    reading = await source_client(http, skillmeat.url).read_staleness()
    assert set(reading.bundles) == set(identifiers)
    skillmeat.clear()


async def test_the_server_tells_version_and_edition(http: HttpClient, skillmeat: SkillMeat) -> None:
    info = await source_client(http, skillmeat.url).server_info()
    assert (info.version, info.edition) == ("0.74.0", "local")


async def test_twenty_equal_reads_at_once_are_never_blocked(http: HttpClient, skillmeat: SkillMeat) -> None:
    """The server blocks at the 20th within 10 s; the limiter lets them through over 20 s."""
    client = source_client(http, skillmeat.url)
    await asyncio.gather(*(client.list_templates(within=60) for _ in range(20)))


async def test_a_wrong_path_and_a_stopped_server(http: HttpClient, skillmeat: SkillMeat) -> None:
    wrong = source_client(http, f"{skillmeat.url}/api/v1")
    assert await reason_of(wrong.list_templates(within=20)) == (
        FailureKind.CONFIGURATION,
        Reason.ENDPOINT_NOT_FOUND,
    )
    port = ports.take()
    down = source_client(http, f"http://{LOOPBACK}:{port}")
    ports.release(port)
    assert await reason_of(down.list_templates(within=20)) == (
        FailureKind.TRANSIENT,
        Reason.SOURCE_UNREACHABLE,
    )
