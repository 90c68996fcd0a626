"""Requested syncs: by our annotation, by the command line, by Flux's annotation and by both at once."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbed.process import plain_environment
from tests.real.harness.tenant import Object, Tenant, eventually

pytestmark = pytest.mark.usefixtures("operator")

OURS = "skillmeat.io/reconcile-requested-at"
FLUX = "reconcile.fluxcd.io/requestedAt"
BUDGET = 5.0
"""Seconds within which a requested sync shows and counts a new bundle."""
NOISE = 2.0
"""Factor for a machine that does other work too."""


@pytest.fixture
def settled(tenant: Tenant) -> Tenant:
    """A tenant whose one template is visible, and whose next poll is far away."""
    tenant.add_templates(1)
    tenant.apply(tenant.source(interval="10m"))
    tenant.wait_ready()
    return tenant


def visible_and_counted(tenant: Tenant, *names: str) -> Object | None:
    found = tenant.get()
    counted = found["status"]["entities"]["inCatalog"] == len(names)
    return found if counted and tenant.shows(*names) else None


def within_budget(began: float, what: str) -> None:
    seconds = time.monotonic() - began
    print(f"{what}: visible and counted after {seconds:.1f} s")
    assert seconds < BUDGET * NOISE


def test_our_annotation_shows_and_counts_a_new_bundle_within_five_seconds(settled: Tenant) -> None:
    settled.add_template("late")
    began = time.monotonic()
    settled.annotate(OURS, "request-1")

    found = eventually(lambda: visible_and_counted(settled, "t0", "late"), within=BUDGET * NOISE)

    within_budget(began, "our annotation")
    assert found["status"]["handledRequests"] == {"skillmeat": "request-1"}
    assert "lastHandledReconcileAt" not in found["status"]
    assert len(settled.marked()) == 2


def test_the_command_line_returns_when_the_new_bundle_is_visible_and_counted(settled: Tenant) -> None:
    settled.add_template("late")
    argv = [sys.executable, "-m", "skillmeat_operator.cli.main", "sync", "source/main", "--wait"]
    argv += ["-n", settled.namespace, "--kubeconfig", str(settled.cluster.kubeconfig)]
    environment = {**plain_environment(), "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "operator")}
    began = time.monotonic()

    done = subprocess.run(  # noqa: S603 - the command line is what is tested
        argv, env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    within_budget(began, "sync --wait")
    assert done.returncode == 0, done.stderr
    assert "2 published, 2 in the catalog" in done.stdout
    found = visible_and_counted(settled, "t0", "late")
    assert found is not None
    assert found["status"]["handledRequests"]["skillmeat"] == found["metadata"]["annotations"][OURS]


def test_fluxs_annotation_works_and_is_echoed_where_flux_looks(settled: Tenant) -> None:
    settled.add_template("late")
    began = time.monotonic()
    settled.annotate(FLUX, "2026-01-02T03:04:05.678Z")

    found = eventually(lambda: visible_and_counted(settled, "t0", "late"), within=BUDGET * NOISE)

    within_budget(began, "Flux's annotation")
    assert found["status"]["handledRequests"] == {"flux": "2026-01-02T03:04:05.678Z"}
    assert found["status"]["lastHandledReconcileAt"] == "2026-01-02T03:04:05.678Z"


def test_both_annotations_at_once_are_answered_by_one_read(settled: Tenant) -> None:
    settled.add_template("late")
    reads = len(settled.proxy.requests("/idp/templates"))
    began = time.monotonic()
    settled.kubectl("annotate", "smsrc/main", f"{OURS}=ours-1", f"{FLUX}=flux-1")

    found = eventually(lambda: visible_and_counted(settled, "t0", "late"), within=BUDGET * NOISE)

    within_budget(began, "both annotations")
    assert found["status"]["handledRequests"] == {"skillmeat": "ours-1", "flux": "flux-1"}
    assert found["status"]["lastHandledReconcileAt"] == "flux-1"
    assert len(settled.proxy.requests("/idp/templates")) == reads + 1


def test_a_second_request_by_one_annotation_keeps_the_echo_of_the_other(settled: Tenant) -> None:
    settled.kubectl("annotate", "smsrc/main", f"{OURS}=ours-1", f"{FLUX}=flux-1")
    eventually(lambda: settled.get()["status"].get("lastHandledReconcileAt") == "flux-1")

    settled.annotate(FLUX, "flux-2")

    eventually(lambda: settled.get()["status"]["lastHandledReconcileAt"] == "flux-2")
    assert settled.get()["status"]["handledRequests"] == {"skillmeat": "ours-1", "flux": "flux-2"}


def test_a_request_is_answered_although_the_source_is_down(settled: Tenant) -> None:
    settled.proxy.down()

    found = settled.sync(within=BUDGET * NOISE)

    ready = settled.condition("Ready")
    assert ready is not None
    assert (ready["status"], ready["reason"]) == ("True", "ServingLastGood")
    assert found["status"]["entities"]["inCatalog"] == 1
    assert settled.shows("t0")


def test_a_request_that_finds_nothing_new_changes_nothing_but_its_echo(settled: Tenant) -> None:
    before = settled.get()["status"]

    after = settled.sync()["status"]

    assert {key: after[key] for key in before} == before
    assert set(after) - set(before) == {"handledRequests"}
