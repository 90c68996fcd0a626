"""What is left of a spec that cannot be read: as much of its portal as is understood, and nothing is removed by guess."""

from __future__ import annotations

from typing import Any

import pytest

from skillmeat_operator.api.v1alpha1.policies import DeletionPolicy
from skillmeat_operator.controller.visit.deletion.remains import remains
from tests.conditions import builders as a
from tests.unit.controller.visit.scene import PORTAL

AUTH = {"bearerTokenSecretRef": {"name": "portal", "key": "token"}}
TLS = {"caSecretRef": {"name": "ca", "key": "ca.crt"}}


def left(backstage: Any, *, status: Any = None, **spec: Any) -> Any:
    raw = a.raw_source()
    raw["spec"] = {"source": {"newer": {}}, "backstage": backstage, **spec}
    raw["status"]["catalog"] = status
    return remains(raw).spec


def test_a_portal_that_is_understood_is_kept_whole() -> None:
    found = left({"url": PORTAL, "auth": AUTH, "ingestion": "StaticLocation", "catalogNamespace": "x"})
    assert found.backstage.url == PORTAL
    assert found.backstage.auth is not None
    assert found.backstage.catalog_namespace == "x"


@pytest.mark.parametrize(
    ("changes", "url", "auth"),
    [
        pytest.param({"ingestion": "Newer"}, PORTAL, True, id="what-is-unknown-goes-first"),
        pytest.param({"tls": "newer"}, PORTAL, True, id="then-tls"),
        pytest.param({"auth": "newer", "tls": "newer"}, PORTAL, False, id="then-the-credential"),
        pytest.param({"url": 7}, "http://told.example", False, id="then-the-url-that-status-tells"),
    ],
)
def test_ever_less_of_it_is_read(changes: dict[str, Any], url: str, auth: bool) -> None:
    backstage = {"url": PORTAL, "auth": AUTH, "ingestion": "Location", **changes}
    found = left(backstage, status={"url": "http://told.example"})
    assert found.backstage.url == url
    assert (found.backstage.auth is not None) is auth


@pytest.mark.parametrize(
    ("backstage", "status", "url"),
    [
        pytest.param("newer", {"url": "http://told.example"}, "http://told.example", id="told"),
        pytest.param("newer", {"url": 7}, None, id="told-wrong"),
        pytest.param("newer", None, None, id="nothing"),
        pytest.param({"url": 7}, {"url": "no url"}, None, id="nothing-that-is-one"),
    ],
)
def test_without_a_portal_in_spec_status_tells_it(backstage: Any, status: Any, url: str | None) -> None:
    assert left(backstage, status=status).backstage.url == url


@pytest.mark.parametrize(
    ("spec", "policy"),
    [
        ({}, DeletionPolicy.DELETE),
        ({"deletionPolicy": "Delete"}, DeletionPolicy.DELETE),
        ({"deletionPolicy": "Retain"}, DeletionPolicy.RETAIN),
        ({"deletionPolicy": "Newer"}, DeletionPolicy.RETAIN),
    ],
)
@pytest.mark.parametrize("backstage", [{"url": PORTAL}, "newer"])
def test_a_policy_that_is_not_known_keeps_the_entities(
    backstage: Any, spec: dict[str, str], policy: DeletionPolicy
) -> None:
    assert left(backstage, **spec).deletion_policy is policy


@pytest.mark.parametrize("spec", [None, "newer", {}])
def test_without_any_spec_it_can_be_deleted(spec: Any) -> None:
    raw = a.raw_source()
    raw["spec"] = spec
    raw["status"] = None
    found = remains(raw)
    assert found.uid == a.UID
    assert found.spec.deletion_policy is DeletionPolicy.DELETE
