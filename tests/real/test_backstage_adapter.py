"""The Backstage client against a real Backstage."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from skillmeat_operator.adapters.backstage import reader as backstage_reader
from skillmeat_operator.adapters.backstage.client import BackstageClient
from skillmeat_operator.adapters.backstage.entities import location_ref
from skillmeat_operator.adapters.http.client import HttpClient
from skillmeat_operator.adapters.http.credential import Credential
from skillmeat_operator.adapters.http.egress import Egress, EgressPolicy
from skillmeat_operator.adapters.http.pools import Transports, pinned_transports
from skillmeat_operator.adapters.http.rate_limit import PORTAL_LIMITS, RateLimiter
from skillmeat_operator.api.keys import CONTENT_HASH, MANAGED_BY
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.domain.failure import FailedError, Failure, FailureKind
from skillmeat_operator.domain.observation import CatalogEntity, DryRun
from testbed.backstage import Backstage, without
from testbed.ports import LOOPBACK, ports
from testbed.servers import find_backstage
from testbed.workshop import Workshop

BLIND_TOKEN = "blind-token-of-the-tests"
NO_CREATE_TOKEN = "no-create-token-of-the-tests"


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """The client as the operator has it; loopback is named."""
    clock = asyncio.get_running_loop().time
    egress = Egress(EgressPolicy.of_flags(allowed_hosts=[LOOPBACK], cluster_wide=True), clock=clock)
    client = HttpClient(egress=egress, transports=Transports(pinned_transports(egress)), clock=clock)
    yield client
    await client.aclose()


class Documents:
    """Serves one YAML document, or a status."""

    def __init__(self, port: int) -> None:
        self.url = f"http://{LOOPBACK}:{port}/document.yaml"
        self.answer: tuple[int, bytes] = (503, b"")

    def publish(self, *entities: object) -> None:
        self.answer = 200, "\n---\n".join(json.dumps(entity) for entity in entities).encode() or b"# none\n"

    def fail(self, status: int) -> None:
        self.answer = status, b""


@contextmanager
def served(port: int) -> Iterator[Documents]:
    documents = Documents(port)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = documents.answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer((LOOPBACK, port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield documents
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def own_ports() -> range:
    """One port whose documents the portal may read."""
    return ports.take_range(1)


@pytest.fixture(scope="module")
def portal(workshop: Workshop, run_folder: Path, own_ports: range) -> Iterator[Backstage]:
    """A portal of this module's own, since it is restarted."""
    with Backstage(
        run_folder / "backstage-adapters",
        files=find_backstage(workshop),
        document_hosts=[f"{LOOPBACK}:{own_ports[0]}"],
        other_tokens={
            BLIND_TOKEN: without("catalog.entity.read", "catalog.location.read"),
            NO_CREATE_TOKEN: without("catalog.location.create"),
        },
        processing_interval=1.0,
    ) as started:
        yield started


@pytest.fixture
def documents(own_ports: range) -> Iterator[Documents]:
    with served(own_ports[0]) as started:
        yield started


@pytest.fixture
async def catalog(http: HttpClient, portal: Backstage) -> AsyncIterator[BackstageClient]:
    """The portal's catalog, empty of locations before and after."""
    client = backstage_client(http, portal)
    await forget_all(client)
    yield client
    await forget_all(client)


def backstage_client(http: HttpClient, portal: Backstage, token: str | None = None) -> BackstageClient:
    return BackstageClient(
        http,
        RateLimiter(PORTAL_LIMITS, clock=http.clock),
        base_url=portal.url,
        token=Credential.of(token or portal.token),
    )


async def forget_all(client: BackstageClient) -> None:
    for location in (await client.locations()).values():
        await client.unregister(location.id)


def template(name: str, *, marker: str = "cluster/source", content: str = "sha256:1") -> dict[str, object]:
    return {
        "apiVersion": "scaffolder.backstage.io/v1beta3",
        "kind": "Template",
        "metadata": {
            "name": name,
            "namespace": "skillmeat",
            "annotations": {MANAGED_BY: marker, CONTENT_HASH: content, "skillmeat.io/bundle-id": "b-1"},
        },
        "spec": {"type": "service", "owner": "group:default/platform-team", "steps": []},
    }


async def eventually(check: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not await check():  # noqa: ASYNC110 - a portal sends no events
            await asyncio.sleep(0.25)


async def reason_of(call: Awaitable[object]) -> tuple[FailureKind, Reason]:
    with pytest.raises(FailedError) as caught:
        await call
    return caught.value.failure.kind, caught.value.failure.reason


async def test_register_again_refresh_view_unregister(catalog: BackstageClient, documents: Documents) -> None:
    documents.publish(template("a"), template("b"))
    registered = await catalog.register(documents.url)
    assert registered is not None
    assert registered.entity_ref == location_ref(documents.url)
    assert await catalog.register(documents.url) is None
    assert await catalog.onconflict_refresh(documents.url)
    assert await catalog.locations() == {documents.url: registered}
    await eventually(lambda: _sees(catalog, {"template:skillmeat/a", "template:skillmeat/b"}))

    view = await catalog.view()
    assert view.reads_entities
    assert view.locations == {documents.url: registered}
    entity = view.entities["template:skillmeat/a"]
    assert entity == CatalogEntity(
        ref="template:skillmeat/a",
        uid=entity.uid,
        content_hash="sha256:1",
        managed_by="cluster/source",
        origin=f"url:{documents.url}",
        bundle_id="b-1",
    )

    documents.publish(template("a", content="sha256:2"), template("b"))
    assert await catalog.refresh(registered.entity_ref)
    await eventually(lambda: _has_hash(catalog, "sha256:2"))
    assert not await catalog.refresh("template:skillmeat/unknown")

    found = await catalog.entities_by_refs(
        ["Template:Skillmeat/A", "template:skillmeat/zzz", registered.entity_ref]
    )
    assert [one is not None for one in found.values()] == [True, False, True]
    full = (await catalog.full_entities(["template:skillmeat/a"]))["template:skillmeat/a"]
    assert full is not None
    assert full["spec"]["type"] == "service"

    assert await catalog.unregister(registered.id)
    assert not await catalog.unregister(registered.id)
    await eventually(lambda: _sees(catalog, set()))


async def _sees(catalog: BackstageClient, refs: set[str]) -> bool:
    return set((await catalog.view()).entities) == refs


async def _has_hash(catalog: BackstageClient, content: str) -> bool:
    return (await catalog.view()).entities["template:skillmeat/a"].content_hash == content


async def test_a_view_of_several_pages(
    catalog: BackstageClient, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backstage_reader, "PAGE_SIZE", 20)
    refs = {f"template:skillmeat/t{number}" for number in range(45)}
    documents.publish(*(template(ref.partition("/")[2]) for ref in refs))
    await catalog.register(documents.url)
    await eventually(lambda: _sees(catalog, refs), seconds=60)
    # More refs than one call takes.
    unknown = {f"template:skillmeat/unknown-{number}" for number in range(500)}
    found = await catalog.entities_by_refs([*unknown, *refs])
    assert {ref for ref, entity in found.items() if entity is not None} == refs


async def test_an_entity_whose_document_fails_is_deleted_by_uid(
    catalog: BackstageClient, documents: Documents
) -> None:
    documents.publish(template("a"))
    registered = await catalog.register(documents.url)
    assert registered is not None
    await eventually(lambda: catalog.entity_exists("template:skillmeat/a"))
    documents.fail(500)
    await catalog.refresh(registered.entity_ref)
    uid = (await catalog.view()).entities["template:skillmeat/a"].uid
    await catalog.delete_entity(uid)
    await catalog.delete_entity(uid)
    assert not await catalog.entity_exists("template:skillmeat/a")


async def test_a_ghost_location_comes_back_by_a_refresh_on_conflict(
    catalog: BackstageClient, documents: Documents
) -> None:
    documents.publish(template("a"))
    registered = await catalog.register(documents.url)
    assert registered is not None
    await eventually(lambda: catalog.entity_exists(registered.entity_ref))
    location = (await catalog.entities_by_refs([registered.entity_ref]))[registered.entity_ref]
    assert location is not None
    await catalog.delete_entity(location.uid)
    assert not await catalog.entity_exists(registered.entity_ref)
    assert not await catalog.refresh(registered.entity_ref)
    assert await catalog.register(documents.url) is None
    assert await catalog.onconflict_refresh(documents.url)
    await eventually(lambda: catalog.entity_exists(registered.entity_ref))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(200, DryRun(ok=True), id="read"),
        pytest.param(404, DryRun(ok=False, unreachable=True), id="document-404"),
        pytest.param(500, DryRun(ok=False, unreachable=True), id="document-500"),
        pytest.param(503, DryRun(ok=False, unreachable=True), id="document-503"),
    ],
)
async def test_a_dry_run_by_what_the_document_answers(
    catalog: BackstageClient, documents: Documents, status: int, expected: DryRun
) -> None:
    documents.publish(template("a"))
    if status != 200:
        documents.fail(status)
    assert await catalog.dry_run(documents.url) == expected
    assert await catalog.locations() == {}


async def test_a_dry_run_where_nothing_listens(catalog: BackstageClient, own_ports: range) -> None:
    target = f"http://{LOOPBACK}:{own_ports[0]}/document.yaml"
    assert await catalog.dry_run(target) == DryRun(ok=False, unreachable=True)


async def test_a_dry_run_of_a_host_that_the_portal_may_not_read(catalog: BackstageClient) -> None:
    assert await catalog.dry_run("http://127.0.0.1:9/x.yaml") == DryRun(ok=False, host_not_allowed=True)


async def test_a_dry_run_names_the_entity_that_breaks_the_document(
    catalog: BackstageClient, documents: Documents
) -> None:
    documents.publish(template("good"), {**template("bad"), "spec": {"owner": "x", "steps": []}})
    found = await catalog.dry_run(documents.url)
    assert found == DryRun(ok=False, refused_refs=("template:skillmeat/bad",))


async def test_a_dry_run_of_a_kind_that_the_rules_do_not_allow(
    catalog: BackstageClient, documents: Documents
) -> None:
    """A kind that is none of ours, so no ref is told; of ours see ``test_portal_configuration.py``."""
    component = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": "a", "namespace": "skillmeat"},
        "spec": {"type": "service", "lifecycle": "production", "owner": "group:default/platform-team"},
    }
    documents.publish(component, template("a"))
    found = await catalog.dry_run(documents.url)
    assert found == DryRun(ok=False, kind_not_allowed=True)


async def test_validation_of_one_entity(catalog: BackstageClient, documents: Documents) -> None:
    assert await catalog.validate_entity(template("a"), documents.url) is True
    assert await catalog.validate_entity({**template("a"), "spec": {}}, documents.url) is False
    huge = {**template("a"), "x": "y" * 95_000}
    assert await catalog.validate_entity(huge, documents.url) is None


async def test_a_token_without_read_permission_sees_empty_answers(
    http: HttpClient, portal: Backstage, catalog: BackstageClient, documents: Documents
) -> None:
    documents.publish(template("a"))
    await catalog.register(documents.url)
    await eventually(lambda: catalog.entity_exists("template:skillmeat/a"))
    blind = backstage_client(http, portal, BLIND_TOKEN)
    view = await blind.view()
    assert (view.entities, view.locations, view.reads_entities) == ({}, {}, False)
    assert not await blind.entity_exists("template:skillmeat/a")
    assert await blind.register(documents.url) is None


async def test_tokens_that_are_refused(http: HttpClient, portal: Backstage, documents: Documents) -> None:
    wrong = backstage_client(http, portal, "another-token")
    assert await reason_of(wrong.view()) == (FailureKind.CREDENTIAL, Reason.AUTHENTICATION_FAILED)
    limited = backstage_client(http, portal, NO_CREATE_TOKEN)
    refused = (FailureKind.CREDENTIAL, Reason.TOKEN_FORBIDDEN)
    assert await reason_of(limited.register(documents.url)) == refused
    assert await reason_of(limited.dry_run(documents.url)) == refused


async def test_a_portal_that_boots_says_of_nothing_that_it_is_gone(
    http: HttpClient, portal: Backstage, documents: Documents
) -> None:
    """Refused connections, then 404s with an empty body, then the truth: an empty database in memory."""
    catalog = backstage_client(http, portal)
    documents.publish(template("a"))
    await catalog.register(documents.url)
    await eventually(lambda: catalog.entity_exists("template:skillmeat/a"))
    portal.stop()
    portal.launch()
    failures: list[Failure] = []
    async with asyncio.timeout(60):
        while True:
            try:
                exists = await catalog.entity_exists("template:skillmeat/a")
                break
            except FailedError as error:
                failures.append(error.failure)
            await asyncio.sleep(0.01)
    assert not exists
    assert {(failure.kind, failure.reason) for failure in failures} == {
        (FailureKind.TRANSIENT, Reason.CATALOG_UNREACHABLE)
    }
    assert any("refused the connection" in failure.message for failure in failures)
    assert any("is starting" in failure.message for failure in failures)
    await asyncio.to_thread(portal.wait_ready)
