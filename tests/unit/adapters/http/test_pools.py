import httpx
import pytest

from skillmeat_operator.adapters.http.pools import Transports
from skillmeat_operator.adapters.http.tls import TlsMaterial


class Counted(httpx.AsyncBaseTransport):
    def __init__(self, label: str) -> None:
        self.label = label
        self.closed = False

    async def aclose(self) -> None:
        self.closed = True


@pytest.fixture
def made() -> list[Counted]:
    return []


def pools(made: list[Counted], most: int = 2) -> Transports:
    def make(scheme: str, tls: TlsMaterial) -> httpx.AsyncBaseTransport:
        made.append(Counted(f"{scheme} {tls.ca!r}"))
        return made[-1]

    return Transports(make, most=most)


def material(name: bytes) -> TlsMaterial:
    return TlsMaterial(ca=name)


async def use(transports: Transports, scheme: str, tls: TlsMaterial) -> None:
    async with transports.use(scheme, tls):
        pass


async def test_one_pool_a_material_and_one_for_plain_http(made: list[Counted]) -> None:
    transports = pools(made, most=9)
    for scheme, name in [("https", b"a"), ("https", b"a"), ("http", b"a"), ("http", b"b"), ("https", b"b")]:
        await use(transports, scheme, material(name))
    assert [one.label for one in made] == ["https b'a'", "http b'a'", "https b'b'"]


async def test_the_pool_used_longest_ago_is_closed(made: list[Counted]) -> None:
    transports = pools(made)
    for name in (b"a", b"b", b"a", b"c"):
        await use(transports, "https", material(name))
    assert [(one.label, one.closed) for one in made] == [
        ("https b'a'", False),
        ("https b'b'", True),
        ("https b'c'", False),
    ]


async def test_a_pool_in_use_is_not_closed_under_its_user(made: list[Counted]) -> None:
    transports = pools(made, most=1)
    async with transports.use("https", material(b"a")):
        await use(transports, "https", material(b"b"))
        assert [one.closed for one in made] == [False, True]
    await use(transports, "https", material(b"c"))
    assert [one.closed for one in made] == [True, True, False]


async def test_all_are_closed_at_the_end(made: list[Counted]) -> None:
    transports = pools(made)
    await use(transports, "https", material(b"a"))
    await use(transports, "http", material(b"a"))
    await transports.aclose()
    assert [one.closed for one in made] == [True, True]
