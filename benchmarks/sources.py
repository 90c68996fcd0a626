"""Many CatalogSources on one SkillMeat server: time to Ready, and how polite that is to the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.figures import Figure, Unit, median
from benchmarks.site import TEMPLATES, Site
from skillmeat_operator.adapters.kubernetes.client import KubernetesClient
from skillmeat_operator.adapters.kubernetes.configuration import find_access
from skillmeat_operator.api.keys import CATALOG_SOURCE
from testbed.web import call, expect
from tests.real.harness.document_server import DocumentServer

COUNT = 200
TEMPLATES_EACH = 3
WORKERS = 20
"""As many as the operator has by default."""


def measure(site: Site, say: Callable[[str], None]) -> list[Figure]:
    """200 CatalogSources, a catalogNamespace each, that are there when the operator starts."""
    site.skillmeat.add_templates_fast(TEMPLATES_EACH)
    for namespace in ("many", "bare"):
        site.make_namespace(namespace)
    say(f"creating {COUNT} CatalogSources")
    site.create(*[_source(site, "many", number) for number in range(COUNT)])
    say("starting the operator")
    began = time.monotonic()
    with site.operator:
        started = time.monotonic() - began
        passed = site.wait_all_ready("many", within=600, every=0.5) + started
        reads = len(site.proxy.requests(TEMPLATES, method="GET"))
        refused = sum(one.status == 429 for one in site.proxy.seen)
        published = site.sources("many")
        documents = {url: _document(url) for url in (one["status"]["catalog"]["target"] for one in published)}
    say("measuring the portal alone")
    alone = _portal_alone(site, documents)
    say("measuring bare status patches")
    sample = published[0]["status"]
    site.create(*[_source(site, "bare", number) for number in range(COUNT)])
    names = [one["metadata"]["name"] for one in site.sources("bare")]
    bare = median([asyncio.run(_patch_all(site, names, sample, turn)) for turn in range(3)])
    return [
        Figure(
            f"{COUNT} CatalogSources on one server to Ready",
            passed,
            Unit.SECONDS,
            budget=30,
            bare=bare,
            bare_is=f"{COUNT} status patches, {WORKERS} at a time",
        ),
        Figure("of that: the operator's start until both kinds are listed", started, Unit.SECONDS),
        Figure("the portal alone with the same locations, POST to visible", alone, Unit.SECONDS),
        Figure(
            "list reads of SkillMeat until then", reads, Unit.COUNT, budget=10, bare=1, bare_is="one list"
        ),
        Figure("answers 429 until then", refused, Unit.COUNT, budget=0),
    ]


def _source(site: Site, namespace: str, number: int) -> dict[str, Any]:
    name = f"bench-{number:03d}"
    return site.source(namespace, name, interval="5m", catalog_namespace=name)


def _document(url: str) -> bytes:
    return expect(call("GET", url), 200, what="A document of the operator").body


def _portal_alone(site: Site, documents: Mapping[str, bytes]) -> float:
    """Seconds that a fresh portal needs for the same documents from another server, with no operator about.

    Raises:
        TimeoutError: it does not show them all in five minutes.
    """
    site.backstage.restart()
    catalog = site.backstage.catalog
    with DocumentServer(site.operator.documents_port) as server, ThreadPoolExecutor(WORKERS) as pool:
        server.documents.update({"/" + url.split("/", 3)[3]: body for url, body in documents.items()})
        began = time.monotonic()
        list(pool.map(catalog.register, documents))
        while len(catalog.by_query("kind=template", fields=["metadata.name"])) < COUNT * TEMPLATES_EACH:
            if time.monotonic() - began > 300:
                raise TimeoutError("the portal alone does not show all templates after 300 s")
            time.sleep(0.5)
        return time.monotonic() - began


async def _patch_all(site: Site, names: list[str], sample: dict[str, Any], turn: int) -> float:
    """Seconds for one status patch of each object, as large as those the operator writes."""
    access = await find_access(kubeconfig=str(site.cluster.kubeconfig))
    gate = asyncio.Semaphore(WORKERS)
    status = {**sample, "revision": f"sha256:{turn:064d}"}
    async with KubernetesClient(access) as client:
        listed = await client.list_all(CATALOG_SOURCE.plural, "bare")
        versions = {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in listed.items}

        async def patch(name: str) -> None:
            async with gate:
                await client.patch_status(CATALOG_SOURCE.plural, "bare", name, status, versions[name])

        began = time.monotonic()
        await asyncio.gather(*[patch(name) for name in names])
        return time.monotonic() - began
