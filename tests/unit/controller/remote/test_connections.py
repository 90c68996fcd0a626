"""From a spec to clients: which URL, whose credential and which share they have, and when Secrets are read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from skillmeat_operator.adapters.http.client import Answer, Call
from skillmeat_operator.adapters.kubernetes.object_ref import SecretContent
from skillmeat_operator.adapters.kubernetes.secrets import SecretReader
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.controller.remote.connections import Connections
from skillmeat_operator.domain.failure import FailedError, FailureKind, Side
from skillmeat_operator.domain.timings import Timings
from tests.conditions import builders as a

OWN = "https://own-portal.example"
PORTAL = "https://portal.example"
SOURCE = "https://skillmeat.example"
AUTH = {"auth": {"bearerTokenSecretRef": {"name": "portal"}}}


@dataclass
class Wire:
    """Notes calls; answers that nothing is there."""

    calls: list[tuple[Call, str]] = field(default_factory=list)
    under_way: int = 0
    most: int = 0
    limiters: list[Any] = field(default_factory=list)

    def clock(self) -> float:
        return 0.0

    async def send(self, call: Call, *, share: str, limiter: Any, **_: Any) -> Answer:
        self.calls.append((call, share))
        self.limiters.append(limiter)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.under_way -= 1
        status = 201 if "dryRun" in call.query else 204 if call.method == "DELETE" else 404
        body = b"{}" if status == 201 else b""
        return Answer(status=status, headers={"content-type": "application/json"}, body=body)

    @property
    def sent(self) -> dict[str, str]:
        """What the last call had in its headers that is a secret."""
        return {
            key: value for key, value in self.calls[-1][0].headers.items() if "oken" in key or key[0] == "A"
        }


class World:
    """Connections over Secrets that are counted, and a clock that is set."""

    def __init__(self, *, own: str | None = OWN, token_file: TokenFile | None = None) -> None:
        self.now = 1000.0
        self.wire = Wire()
        self.reads: list[tuple[str, str]] = []
        self.tokens = {"portal": "p0", "api": "k0", "service": "s0"}
        self.bound: str | None = None
        self.connections = Connections(
            http=cast(Any, self.wire),
            source_limiter=cast(Any, "source"),
            portal_limiter=cast(Any, "portal"),
            secrets=SecretReader(cast(Any, self)),
            backstage_url=own,
            backstage_token_file=token_file.path if token_file is not None else None,
            clock=lambda: self.now,
            timings=Timings(),
        )

    async def get_secret(self, namespace: str, name: str) -> SecretContent | None:
        self.reads.append((namespace, name))
        value = self.tokens.get(name)
        if value is None:
            return None
        notes = {} if self.bound is None else {"skillmeat.io/allowed-hosts": self.bound}
        data = {"token": value.encode(), "tls.crt": b"c", "tls.key": b"k", "ca.crt": value.encode()}
        return SecretContent(data=data, annotations=notes, resource_version="1")

    async def sent_to_portal(self, source: CatalogSource, **more: Any) -> tuple[str, dict[str, str]]:
        """Where a call to the portal goes, and what is sent with it."""
        await (await self.connections.portal(source, **more)).client.unregister("1")
        return self.wire.calls[-1][0].url, self.wire.sent

    async def sent_to_source(self, source: CatalogSource) -> tuple[str, dict[str, str]]:
        """The same of the SkillMeat server."""
        await (await self.connections.source(source)).client.server_info()
        return self.wire.calls[-1][0].url, self.wire.sent


@dataclass
class TokenFile:
    """The file of the operator's own token."""

    path: Path

    def hold(self, content: bytes | None) -> None:
        """Have it hold this; None: have it go."""
        if content is None:
            self.path.unlink()
        else:
            self.path.write_bytes(content)


@pytest.fixture
def token_file(tmp_path: Path) -> TokenFile:
    made = TokenFile(tmp_path / "token")
    made.hold(b"own\n")
    return made


def source(
    *, backstage: dict[str, Any] | None = None, skillmeat: dict[str, Any] | None = None, **metadata: Any
) -> CatalogSource:
    return a.source(
        {
            "backstage": {} if backstage is None else backstage,
            "source": {"skillmeat": {"url": SOURCE, **(skillmeat or {})}},
        },
        **metadata,
    )


async def failure_of(call: Any) -> tuple[Side, FailureKind, Reason, bool]:
    with pytest.raises(FailedError) as caught:
        await call
    failure = caught.value.failure
    return failure.side, failure.kind, failure.reason, failure.returns


async def test_the_portal_of_the_spec_comes_before_the_operators_own() -> None:
    world = World()
    assert (await world.sent_to_portal(source()))[0].startswith(f"{OWN}/")
    named = source(backstage={"url": f"{PORTAL}/"}, uid="named")
    connection = await world.connections.portal(named)
    assert (connection.url, connection.host.name, connection.host.port) == (PORTAL, "portal.example", 443)
    assert (await world.sent_to_portal(named))[0].startswith(f"{PORTAL}/")
    assert (await world.sent_to_portal(named))[1] == {}


async def test_without_a_portal_nothing_is_made() -> None:
    expected = (Side.CATALOG, FailureKind.CONFIGURATION, Reason.PORTAL_URL_MISSING, False)
    assert await failure_of(World(own=None).connections.portal(source())) == expected


@pytest.mark.parametrize(
    ("backstage", "sent"),
    [
        pytest.param({}, "own", id="no-portal-named"),
        pytest.param({"url": OWN}, "own", id="the-same-portal-named"),
        pytest.param({"url": f"{OWN}/"}, "own", id="with-a-slash"),
        pytest.param({"url": PORTAL}, None, id="another-portal"),
        pytest.param({"url": "https://z-portal.example"}, None, id="another-that-sorts-behind"),
        pytest.param(AUTH, "p0", id="a-token-of-its-own"),
        pytest.param({"url": PORTAL, **AUTH}, "p0", id="a-token-of-its-own-for-another-portal"),
        pytest.param({"auth": {}}, "own", id="an-empty-auth"),
    ],
)
@pytest.mark.parametrize("own", [OWN, f"{OWN}/"])
async def test_the_operators_token_goes_to_its_own_portal_only(
    token_file: TokenFile, own: str, backstage: dict[str, Any], sent: str | None
) -> None:
    world = World(own=own, token_file=token_file)
    _, headers = await world.sent_to_portal(source(backstage=backstage))
    assert headers == ({} if sent is None else {"Authorization": f"Bearer {sent}"})


TENANTS_CA = {"tls": {"caRef": {"kind": "Secret", "name": "api"}}}


async def test_no_ca_of_a_tenant_decides_whom_the_operators_token_is_shown_to(token_file: TokenFile) -> None:
    world = World(token_file=token_file)
    told = await failure_of(world.connections.portal(source(backstage=TENANTS_CA)))
    assert told == (Side.CATALOG, FailureKind.CONFIGURATION, Reason.INVALID_SPEC, False)
    assert world.reads == []


@pytest.mark.parametrize(
    "backstage",
    [
        pytest.param({**TENANTS_CA, **AUTH}, id="with-a-token-of-its-own"),
        pytest.param({**TENANTS_CA, "url": PORTAL}, id="for-another-portal"),
        pytest.param({"tls": {"clientCertSecretRef": {"name": "api"}}}, id="a-client-certificate"),
    ],
)
async def test_a_tenants_tls_counts_otherwise(token_file: TokenFile, backstage: dict[str, Any]) -> None:
    await World(token_file=token_file).connections.portal(source(backstage=backstage))


async def test_without_an_own_portal_the_operators_token_goes_nowhere(token_file: TokenFile) -> None:
    world = World(own=None, token_file=token_file)
    assert (await world.sent_to_portal(source(backstage={"url": PORTAL})))[1] == {}


async def test_the_tokens_of_a_source_are_sent_to_it() -> None:
    world = World()
    auth = {
        "bearerTokenSecretRef": {"name": "api"},
        "serviceTokenSecretRef": {"name": "service"},
    }
    url, headers = await world.sent_to_source(source(skillmeat={"url": f"{SOURCE}/", "auth": auth}))
    assert url == f"{SOURCE}/api/v1/version"
    assert headers == {"Authorization": "Bearer k0", "X-SkillMeat-Service-Token": "s0"}
    assert (await world.sent_to_source(source(uid="open")))[1] == {}


async def test_each_side_has_its_limits_and_a_namespace_is_a_share_of_them() -> None:
    world = World()
    team = source(namespace="team-b")
    await world.sent_to_source(team)
    await world.sent_to_portal(team)
    assert [share for _, share in world.wire.calls] == ["team-b", "team-b"]
    assert world.wire.limiters == ["source", "portal"]


async def test_a_source_of_a_type_that_is_not_known_is_said_so() -> None:
    known = a.source()
    spec = known.spec.model_copy(update={"source": known.spec.source.model_copy(update={"skillmeat": None})})
    unknown = replace(known, spec=spec)
    expected = (Side.SOURCE, FailureKind.CONFIGURATION, Reason.INVALID_SPEC, False)
    assert await failure_of(World().connections.source(unknown)) == expected


async def test_the_platform_and_the_credentials_are_part_of_what_is_shared() -> None:
    world = World()
    python = await world.connections.source(source(skillmeat={"platform": "python"}))
    other = await world.connections.source(source(skillmeat={"platform": "java"}, uid="other"))
    auth = {"auth": {"bearerTokenSecretRef": {"name": "api"}}}
    secret = await world.connections.source(source(skillmeat={"platform": "python", **auth}, uid="secret"))
    assert len({python.key, other.key, secret.key}) == 3
    assert python.key.pages == other.key.pages
    assert python.key.pages.platform is None
    assert secret.key.pages != python.key.pages
    assert python.secrets == other.secrets != secret.secrets


def _with(**changes: Any) -> Callable[[World], None]:
    def change(world: World) -> None:
        for name, value in changes.items():
            setattr(world, name, value)

    return change


@pytest.mark.parametrize(
    ("change", "same"),
    [
        pytest.param(_with(), True, id="nothing"),
        pytest.param(_with(tokens={"portal": "p1"}), False, id="the-value"),
        pytest.param(_with(bound="portal.example"), False, id="where-it-may-be-sent"),
        pytest.param(_with(bound=""), False, id="that-it-may-be-sent-nowhere"),
    ],
)
async def test_credentials_are_the_same_by_value_and_by_where_they_may_be_sent(
    change: Callable[[World], None], same: bool
) -> None:
    world = World()
    before = await world.connections.portal(source(backstage=AUTH))
    change(world)
    after = await world.connections.portal(source(backstage=AUTH, uid="another"))
    assert (before.key == after.key, before.secrets == after.secrets) == (same, same)


async def test_the_order_of_hosts_in_a_binding_does_not_tell_credentials_apart() -> None:
    world = World()
    keys = []
    for number, bound in enumerate(("x.example,y.example", "y.example,x.example", "x.example")):
        world.bound = bound
        keys.append((await world.connections.portal(source(backstage=AUTH, uid=f"u{number}"))).key)
    assert keys[0] == keys[1] != keys[2]


async def test_what_messages_name_is_part_of_what_is_shared(token_file: TokenFile) -> None:
    world = World(token_file=token_file)
    token_file.hold(b"p0")
    specs: list[dict[str, Any]] = [{}, {"url": OWN}, AUTH, {"url": OWN, **AUTH}]
    keys = [
        (await world.connections.portal(source(backstage=backstage, uid=str(number)))).key
        for number, backstage in enumerate(specs)
    ]
    assert len(set(keys)) == 4
    named = [key[1].split("/")[2:] for key in keys]
    assert named == [
        ["--backstage-url", "--backstage-token-file"],
        ["--backstage-token-file"],
        ["--backstage-url"],
        [],
    ]


async def test_a_certificate_that_is_rotated_is_another_connection() -> None:
    world = World()
    tls = {"tls": {"caRef": {"kind": "Secret", "name": "api"}}}
    before = await world.connections.portal(source(backstage=tls))
    listed = await world.connections.source(source(skillmeat=tls))
    world.tokens["api"] = "k1"
    world.now += 10.0
    after = await world.connections.portal(source(backstage=tls))
    assert before.key != after.key
    assert listed.key != (await world.connections.source(source(skillmeat=tls))).key


async def test_the_visits_of_one_sync_read_each_secret_once() -> None:
    world = World()
    one = source(backstage=AUTH, skillmeat={"auth": {"bearerTokenSecretRef": {"name": "api"}}})
    first = await world.connections.portal(one), await world.connections.source(one)
    world.now += 5.0
    assert (await world.connections.portal(one), await world.connections.source(one)) == first
    assert world.reads == [("team", "portal"), ("team", "api")]
    world.now += 0.1
    assert await world.connections.portal(one) is not first[0]
    assert await world.connections.source(one) is not first[1]
    assert len(world.reads) == 4


@pytest.mark.parametrize(("not_before", "read"), [(999.0, 1), (1000.0, 1), (1000.5, 2), (1001.0, 2)])
async def test_secrets_that_were_read_before_a_moment_are_read_again(not_before: float, read: int) -> None:
    world = World()
    await world.connections.portal(source(backstage=AUTH))
    world.now = 1001.0
    await world.connections.portal(source(backstage=AUTH), not_before=not_before)
    assert len(world.reads) == read


async def test_a_changed_spec_and_a_refusal_read_secrets_again() -> None:
    world = World()
    await world.connections.portal(source(backstage=AUTH))
    await world.connections.portal(source(backstage=AUTH, generation=2))
    assert len(world.reads) == 2
    world.connections.renew(a.UID)
    await world.connections.portal(source(backstage=AUTH, generation=2))
    assert len(world.reads) == 3


async def test_of_who_is_gone_nothing_is_remembered() -> None:
    world = World()
    await world.connections.portal(source())
    assert a.UID in world.connections
    world.connections.forget(a.UID)
    world.connections.forget(a.UID)
    assert a.UID not in world.connections


async def test_a_secret_that_is_missing_is_the_sides_own() -> None:
    world = World()
    world.tokens.clear()
    auth = {"auth": {"bearerTokenSecretRef": {"name": "api"}}}
    expected = (FailureKind.SECRET, Reason.SECRET_NOT_FOUND, False)
    assert await failure_of(world.connections.source(source(skillmeat=auth))) == (Side.SOURCE, *expected)
    assert await failure_of(world.connections.portal(source(backstage=AUTH))) == (Side.CATALOG, *expected)
    service = {"auth": {"serviceTokenSecretRef": {"name": "service"}}}
    assert await failure_of(world.connections.source(source(skillmeat=service, uid="s"))) == (
        Side.SOURCE,
        *expected,
    )


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"], ids=["missing", "no-text"])
async def test_a_token_file_that_cannot_be_read_is_expected_back(
    token_file: TokenFile, content: bytes | None
) -> None:
    token_file.hold(content)
    world = World(token_file=token_file)
    expected = (Side.CATALOG, FailureKind.SECRET, Reason.SECRET_NOT_FOUND, True)
    assert await failure_of(world.connections.portal(source())) == expected
    token_file.hold(b"own")
    assert (await world.sent_to_portal(source()))[1] == {"Authorization": "Bearer own"}


async def test_the_token_file_is_read_once_a_second_for_all(token_file: TokenFile) -> None:
    world = World(token_file=token_file)

    async def sent(uid: str, not_before: float = 0.0) -> str:
        _, headers = await world.sent_to_portal(source(uid=uid), not_before=not_before)
        return headers["Authorization"].removeprefix("Bearer ")

    assert await sent("a") == "own"
    token_file.hold(b"rotated")
    world.now = 1001.0
    assert await sent("b") == "own"
    assert await sent("c", not_before=1000.0) == "own"
    assert await sent("d", not_before=1000.5) == "rotated", "who asks for a newer one gets it"
    token_file.hold(b"again")
    assert await sent("e") == "rotated"
    world.now = 1002.1
    assert await sent("f") == "again"
    token_file.hold(b"last")
    world.connections.renew("f")
    assert await sent("g") == "last", "a refusal reads it again"


async def test_dry_runs_of_one_portal_share_their_limit_and_those_of_another_do_not() -> None:
    world = World()
    clients = [
        (await world.connections.portal(source(uid=f"u{number}", backstage={"url": url}))).client
        for number, url in enumerate([PORTAL] * 6 + ["https://other.example"] * 6)
    ]
    alone = World()
    first = [(await alone.connections.portal(source(uid=f"u{number}"))).client for number in range(6)]
    await asyncio.gather(*(client.dry_run("http://target") for client in first))
    await asyncio.gather(*(client.dry_run("http://target") for client in clients))
    assert world.wire.most == 2 * alone.wire.most
    assert 0 < alone.wire.most < 6
