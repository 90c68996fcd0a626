"""A thousand CatalogSources on one server and one portal, ingestion External, and then a thousand
TemplateBundles beside them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from benchmarks.figures import Figure, Unit
from benchmarks.site import OPERATOR_USER, TEMPLATES, Site, cpu_seconds, is_ready, memory, operator_pid
from tests.real.harness.document_server import DocumentServer, template

COUNT = 1_000
TEMPLATES_EACH = 12
IDLE = 60.0
NAMESPACE = "thousand"
REQUEST = "skillmeat.io/reconcile-requested-at"
QUIET = 0.1
"""Share of one core below which the operator has nothing to do."""
REST = 2.0
"""Seconds without anything to do, after which it is at rest."""


def measure(site: Site, say: Callable[[str], None]) -> list[Figure]:
    """First pass, memory, idling, a requested sync; with TemplateBundles beside them memory and a restart."""
    site.skillmeat.add_templates_fast(TEMPLATES_EACH)
    site.make_namespace(NAMESPACE)
    names = [f"bulk-{number:05d}" for number in range(TEMPLATES_EACH)]
    with DocumentServer(site.provider_port) as server:
        entities = [
            template(f"template:skillmeat/skillmeat-bundle-{name}", version="1.0.0") for name in names
        ]
        site.backstage.catalog.register(server.put("/provider.yaml", entities))
        say(f"creating {COUNT} CatalogSources")
        site.create(*[_source(site, number) for number in range(COUNT)])
        say("starting the operator")
        since, began = datetime.now(UTC), time.monotonic()
        with site.operator:
            pid = operator_pid(site)
            _wait_all(site, "CatalogSource", within=600)
            passed, used = time.monotonic() - began, cpu_seconds(pid)
            tail = _calls(site)
            say("letting it come to rest")
            _rest(pid, within=120)
            statuses, events = _written(site, since)
            reads = len(site.proxy.requests(TEMPLATES, method="GET"))
            resident = memory(pid)
            say(f"watching it idle for {IDLE:.0f} s")
            before, tail = cpu_seconds(pid), _calls(site) - tail
            time.sleep(IDLE)
            idle = cpu_seconds(pid) - before
            say("asking for a sync of all")
            token, calls, asked = f"{time.time():.0f}", _calls(site), time.monotonic()
            site.cluster.run(
                "annotate",
                "smsrc",
                "--all",
                "-n",
                NAMESPACE,
                f"{REQUEST}={token}",
                "--overwrite",
                timeout=180,
            )
            annotated = time.monotonic() - asked
            _wait_answered(site, token, within=300)
            synced, calls = time.monotonic() - asked, _calls(site) - calls
            _rest(pid, within=120)
            say(f"creating {COUNT} TemplateBundles")
            site.create(*[_bundle(number, names[number % TEMPLATES_EACH]) for number in range(COUNT)])
            for kind in ("CatalogSource", "TemplateBundle"):
                _wait_all(site, kind, within=600)
            _rest(pid, within=120)
            both_resident = memory(pid)
        say("starting it anew")
        since, began = datetime.now(UTC), time.monotonic()
        with site.operator:
            restarted = _rest(operator_pid(site), within=120) - began
            resident_anew = memory(operator_pid(site))
            rewritten = len(site.cluster.writes(since=since, user=OPERATOR_USER))
    sources = f"{COUNT:,} CatalogSources"
    return [
        Figure(f"{sources} to Ready", passed, Unit.SECONDS, budget=35),
        Figure("CPU to Ready", used, Unit.SECONDS, budget=15),
        Figure("RSS then", resident, Unit.MEBIBYTES, budget=130),
        Figure("status writes for each object", statuses / COUNT, Unit.RATIO, budget=1),
        Figure("Events for each object", events / COUNT, Unit.RATIO),
        Figure("list reads of SkillMeat", reads, Unit.COUNT, budget=10, bare=1, bare_is="one list"),
        Figure("calls to the portal after Ready, until at rest", tail, Unit.COUNT),
        Figure(f"CPU of {IDLE:.0f} idle seconds", idle, Unit.SECONDS, budget=0.5),
        Figure(
            "requested sync of all",
            synced,
            Unit.SECONDS,
            budget=25,
            bare=annotated,
            bare_is="kubectl annotate of all",
        ),
        Figure("calls to the portal for it", calls, Unit.COUNT),
        Figure(f"RSS with {COUNT:,} TemplateBundles beside them", both_resident, Unit.MEBIBYTES, budget=160),
        Figure("RSS after a restart with both", resident_anew, Unit.MEBIBYTES, budget=160),
        Figure("restart with both until all is settled", restarted, Unit.SECONDS, budget=5),
        Figure("writes after the restart", rewritten, Unit.COUNT, budget=0),
    ]


def _source(site: Site, number: int) -> dict[str, Any]:
    made = site.source(NAMESPACE, f"s-{number:04d}", interval="5m", catalog_namespace="skillmeat")
    made["spec"]["backstage"]["ingestion"] = "External"
    return made


def _bundle(number: int, name: str) -> dict[str, Any]:
    return {
        "apiVersion": "skillmeat.io/v1alpha1",
        "kind": "TemplateBundle",
        "metadata": {"name": f"b-{number:04d}", "namespace": NAMESPACE},
        "spec": {"sourceRef": {"name": f"s-{number:04d}"}, "bundleRef": {"name": name}},
    }


def _written(site: Site, since: datetime) -> tuple[int, int]:
    """Writes of the operator so far: of statuses, and of Events."""
    written = site.cluster.writes(since=since, user=OPERATOR_USER)
    return (
        sum(one.subresource == "status" for one in written),
        sum(one.resource == "events" for one in written),
    )


def _wait_all(site: Site, kind: str, *, within: float) -> None:
    """Wait until all objects of a kind are Ready.

    Raises:
        TimeoutError: some are not in time.
    """
    began = time.monotonic()
    while True:
        ready = site.cluster.api.column(kind, NAMESPACE, "Ready").count("True")
        if ready == COUNT:
            return
        if time.monotonic() - began > within:
            found = site.cluster.api.list(kind, NAMESPACE)
            [sample, *_] = [one for one in found if not is_ready(one)]
            conditions = json.dumps(sample.get("status", {}).get("conditions", []))[:600]
            raise TimeoutError(f"{COUNT - ready} {kind}s are not Ready after {within:.0f} s: {conditions}")
        time.sleep(0.5)


def _wait_answered(site: Site, token: str, *, within: float) -> None:
    """Wait until all requests are echoed.

    Raises:
        TimeoutError: some are not in time.
    """
    began = time.monotonic()
    while True:
        left = [
            one
            for one in site.sources(NAMESPACE)
            if one["status"].get("handledRequests", {}).get("skillmeat") != token
        ]
        if not left:
            return
        if time.monotonic() - began > within:
            raise TimeoutError(f"{len(left)} requests are not answered after {within:.0f} s")
        time.sleep(0.25)


def _rest(pid: int, *, within: float) -> float:
    """Wait until the operator needs less than a tenth of a core, two seconds long; returns when that began.

    Raises:
        TimeoutError: it goes on working.
    """
    began = since = time.monotonic()
    before = cpu_seconds(pid)
    while time.monotonic() - since < REST:
        time.sleep(0.25)
        now = cpu_seconds(pid)
        if now - before >= QUIET / 4:
            since = time.monotonic()
        before = now
        if time.monotonic() - began > within:
            raise TimeoutError(f"the operator is still at work after {within:.0f} s")
    return since


def _calls(site: Site) -> int:
    return len(site.backstage.requests())
