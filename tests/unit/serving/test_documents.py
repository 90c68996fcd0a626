from __future__ import annotations

import asyncio
import gzip
import hashlib
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest

from skillmeat_operator.serving.documents import Documents, NotFound, NotYet, Served
from skillmeat_operator.serving.server import HttpServer

DOCUMENT = b'---\n{"kind":"Template"}\n' * 5000
SHA = hashlib.sha256(DOCUMENT).hexdigest()
PLAIN = f'"{SHA}"'
COMPRESSED = f'"{SHA}-gzip"'
PATH = "/catalogs/0a1b2c3d/team-a/main.yaml"


class Provider:
    """Knows one document; another prefix, namespace or name is not found."""

    def __init__(self) -> None:
        self.answer: Served | NotFound | NotYet = Served.of(DOCUMENT)
        self.delay = 0.0
        self.asked: list[tuple[str, str, str]] = []

    async def document(self, prefix: str, namespace: str, name: str) -> Served | NotFound | NotYet:
        self.asked.append((prefix, namespace, name))
        await asyncio.sleep(self.delay)
        known = (prefix, namespace, name) == ("0a1b2c3d", "team-a", "main")
        return self.answer if known else NotFound()


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
async def server(provider: Provider) -> AsyncIterator[HttpServer]:
    running = HttpServer("127.0.0.1", 0, Documents(provider, decide_within=0.3, send_within=0.5))
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def client(server: HttpServer) -> AsyncIterator[aiohttp.ClientSession]:
    ((host, port),) = server.bound
    async with aiohttp.ClientSession(f"http://{host}:{port}", auto_decompress=False) as session:
        yield session


async def test_document_is_served_as_it_is(client):
    async with client.get(PATH, headers={"Accept-Encoding": "identity"}) as answer:
        assert await answer.read() == DOCUMENT
        assert answer.status == 200
        assert answer.headers["ETag"] == PLAIN
        assert answer.headers["Content-Type"] == "application/yaml"
        assert answer.headers["Content-Length"] == str(len(DOCUMENT))
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert answer.headers["Cache-Control"] == "no-cache"
        assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize(
    ("outcome", "accepted", "encoding"),
    [
        ("gzip when asked for", "gzip", "gzip"),
        ("gzip among others, as a catalog's fetch asks", "br, gzip, deflate", "gzip"),
        ("gzip in capitals", "GZIP", "gzip"),
        ("gzip with a weight", "gzip;q=0.5", "gzip"),
        ("gzip as one of any", "*", "gzip"),
        ("plain when gzip is refused", "gzip;q=0", None),
        ("plain when gzip is refused among any", "*, gzip;q=0", None),
        ("plain when only others are taken", "br", None),
        ("plain when nothing is said", "", None),
        ("plain when the weight is nonsense", "gzip;q=much", None),
    ],
)
async def test_encoding_is(outcome, accepted, encoding, client):
    async with client.get(PATH, headers={"Accept-Encoding": accepted}) as answer:
        body = await answer.read()

    assert answer.headers.get("Content-Encoding") == encoding
    assert answer.headers["ETag"] == (COMPRESSED if encoding else PLAIN)
    assert int(answer.headers["Content-Length"]) == len(body)
    assert (gzip.decompress(body) if encoding else body) == DOCUMENT
    assert answer.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("outcome", "accepted", "known", "status"),
    [
        ("unchanged, plain", "identity", PLAIN, 304),
        ("unchanged, gzip", "gzip", COMPRESSED, 304),
        ("unchanged, weak", "gzip", f"W/{COMPRESSED}", 304),
        ("unchanged, one of several", "gzip", f'"x", {COMPRESSED}', 304),
        ("unchanged, any", "gzip", "*", 304),
        ("other variant, plain", "identity", COMPRESSED, 200),
        ("other variant, gzip", "gzip", PLAIN, 200),
        ("changed", "gzip", '"abc-gzip"', 200),
        ("not a tag", "gzip", "abc", 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_condition_is(*, outcome, accepted, known, status, method, client):
    headers = {"Accept-Encoding": accepted, "If-None-Match": known}
    async with client.request(method, PATH, headers=headers) as answer:
        body = await answer.read()

    assert answer.status == status
    assert answer.headers["ETag"] == (COMPRESSED if accepted == "gzip" else PLAIN)
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert (body == b"") is (status == 304 or method == "HEAD")


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
async def test_head_says_what_get_would(accepted, client):
    headers = {"Accept-Encoding": accepted}
    async with client.get(PATH, headers=headers) as got, client.head(PATH, headers=headers) as head:
        assert await head.read() == b""
        for name in ("ETag", "Content-Length", "Content-Type", "Vary"):
            assert head.headers[name] == got.headers[name]


async def test_undecided_is_503_with_retry_after_and_never_an_empty_200(client, provider):
    provider.answer = NotYet(retry_after=7)
    async with client.get(PATH, headers={"If-None-Match": COMPRESSED}) as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "7"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "ETag" not in answer.headers


async def test_provider_that_hangs_is_503(client, provider):
    provider.delay = 5.0
    async with client.get(PATH) as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"]


@pytest.mark.parametrize(
    ("outcome", "path"),
    [
        ("other cluster", "/catalogs/ffffffff/team-a/main.yaml"),
        ("other namespace", "/catalogs/0a1b2c3d/team-b/main.yaml"),
        ("other name", "/catalogs/0a1b2c3d/team-a/other.yaml"),
    ],
)
async def test_unknown_is_404(outcome, path, client):
    async with client.get(path) as answer:
        assert answer.status == 404
        assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("outcome", "path"),
    [
        ("prefix of 7 digits", "/catalogs/0a1b2c3/team-a/main.yaml"),
        ("prefix of 9 digits", "/catalogs/0a1b2c3d4/team-a/main.yaml"),
        ("prefix in capitals", "/catalogs/0A1B2C3D/team-a/main.yaml"),
        ("no prefix", "/catalogs/team-a/main.yaml"),
        ("way up", "/catalogs/0a1b2c3d/team-a/../team-a/x/main.yaml"),
        ("way up, encoded", "/catalogs/0a1b2c3d/%2e%2e/main.yaml"),
        ("slash in a name, encoded", "/catalogs/0a1b2c3d/team-a/x%2Fmain.yaml"),
        ("slash in a namespace, encoded", "/catalogs/0a1b2c3d/team-a%2Fmain.yaml"),
        ("end of string, encoded", "/catalogs/0a1b2c3d/team-a/main%00.yaml"),
        ("newline, encoded", "/catalogs/0a1b2c3d/team-a/main%0A.yaml"),
        ("newline in the namespace", "/catalogs/0a1b2c3d/team-a%0A/main.yaml"),
        ("capitals", "/catalogs/0a1b2c3d/team-a/Main.yaml"),
        ("dot in the namespace", "/catalogs/0a1b2c3d/team.a/main.yaml"),
        ("dash first", "/catalogs/0a1b2c3d/team-a/-main.yaml"),
        ("name over 63", f"/catalogs/0a1b2c3d/team-a/{'a' * 64}.yaml"),
        ("namespace over 63", f"/catalogs/0a1b2c3d/{'a' * 64}/main.yaml"),
        ("empty name", "/catalogs/0a1b2c3d/team-a/.yaml"),
        ("other ending", "/catalogs/0a1b2c3d/team-a/main.yml"),
        ("more behind", "/catalogs/0a1b2c3d/team-a/main.yaml/x"),
        ("doubled slash", "/catalogs//0a1b2c3d/team-a/main.yaml"),
        ("root", "/"),
    ],
)
async def test_path_trick_is_404_and_never_asks_the_provider(outcome, path, server, provider):
    ((host, port),) = server.bound
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    status = await asyncio.wait_for(reader.readline(), 2)
    writer.close()
    await writer.wait_closed()

    assert status.startswith(b"HTTP/1.1 404")
    assert provider.asked == []


async def test_names_with_dots_and_a_query_reach_the_provider(client, provider):
    async with client.get("/catalogs/0a1b2c3d/team-a/my.main.yaml?x=1") as answer:
        assert answer.status == 404

    assert provider.asked == [("0a1b2c3d", "team-a", "my.main")]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_other_methods_are_refused(method, client, provider):
    async with client.request(method, PATH) as answer:
        assert answer.status == 405

    assert provider.asked == []


async def test_client_that_does_not_read_is_disconnected(client, provider, server):
    provider.answer = Served.of(bytes(range(256)) * 200_000)
    ((host, port),) = server.bound
    loop = asyncio.get_running_loop()
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.setblocking(False)
        await loop.sock_connect(slow, (host, port))
        await loop.sock_sendall(
            slow, f"GET {PATH} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: identity\r\n\r\n".encode()
        )
        await asyncio.sleep(1.0)
        received = 0
        while chunk := await asyncio.wait_for(loop.sock_recv(slow, 1 << 16), 2):
            received += len(chunk)

    assert received < 256 * 200_000


async def test_answers_change_with_what_the_provider_has(client, provider):
    async with client.get(PATH, headers={"Accept-Encoding": "gzip"}) as answer:
        first = answer.headers["ETag"]
    provider.answer = Served.of(b"# no templates\n")
    async with client.get(PATH, headers={"Accept-Encoding": "gzip", "If-None-Match": first}) as answer:
        assert answer.status == 200
        assert gzip.decompress(await answer.read()) == b"# no templates\n"


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 10_000_000, 10_000_019])
async def test_document_of_any_size_comes_whole_to_who_takes_no_gzip(size, client, provider):
    document = b"a" * size
    provider.answer = Served.of(document)
    async with client.get(PATH, headers={"Accept-Encoding": "identity"}) as answer:
        assert await answer.read() == document


def test_repr_holds_no_content():
    assert "compressed" not in repr(Served.of(b"secret-looking text"))


def test_the_same_document_compresses_to_the_same_bytes():
    assert Served.of(DOCUMENT) == Served.of(DOCUMENT)
