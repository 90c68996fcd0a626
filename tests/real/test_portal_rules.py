"""What a real portal makes of templates that it validates and yet does not show as they are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from skillmeat_operator.domain.rules.entity_rules import violations
from skillmeat_operator.domain.template.canonical import canonical_template
from testbed.backstage import Backstage
from testbed.catalog import Catalog
from tests.real.harness import document_server
from tests.real.harness.document_server import DocumentServer

NAMESPACE = "rules"


@pytest.fixture
def documents(document_ports: range) -> Iterator[DocumentServer]:
    with DocumentServer(document_ports[-2]) as server:
        yield server


@pytest.fixture
def catalog(backstage: Backstage) -> Iterator[Catalog]:
    """The catalog, whose locations of these tests go with them."""
    before = {one["id"] for one in backstage.catalog.locations()}
    yield backstage.catalog
    for one in backstage.catalog.locations():
        if one["id"] not in before:
            backstage.catalog.unregister(one["id"])


def template(name: str, **spec: Any) -> dict[str, Any]:
    made = document_server.template(f"template:{NAMESPACE}/{name}")
    return {**made, "spec": {**made["spec"], "owner": "group:default/platform-team", **spec}}


def step(name: str, **given: object) -> dict[str, Any]:
    return {"id": name, "action": "debug:log", "input": given}


def shown(catalog: Catalog, names: set[str], *, within: float = 30.0) -> bool:
    """Whether the portal comes to show these in time."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if set(catalog.names(NAMESPACE)) == names:
            return True
        time.sleep(0.25)
    return False


def test_it_shows_what_the_rules_accept_and_nothing_else(catalog: Catalog, documents: DocumentServer) -> None:
    """Keys that differ in case alone: neither validation nor a dry run tells, the stitcher refuses."""
    entities = [
        template("plain"),
        template("one-input", steps=[step("a", fooBar=1, foobar=2)]),
        template("two-steps", steps=[step("a", repoUrl=1), step("b", repoURL=2)]),
        template("alike", steps=[step("a", repoUrl=1), step("b", repoUrl=2)]),
        template("containers", steps=[step("a", fooBar={}, foobar=[])]),
        template("texts", parameters={"required": ["RepoUrl", "repoUrl"]}),
        template("text-and-key", steps=[{**step("a"), "each": ["Foo"]}, {**step("b"), "each": {"foo": 1}}]),
    ]
    valid = {one["metadata"]["name"] for one in entities if not violations(one)}
    assert valid == {"plain", "alike", "containers", "texts"}
    catalog.register(documents.put("/case.yaml", entities))
    assert shown(catalog, valid)
    time.sleep(3)
    assert shown(catalog, valid), "and nothing comes later"


def test_it_keeps_the_order_of_fields_as_the_content_hash_takes_it(
    catalog: Catalog, documents: DocumentServer
) -> None:
    fields = {key: {"type": "string"} for key in ("b", "10", "9", "a")}
    sent = template("order", parameters={"properties": fields})
    catalog.register(documents.put("/order.yaml", [sent]))
    assert shown(catalog, {"order"})
    entity = catalog.entity("template", NAMESPACE, "order")
    assert entity is not None
    assert list(entity["spec"]["parameters"]["properties"]) == ["9", "10", "b", "a"]
    assert canonical_template({"spec": entity["spec"]}) == canonical_template({"spec": sent["spec"]})
