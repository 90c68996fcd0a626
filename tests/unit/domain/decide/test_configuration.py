"""What has to be right before anything is tried."""

from __future__ import annotations

from typing import Any

import pytest

from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.domain.decide.configuration import Publication, publication
from skillmeat_operator.domain.failure import FailureKind
from tests.conditions import builders as a

CLUSTER = "c0ffee00-1111-2222-3333-444444444444"


def check(
    backstage: dict[str, Any] | None = None,
    *,
    public_url: str | None = "http://operator.example:8080",
    portal: str | None = None,
    namespaces: tuple[str, ...] = ("*",),
    **metadata: Any,
) -> Publication:
    spec = {"backstage": {"url": "http://portal.example", **(backstage or {})}}
    return publication(
        a.source(spec, **metadata),
        public_url=public_url,
        cluster_uid=CLUSTER,
        backstage_url=portal,
        allowed_catalog_namespaces=namespaces,
    )


def test_the_target_names_cluster_namespace_and_source() -> None:
    assert check() == Publication(
        target="http://operator.example:8080/catalogs/c0ffee00/team/main.yaml", failure=None
    )


def test_external_publishes_nothing_and_needs_no_public_url() -> None:
    assert check({"ingestion": "External"}, public_url=None) == Publication()


def test_the_operators_portal_is_enough() -> None:
    assert check({"url": None}, portal="http://portal.example").failure is None


@pytest.mark.parametrize(
    ("found", "reason", "remedy"),
    [
        pytest.param(check({"url": None}), Reason.PORTAL_URL_MISSING, "--backstage-url", id="no-portal"),
        pytest.param(check(public_url=None), Reason.PUBLIC_URL_MISSING, "--public-url", id="no-public-url"),
        pytest.param(
            check({"ingestion": "StaticLocation"}, public_url=None),
            Reason.PUBLIC_URL_MISSING,
            "--public-url",
            id="static-needs-it-too",
        ),
        pytest.param(
            check({"catalogNamespace": "tenant-b"}, namespaces=("tenant-a", "x-*")),
            Reason.NAMESPACE_NOT_ALLOWED,
            "--allowed-catalog-namespaces",
            id="namespace",
        ),
        pytest.param(
            check({"catalogNamespace": "tenant-b", "ingestion": "External"}, namespaces=()),
            Reason.NAMESPACE_NOT_ALLOWED,
            "catalogNamespace",
            id="namespace-under-External",
        ),
        pytest.param(
            check(name="n" * 63, namespace="s" * 63, public_url="http://" + "h" * 60 + ".example"),
            Reason.TARGET_TOO_LONG,
            "shorten --public-url",
            id="target-too-long",
        ),
    ],
)
def test_refused(found: Publication, reason: Reason, remedy: str) -> None:
    assert found.target is None
    assert found.failure is not None
    assert (found.failure.reason, found.failure.kind) == (reason, FailureKind.CONFIGURATION)
    assert remedy in found.failure.message


@pytest.mark.parametrize(
    ("patterns", "allowed"),
    [
        (("other", "tenant-*"), True),
        (("tenant-[ab]",), True),
        (("*",), True),
        (("tenant-a?",), False),
        (("tenant",), False),
        (("TENANT-*",), False),
        ((), False),
    ],
)
def test_allowed_namespaces_are_globs_over_the_whole_name(patterns: tuple[str, ...], allowed: bool) -> None:
    found = check({"catalogNamespace": "tenant-a"}, namespaces=patterns)
    assert (found.failure is None) is allowed


@pytest.mark.parametrize("length", [29, 30, 31])
def test_the_longest_target_is_still_indexed(length: int) -> None:
    fixed = len("url:http:///catalogs/c0ffee00/") + 1 + len(".yaml")
    host = "h" * length + ".example"
    rest = 190 - fixed - len(host)
    namespace = "n" * 63
    name = "m" * (rest - 63)
    fits = check(public_url=f"http://{host}", namespace=namespace, name=name)
    assert fits.target is not None
    assert len(f"url:{fits.target}") == 190
    assert check(public_url=f"http://{host}", namespace=namespace, name=name + "m").failure is not None
