"""One CatalogSource with 5,000 templates and 5,000 TemplateBundles."""

from __future__ import annotations

import asyncio
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.figures import Figure, Unit, percentile
from benchmarks.site import Site, memory, operator_pid
from skillmeat_operator.adapters.kubernetes.client import KubernetesClient
from skillmeat_operator.adapters.kubernetes.configuration import find_access
from skillmeat_operator.api.keys import TEMPLATE_BUNDLE

COUNT = 5_000
WORKERS = 20
PROBE = 0.02
"""Seconds between two probes."""


def measure(site: Site, say: Callable[[str], None]) -> list[Figure]:
    """Time to Ready beside bare patches, memory, and how long probes wait for the event loop."""
    site.skillmeat.add_templates_fast(COUNT)
    for namespace in ("large", "bare"):
        site.make_namespace(namespace)
    say(f"creating {COUNT} TemplateBundles")
    for first in range(0, COUNT, 1_000):
        site.create(*[_bundle("large", number) for number in range(first, first + 1_000)])
    site.create(site.source("large", "main", interval="10m", catalog_namespace="large"))
    say("starting the operator")
    began = time.monotonic()
    with site.operator:
        with _probing(f"http://127.0.0.1:{site.operator.metrics_port}/healthz") as waits:
            first_ready = _wait_bundles(site, "large", within=900)
            passed = time.monotonic() - began
        resident = memory(operator_pid(site))
        peak = memory(operator_pid(site), "VmHWM")
    say("the same in a portal that shows them already")
    site.make_namespace("shown")
    for first in range(0, COUNT, 1_000):
        site.create(*[_bundle("shown", number) for number in range(first, first + 1_000)])
    source = site.source("shown", "main", interval="10m", catalog_namespace="large")
    source["spec"]["backstage"]["ingestion"] = "External"
    site.create(source)
    began = time.monotonic()
    with site.operator:
        _wait_bundles(site, "shown", within=300)
        shown = time.monotonic() - began
    say("measuring bare status patches")
    sample = site.cluster.api.list("TemplateBundle", "large")[0]["status"]
    for first in range(0, COUNT, 1_000):
        site.create(*[_bundle("bare", number) for number in range(first, first + 1_000)])
    bare = asyncio.run(_patch_all(site, sample))
    return [
        Figure(f"{COUNT:,} templates into a portal, TemplateBundles to Ready", passed, Unit.SECONDS),
        Figure("of that: the first of them", first_ready, Unit.SECONDS),
        Figure(
            f"{COUNT:,} TemplateBundles to Ready where the portal shows all",
            shown,
            Unit.SECONDS,
            budget=2 * bare,
            bare=bare,
            bare_is=f"{COUNT:,} status patches, {WORKERS} at a time",
        ),
        Figure("RSS then", resident, Unit.MEBIBYTES, budget=250),
        Figure("the same at its highest", peak, Unit.MEBIBYTES),
        Figure("a probe meanwhile, p99", percentile(waits, 99), Unit.SECONDS, budget=0.05),
        Figure("a probe meanwhile, longest", max(waits), Unit.SECONDS, budget=0.25),
    ]


def _bundle(namespace: str, number: int) -> dict[str, Any]:
    return {
        "apiVersion": "skillmeat.io/v1alpha1",
        "kind": "TemplateBundle",
        "metadata": {"name": f"b-{number:05d}", "namespace": namespace},
        "spec": {"sourceRef": {"name": "main"}, "bundleRef": {"name": f"bulk-{number:05d}"}},
    }


def _wait_bundles(site: Site, namespace: str, *, within: float) -> float:
    """Wait until all TemplateBundles are Ready; returns after how many seconds the first was.

    Raises:
        TimeoutError: some are not in time.
    """
    began, first = time.monotonic(), None
    while True:
        ready = site.cluster.api.column("TemplateBundle", namespace, "Ready").count("True")
        if ready and first is None:
            first = time.monotonic() - began
        if ready == COUNT:
            return first or 0.0
        if time.monotonic() - began > within:
            raise TimeoutError(f"{COUNT - ready} TemplateBundles are not Ready after {within:.0f} s")
        time.sleep(1.0)


@contextmanager
def _probing(url: str) -> Iterator[list[float]]:
    """Ask for a URL all the time; gives the seconds that each answer took."""
    waits: list[float] = []
    stop = threading.Event()

    def probe() -> None:
        while not stop.wait(PROBE):
            began = time.monotonic()
            try:
                with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  our own loopback
                    answer.read()
            except OSError:
                continue
            waits.append(time.monotonic() - began)

    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    try:
        yield waits
    finally:
        stop.set()
        thread.join()


async def _patch_all(site: Site, sample: dict[str, Any]) -> float:
    """Seconds for one status patch of each object, as large as those the operator writes."""
    access = await find_access(kubeconfig=str(site.cluster.kubeconfig))
    gate = asyncio.Semaphore(WORKERS)
    async with KubernetesClient(access) as client:
        listed = await client.list_all(TEMPLATE_BUNDLE.plural, "bare")
        versions = {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in listed.items}

        async def patch(name: str) -> None:
            async with gate:
                await client.patch_status(TEMPLATE_BUNDLE.plural, "bare", name, sample, versions[name])

        began = time.monotonic()
        await asyncio.gather(*[patch(name) for name in versions])
        return time.monotonic() - began
