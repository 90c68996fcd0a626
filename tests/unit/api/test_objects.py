"""Raw objects become values: defaults, names on the wire, and what cannot be read."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from skillmeat_operator.api.objects import InvalidObject
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.catalog_source_status import CatalogSourceStatus, EntityCounts, Problem
from skillmeat_operator.api.v1alpha1.policies import (
    Ingestion,
    PublishPolicy,
    RemovalPolicy,
    Severity,
    StalePolicy,
)
from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle, TemplateBundleStatus


def catalog_source(spec: dict[str, Any] | None = None, **rest: Any) -> dict[str, Any]:
    return {
        "apiVersion": "skillmeat.io/v1alpha1",
        "kind": "CatalogSource",
        "metadata": {
            "namespace": "portal",
            "name": "skillmeat",
            "uid": "6f1c",
            "generation": 2,
            "resourceVersion": "17",
            "creationTimestamp": "2026-11-21T10:00:00Z",
            "finalizers": ["skillmeat.io/catalog-cleanup"],
            "annotations": {"skillmeat.io/approve-removal": "x"},
        },
        "spec": {"source": {"skillmeat": {"url": "http://skillmeat:8080"}}} | (spec or {}),
    } | rest


def template_bundle(**spec: Any) -> dict[str, Any]:
    return {"metadata": {}, "spec": {"sourceRef": {"name": "s"}, "bundleRef": {"name": "b"}} | spec}


def test_metadata_is_read() -> None:
    source = CatalogSource.from_object(catalog_source())
    assert (source.namespace, source.name, source.uid) == ("portal", "skillmeat", "6f1c")
    assert (source.generation, source.resource_version) == (2, "17")
    assert source.created == datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert source.finalizers == ("skillmeat.io/catalog-cleanup",)
    assert source.annotations == {"skillmeat.io/approve-removal": "x"}
    assert source.labels == {}
    assert not source.deleting


def test_an_object_with_a_deletion_timestamp_is_being_deleted() -> None:
    obj = catalog_source()
    obj["metadata"]["deletionTimestamp"] = "2026-11-21T11:00:00Z"
    assert CatalogSource.from_object(obj).deleting


def test_defaults_of_a_minimal_source_are_those_of_the_design() -> None:
    spec = CatalogSource.from_object(catalog_source()).spec
    assert spec.backstage.url is None
    assert spec.backstage.catalog_namespace == "skillmeat"
    assert spec.backstage.ingestion is Ingestion.LOCATION
    assert spec.publish_policy is PublishPolicy.ALL
    assert spec.stale_policy is StalePolicy.REFRESH
    assert spec.removal_policy == RemovalPolicy(max_percent=50, min_count=3, allow_empty=False)
    assert (spec.interval, spec.timeout) == (timedelta(minutes=5), timedelta(minutes=1))
    assert spec.outage_grace_period == timedelta(minutes=15)
    assert spec.entity_defaults.owner == "group:default/platform-team"
    assert spec.entity_defaults.tags == ("skillmeat",)
    assert spec.filters.include == ()
    assert not spec.suspend


def test_names_on_the_wire_are_the_names_of_the_api() -> None:
    spec = CatalogSource.from_object(
        catalog_source(
            {
                "source": {
                    "skillmeat": {
                        "url": "http://skillmeat:8080/base",
                        "webURL": "https://skillmeat.example.com",
                        "auth": {"bearerTokenSecretRef": {"name": "t"}},
                        "tls": {"caRef": {"kind": "ConfigMap", "name": "ca"}},
                    }
                },
                "filters": {"exclude": [{"bundleStatuses": ["draft"]}]},
                "outageGracePeriod": "90s",
                "webhook": {"secretRef": {"name": "hook", "key": "hmac"}},
            }
        )
    ).spec
    skillmeat = spec.source.skillmeat
    assert skillmeat is not None
    assert skillmeat.web_url == "https://skillmeat.example.com"
    wire = spec.to_wire()
    assert wire["source"]["skillmeat"]["webURL"] == "https://skillmeat.example.com"
    assert wire["source"]["skillmeat"]["auth"] == {"bearerTokenSecretRef": {"name": "t", "key": "token"}}
    assert wire["source"]["skillmeat"]["tls"] == {
        "caRef": {"kind": "ConfigMap", "name": "ca", "key": "ca.crt"}
    }
    assert wire["filters"]["exclude"][0]["bundleStatuses"] == ["draft"]
    assert wire["outageGracePeriod"] == "1m30s"
    assert wire["webhook"] == {"secretRef": {"name": "hook", "key": "hmac"}}


def test_a_field_of_a_later_version_is_ignored() -> None:
    assert CatalogSource.from_object(catalog_source({"fromTheFuture": 1})).spec.suspend is False


def test_a_reference_has_no_namespace() -> None:
    secret = {"name": "t", "namespace": "kube-system"}
    source = {"skillmeat": {"url": "http://skillmeat:8080", "auth": {"bearerTokenSecretRef": secret}}}
    wire = CatalogSource.from_object(catalog_source({"source": source})).spec.to_wire()
    assert wire["source"]["skillmeat"]["auth"]["bearerTokenSecretRef"] == {"name": "t", "key": "token"}


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        pytest.param({"source": None}, r"^spec\.source: ", id="no source"),
        pytest.param({"interval": "soon"}, r"^spec\.interval: write a duration", id="no duration"),
        pytest.param({"interval": "9s"}, r"^spec\.interval: must be at least 10s$", id="polling too often"),
        pytest.param(
            {"stalePolicy": "Maybe"}, r"^spec\.stalePolicy: input should be", id="an unknown choice"
        ),
        pytest.param(
            {"interval": "9s", "timeout": "0s"},
            r"^spec\.interval: .* \(and 1 more\)$",
            id="more than one mistake",
        ),
        pytest.param(
            {"filters": {"include": [{"names": [7]}]}},
            r"^spec\.filters\.include\[0\]\.names\[0\]: ",
            id="a path",
        ),
    ],
)
def test_a_spec_that_cannot_be_read_is_told_in_one_sentence(spec: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidObject, match=sentence):
        CatalogSource.from_object(catalog_source(spec))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        pytest.param("ftp://host", "must be an http", id="another scheme"),
        pytest.param("http://", "must be an http", id="no host"),
        pytest.param("http://:8080", "must be an http", id="a port without a host"),
        pytest.param("http://ho st", "must be an http", id="a space in the host"),
        pytest.param(
            "http://host\\@evil.example.com", "must not contain a user name", id="a backslash trick"
        ),
        pytest.param("http://host/\n", "must be an http", id="a line break at the end"),
        pytest.param("http://user:canary-7f3a@host", "must not contain a user name", id="a password"),
        pytest.param("http://host?token=canary-7f3a", "must not contain a query", id="a query"),
        pytest.param("http://host/#canary-7f3a", "must not contain a query", id="a fragment"),
    ],
)
def test_a_url_that_is_not_to_be_dialled_is_refused_without_being_repeated(url: str, sentence: str) -> None:
    with pytest.raises(InvalidObject, match=sentence) as refused:
        CatalogSource.from_object(catalog_source({"source": {"skillmeat": {"url": url}}}))
    assert "canary" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(
    "url",
    [
        "http://host",
        "https://host:8443/base/",
        "http://[fd00::1]:80",
        "http://10.0.0.7:1/a%20b",
        "http://a_b",
    ],
)
def test_a_plain_url_is_taken_as_it_is(url: str) -> None:
    source = CatalogSource.from_object(catalog_source({"source": {"skillmeat": {"url": url}}})).spec.source
    assert source.skillmeat is not None
    assert source.skillmeat.url == url


def test_models_are_immutable() -> None:
    spec = CatalogSource.from_object(catalog_source()).spec
    with pytest.raises(ValidationError, match="frozen"):
        spec.suspend = True  # type: ignore[misc]


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({}, id="empty"),
        pytest.param(None, id="absent"),
        pytest.param({"observedGeneration": "many"}, id="of another writer's making"),
    ],
)
def test_a_status_that_says_nothing_reads_as_never_visited(status: Any) -> None:
    source = CatalogSource.from_object(catalog_source(status=status))
    assert source.status == CatalogSourceStatus()
    assert source.status.observed_generation == -1


def test_status_survives_being_written_and_read() -> None:
    status = {
        "observedGeneration": 2,
        "conditions": [],
        "entities": EntityCounts(discovered=3, in_catalog=3, not_runnable=1).to_wire(),
        "revision": "sha256:00",
        "lastChangeTime": "2026-11-21T10:00:00Z",
        "removal": {"id": "a", "count": 1, "refs": ["template:skillmeat/a"], "since": "2026-11-21T10:00:00Z"},
        "handledRequests": {"flux": "1"},
        "lastHandledReconcileAt": "1",
        "problems": [{"severity": "Error", "reason": "Conflict", "message": "held"}],
    }
    source = CatalogSource.from_object(catalog_source(status=status))
    assert source.status.to_wire() == status
    assert status["entities"]["inCatalog"] == 3
    assert status["entities"]["notRunnable"] == 1


def test_generated_at_keeps_the_fraction_the_server_gave() -> None:
    status = TemplateBundleStatus.model_validate({"generatedAt": "2026-11-21T07:16:16.058512+00:00"})
    assert status.to_wire()["generatedAt"] == "2026-11-21T07:16:16.058512Z"


def test_defaults_of_a_minimal_bundle_are_those_of_the_design() -> None:
    spec = TemplateBundle.from_object(template_bundle()).spec
    assert (spec.source_ref.name, spec.bundle_ref.name, spec.bundle_ref.id) == ("s", "b", None)
    assert spec.publish
    assert not spec.suspend
    assert spec.version is None
    assert spec.stale_policy is None
    assert spec.overrides.tags is None


def test_an_empty_list_of_tags_is_not_the_same_as_none() -> None:
    assert TemplateBundle.from_object(template_bundle(overrides={"tags": []})).spec.overrides.tags == ()


def test_a_link_may_have_query_and_fragment() -> None:
    url = "https://docs.example.com/a?b=c#d"
    spec = TemplateBundle.from_object(template_bundle(overrides={"links": [{"url": url}]})).spec
    assert spec.overrides.links is not None
    assert spec.overrides.links[0].url == url


def test_a_text_too_long_for_a_status_is_cut_and_not_refused() -> None:
    """The API server would refuse the whole status for one long message."""
    problem = Problem(severity=Severity.ERROR, reason="Conflict", message="m" * 5000, entity_ref="é" * 300)
    assert problem.message == "m" * 1023 + "…"
    assert problem.entity_ref == "é" * 252 + "…"


def test_a_text_that_fits_is_not_touched() -> None:
    problem = Problem(severity=Severity.ERROR, reason="Conflict", message="m" * 1024)
    assert problem.message == "m" * 1024
