"""What the API server accepts, refuses, fills in and shows, with the CRDs as they are committed."""

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from testbed.cluster import Cluster
from testbed.errors import PartError

REPOSITORY = Path(__file__).parents[2]
SOURCES = "catalogsources.skillmeat.io"
BUNDLES = "templatebundles.skillmeat.io"


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace of a cluster that has the CRDs."""

    cluster: Cluster
    name: str

    def run(self, *args: str, given: Any = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl in the namespace, with the object on standard input."""
        text = None if given is None else json.dumps(given)
        return self.cluster.kubectl("-n", self.name, *args, input=text)

    def read(self, *args: str, given: Any = None) -> dict[str, Any]:
        """Run kubectl, which must succeed, and return the object it prints."""
        done = self.run(*args, "-o", "json", given=given)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def create(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Create the object and return it as the API server answers."""
        return self.cluster.api.create(self.here(obj))

    def refusal(self, obj: dict[str, Any]) -> str:
        """Return what the API server says when it refuses the object."""
        with pytest.raises(PartError) as refused:
            self.cluster.api.create(self.here(obj), dry_run=True)
        return str(refused.value)

    def here(self, obj: dict[str, Any]) -> dict[str, Any]:
        """The object in this namespace."""
        return {**obj, "metadata": {**obj["metadata"], "namespace": self.name}}


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    applied = cluster.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(REPOSITORY / "crds"))
    assert applied.returncode == 0, applied.stderr
    established = cluster.kubectl(
        "wait", "--for=condition=Established", "--timeout=30s", f"crd/{SOURCES}", f"crd/{BUNDLES}"
    )
    assert established.returncode == 0, established.stderr
    # Established comes before the storage is ready (429 for a moment) and before the documentation is served.
    deadline = time.monotonic() + 60
    while (
        cluster.kubectl("explain", "smtb.spec").returncode or cluster.kubectl("get", "smsrc", "-A").returncode
    ):
        assert time.monotonic() < deadline, "the kinds are not served"
        time.sleep(0.3)
    name = f"admission-{uuid4().hex[:8]}"
    assert cluster.kubectl("create", "namespace", name).returncode == 0
    yield Namespace(cluster, name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def source(name: str = "refused", /, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "skillmeat.io/v1alpha1",
        "kind": "CatalogSource",
        "metadata": {"name": name},
        "spec": {"source": {"skillmeat": {"url": "http://skillmeat.example.com"}}} | spec,
    }


def skillmeat(**fields: Any) -> dict[str, Any]:
    return source(source={"skillmeat": {"url": "http://skillmeat.example.com"} | fields})


def external(**spec: Any) -> dict[str, Any]:
    return source(backstage={"ingestion": "External"}, **spec)


def bundle(name: str = "refused", /, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "skillmeat.io/v1alpha1",
        "kind": "TemplateBundle",
        "metadata": {"name": name},
        "spec": {"sourceRef": {"name": "skillmeat"}, "bundleRef": {"name": "fin-serv"}} | spec,
    }


A_URL = "must be an http:// or https:// URL with a host"
NO_USER = "must not contain a user name or password; put the credential into a Secret"
NO_HOST = "must name the host by a DNS name, an IPv4 address such as 10.0.0.7 or an IPv6 address in brackets"
NO_QUERY = "must not contain a query or fragment"
A_DURATION = "write a duration such as 30s, 5m or 1h30m"
NOT_EXTERNAL = "has no effect with backstage.ingestion External"
RESERVED = "must not set an annotation that says what the entity is or who manages it"
KEYS = "keys must be a name of at most 63 characters"

REFUSED = {
    "no spec": (source() | {"spec": None}, "spec"),
    "no source": ({**source(), "spec": {}}, "spec.source: Required value"),
    "an empty source": (source(source={}), "set exactly one type of source; this version knows: skillmeat"),
    "an unknown source type": (source(source={"openchoreo": {}}), 'unknown field "spec.source.openchoreo"'),
    "an unknown field": (source(pollInterval="5m"), 'unknown field "spec.pollInterval"'),
    "no url": (source(source={"skillmeat": {}}), "spec.source.skillmeat.url: Required value"),
    "another scheme": (skillmeat(url="ftp://skillmeat.example.com"), A_URL),
    "no host": (skillmeat(url="http:///api"), A_URL),
    "half an address in brackets": (skillmeat(url="http://[1.2]"), NO_HOST),
    "an address of IPv4 in brackets": (skillmeat(url="http://[1.2.3.4]"), NO_HOST),
    "an address of IPv6 with two gaps": (skillmeat(url="http://[1::2::3]"), NO_HOST),
    "an address of IPv6 with a zone": (skillmeat(url="http://[fe80::1%25eth0]"), NO_HOST),
    "half an address of IPv4": (skillmeat(url="http://1.2"), NO_HOST),
    "an address of IPv4 out of range": (skillmeat(url="http://10.0.0.256:80"), NO_HOST),
    "an address as a hexadecimal number": (skillmeat(url="http://0x7f000001/a"), NO_HOST),
    "an empty label in the host": (skillmeat(url="http://a..b"), NO_HOST),
    "a dash at the end of the host": (skillmeat(url="http://a-"), NO_HOST),
    "a label of 64 characters": (skillmeat(url=f"http://{'a' * 64}"), NO_HOST),
    "port 0": (skillmeat(url="http://a:0"), NO_HOST),
    "a port too high": (skillmeat(url="http://a:65536"), NO_HOST),
    "an empty port": (skillmeat(url="http://a:"), NO_HOST),
    "a web url without an exact host": (skillmeat(webURL="https://[1.2]"), NO_HOST),
    "a portal's url without an exact host": (source(backstage={"url": "http://[1.2]"}), NO_HOST),
    "a link without an exact host": (bundle(overrides={"links": [{"url": "http://[1.2]/a?b"}]}), NO_HOST),
    "a port without a host": (skillmeat(url="http://:8080"), A_URL),
    "text that is no url": (skillmeat(url="skillmeat.example.com"), A_URL),
    "user info in the url": (skillmeat(url="http://me:secret@skillmeat.example.com"), NO_USER),
    "user info behind a backslash": (skillmeat(url="http://a\\@skillmeat.example.com"), NO_USER),
    "a query in the url": (skillmeat(url="http://skillmeat.example.com?a=b"), NO_QUERY),
    "a fragment in the url": (skillmeat(url="http://skillmeat.example.com/#a"), NO_QUERY),
    "user info in the web url": (skillmeat(webURL="https://me@skillmeat.example.com"), NO_USER),
    "a query in the portal's url": (source(backstage={"url": "http://portal?a=b"}), NO_QUERY),
    "user info in the portal's url": (source(backstage={"url": "http://me@portal"}), NO_USER),
    "a namespace in a reference": (
        skillmeat(auth={"bearerTokenSecretRef": {"name": "token", "namespace": "kube-system"}}),
        'unknown field "spec.source.skillmeat.auth.bearerTokenSecretRef.namespace"',
    ),
    "a CA in another kind of object": (
        skillmeat(tls={"caRef": {"kind": "Pod", "name": "ca"}}),
        "Unsupported value",
    ),
    "an interval under 10s": (source(interval="9s"), "must be at least 10s"),
    "an interval of milliseconds": (source(interval="5000ms"), "must be at least 10s"),
    "an interval without unit": (source(interval="300"), A_DURATION),
    "an interval in words": (source(interval="5 minutes"), A_DURATION),
    "an interval in days": (source(interval="1d"), A_DURATION),
    "a negative interval": (source(interval="-5m"), A_DURATION),
    "a bad timeout": (source(timeout="1 minute"), A_DURATION),
    "no time at all": (source(timeout="0s"), "must be at least 1s"),
    "a bad grace period": (source(outageGracePeriod="forever"), A_DURATION),
    "an unknown ingestion": (source(backstage={"ingestion": "Push"}), 'supported values: "Location"'),
    "a catalog namespace in upper case": (
        source(backstage={"catalogNamespace": "Team"}),
        "must be a DNS label",
    ),
    "a percentage over 100": (source(removalPolicy={"maxPercent": 101}), "less than or equal to 100"),
    "a percentage under 0": (source(removalPolicy={"maxPercent": -1}), "greater than or equal to 0"),
    "an empty filter": (source(filters={"exclude": [{}]}), "an empty filter would match everything"),
    "an empty list in a filter": (
        source(filters={"include": [{"names": []}]}),
        "should have at least 1 items",
    ),
    "an unknown stage": (source(filters={"include": [{"bundleStatuses": ["new"]}]}), "Unsupported value"),
    "a tag Backstage would refuse": (
        source(entityDefaults={"tags": ["Fin_Serv"]}),
        "spec.entityDefaults.tags[0]",
    ),
    "a label key Backstage would refuse": (source(entityDefaults={"labels": {"a b": "c"}}), KEYS),
    "a label key with an empty part": (source(entityDefaults={"labels": {"a..b/x": "c"}}), KEYS),
    "a label key with a part that is too long": (
        source(entityDefaults={"labels": {f"{'d' * 64}.io/x": "c"}}),
        KEYS,
    ),
    "an owner whose namespace Backstage would refuse": (
        source(entityDefaults={"owner": "group:a-/x"}),
        "entityDefaults.owner",
    ),
    "a label value Backstage would refuse": (source(entityDefaults={"labels": {"a": "b c"}}), "labels.a"),
    "an annotation of the operator": (
        source(entityDefaults={"annotations": {"skillmeat.io/managed-by": "me"}}),
        RESERVED,
    ),
    "an annotation of the operator in another case": (
        source(entityDefaults={"annotations": {"skillmeat.io/Managed-By": "me"}}),
        RESERVED,
    ),
    "an owner that is no reference": (source(entityDefaults={"owner": "a:b:c"}), "spec.entityDefaults.owner"),
    "a webhook without secret": (source(webhook={}), "spec.webhook.secretRef: Required value"),
    "a name of 64 characters": (source("a" * 64), "choose a name of at most 63 characters"),
    "External with a web url": (
        external(source={"skillmeat": {"url": "http://a", "webURL": "https://b"}}),
        "spec.source.skillmeat.webURL: Invalid value: " + NOT_EXTERNAL,
    ),
    "External with entity defaults": (
        external(entityDefaults={"owner": "group:default/a"}),
        "spec.entityDefaults: Invalid value: " + NOT_EXTERNAL,
    ),
    "External with a publish policy": (external(publishPolicy="Declared"), "leave it at All"),
    "External with an invalid policy": (external(invalidPolicy="Quarantine"), "leave it at Repair"),
    "External with a removal policy": (
        external(removalPolicy={"allowEmpty": True}),
        "spec.removalPolicy: Invalid value: " + NOT_EXTERNAL,
    ),
    "External with a deletion policy": (external(deletionPolicy="Retain"), "leave it at Delete"),
    "a bundle without source": (
        {**bundle(), "spec": {"bundleRef": {"id": "a"}}},
        "spec.sourceRef: Required value",
    ),
    "a bundle of no name": (bundle(bundleRef={}), "set exactly one of id and name"),
    "a bundle of two names": (bundle(bundleRef={"id": "a", "name": "b"}), "set exactly one of id and name"),
    "a bundle id with a slash": (bundle(bundleRef={"id": "a/b"}), "write the id as SkillMeat shows it"),
    "a version that is no range": (bundle(version="latest!"), "write a range as npm does"),
    "a source in another namespace": (
        bundle(sourceRef={"name": "a", "namespace": "b"}),
        'unknown field "spec.sourceRef.namespace"',
    ),
    "an override of identity": (
        bundle(overrides={"annotations": {"skillmeat.io/bundle-id": "x"}}),
        RESERVED,
    ),
    "an override of the name that Backstage would refuse": (
        bundle(overrides={"name": "a/b"}),
        "spec.overrides.name",
    ),
    "a link that runs a script": (
        bundle(overrides={"links": [{"url": "javascript:alert(1)"}]}),
        "must be an http://, https:// or mailto: link",
    ),
    "a link without a host": (
        bundle(overrides={"links": [{"url": "http://?"}]}),
        "must name the host",
    ),
    "a link that is a scheme": (bundle(overrides={"links": [{"url": "https://"}]}), "must name the host"),
    "a mail link with a host": (
        bundle(overrides={"links": [{"url": "mailto://a:b"}]}),
        "must be an http://, https:// or mailto: link",
    ),
    "a link with a blank title": (
        bundle(overrides={"links": [{"url": "https://a.example", "title": " "}]}),
        "spec.overrides.links[0].title",
    ),
    "an unknown stale policy": (bundle(stalePolicy="Ignore"), 'supported values: "Refresh", "Report"'),
}


@pytest.mark.parametrize(("obj", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_with_a_message(namespace: Namespace, obj: dict[str, Any], message: str) -> None:
    assert message in namespace.refusal(obj)


def test_an_unknown_source_type_is_refused_also_without_field_validation(namespace: Namespace) -> None:
    """Old clients drop unknown fields instead of refusing them; what is left says nothing then."""
    done = namespace.run(
        "create",
        "--dry-run=server",
        "--validate=false",
        "-f",
        "-",
        given=source(source={"openchoreo": {"url": "x"}}),
    )
    assert done.returncode != 0
    assert "set exactly one type of source; this version knows: skillmeat" in done.stderr


ACCEPTED = {
    "the smallest source": source("a"),
    "a name of 63 characters": source("a" * 63),
    "an address of IPv6": source("a", source={"skillmeat": {"url": "https://[fd00::1]:8443/base"}}),
    "an address of IPv6 with a part of IPv4": source(
        "a", source={"skillmeat": {"url": "http://[64:ff9b::1.2.3.4]"}}
    ),
    "an address of IPv4": source("a", source={"skillmeat": {"url": "http://10.0.0.7:65535/a%20b"}}),
    "a host with underscores, numbers and a final dot": source(
        "a", source={"skillmeat": {"url": "http://1.a_b.2team.:1"}}
    ),
    "a mail link": bundle("b", overrides={"links": [{"url": "mailto:a@example.com"}]}),
    "the shortest interval": source("a", interval="10s"),
    "an interval of several units": source("a", interval="1h30m"),
    "no grace at all": source("a", outageGracePeriod="0s"),
    "External with what is read and verified": {
        **external(filters={"include": [{"names": ["a-*"]}]}, stalePolicy="Report", publishPolicy="All"),
        "metadata": {"name": "a"},
    },
    "everything at its largest": source(
        "a",
        filters={"include": [{"names": ["n" * 253] * 64, "tags": ["t"] * 64}] * 32},
        entityDefaults={
            "annotations": {f"example.com/{'k' * 60}{i}": "v" * 4096 for i in range(32)},
            "labels": {f"{'.'.join(['d' * 60] * 4)}.io/{'k' * 60}{i}": "v" * 63 for i in range(32)},
            "tags": ["t" * 63] * 32,
        },
    ),
    "a bundle by id": bundle("b", bundleRef={"id": "bundle:4d9fae3681e24256a41fae2f6243e4ed"}),
    "a range of npm's grammar": bundle("b", version=">=1.2.0-rc.1 <3 || 4.x || ~5.1 || ^6 || 7.0.0 - 7.9.0"),
    "a link with query and fragment": bundle(
        "b", overrides={"links": [{"url": "https://a.example.com/b?c=d#e"}]}
    ),
}


@pytest.mark.parametrize("obj", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(namespace: Namespace, obj: dict[str, Any]) -> None:
    done = namespace.run("create", "--dry-run=server", "-f", "-", given=obj)
    assert done.returncode == 0, done.stderr


def test_examples_are_accepted(namespace: Namespace) -> None:
    done = namespace.run("apply", "--dry-run=server", "-k", str(REPOSITORY / "examples"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("created") == 2


def test_a_minimal_source_gets_its_defaults(namespace: Namespace) -> None:
    created = namespace.create(source("defaults", entityDefaults={}, removalPolicy={"minCount": 5}))
    assert created["status"] == {"observedGeneration": -1}
    assert created["spec"] == {
        "source": {"skillmeat": {"url": "http://skillmeat.example.com"}},
        "backstage": {"catalogNamespace": "skillmeat", "ingestion": "Location"},
        "publishPolicy": "All",
        "entityDefaults": {"owner": "group:default/platform-team", "tags": ["skillmeat"]},
        "invalidPolicy": "Repair",
        "stalePolicy": "Refresh",
        "removalPolicy": {"maxPercent": 50, "minCount": 5, "allowEmpty": False},
        "interval": "5m",
        "timeout": "1m",
        "outageGracePeriod": "15m",
        "deletionPolicy": "Delete",
        "suspend": False,
    }


def test_a_minimal_bundle_gets_its_defaults(namespace: Namespace) -> None:
    created = namespace.create(bundle("defaults"))
    assert created["status"] == {"observedGeneration": -1}
    assert created["spec"] == {
        "sourceRef": {"name": "skillmeat"},
        "bundleRef": {"name": "fin-serv"},
        "publish": True,
        "suspend": False,
    }


@pytest.mark.parametrize("kind", ["smsrc", "smtb"])
@pytest.mark.parametrize(
    "patch",
    [
        pytest.param({"status": None}, id="a removed status"),
        pytest.param({"status": {"observedGeneration": None}}, id="a removed generation"),
    ],
)
def test_an_emptied_status_still_says_that_nothing_was_observed(
    namespace: Namespace, kind: str, patch: dict[str, Any]
) -> None:
    name = f"emptied-{uuid4().hex[:8]}"
    namespace.create(source(name) if kind == "smsrc" else bundle(name))
    namespace.read(
        "patch",
        kind,
        name,
        "--subresource=status",
        "--type=merge",
        "-p",
        '{"status":{"observedGeneration":1}}',
    )
    emptied = namespace.read(
        "patch", kind, name, "--subresource=status", "--type=merge", "-p", json.dumps(patch)
    )
    assert emptied["status"] == {"observedGeneration": -1}
    assert namespace.read("get", kind, name)["status"] == {"observedGeneration": -1}


def test_a_status_replaced_by_an_empty_one_still_says_that_nothing_was_observed(namespace: Namespace) -> None:
    created = namespace.create(source("replaced"))
    replaced = namespace.read("replace", "--subresource=status", "-f", "-", given=created | {"status": {}})
    assert replaced["status"] == {"observedGeneration": -1}


def test_a_write_of_the_spec_cannot_touch_status_nor_the_other_way_round(namespace: Namespace) -> None:
    namespace.create(source("apart"))
    spec = namespace.read("patch", "smsrc", "apart", "--type=merge", "-p", '{"status":{"revision":"x"}}')
    assert "revision" not in spec["status"]
    status = namespace.read(
        "patch", "smsrc", "apart", "--subresource=status", "--type=merge", "-p", '{"spec":{"suspend":true}}'
    )
    assert status["spec"]["suspend"] is False


def ready(generation: int, status: str = "True") -> dict[str, Any]:
    return {
        "type": "Ready",
        "status": status,
        "observedGeneration": generation,
        "lastTransitionTime": "2026-11-21T10:00:00Z",
        "reason": "Succeeded",
        "message": "3 of 3 templates are in the catalog",
    }


def set_status(namespace: Namespace, kind: str, name: str, status: dict[str, Any]) -> None:
    patch = json.dumps({"status": status})
    namespace.read("patch", kind, name, "--subresource=status", "--type=merge", "-p", patch)


def test_wait_returns_when_ready_is_true_for_this_generation(namespace: Namespace) -> None:
    namespace.create(source("waited"))
    wait = ("wait", "--for=condition=Ready", "smsrc/waited", "--timeout=1s")
    set_status(namespace, "smsrc", "waited", {"observedGeneration": 1, "conditions": [ready(1)]})
    assert namespace.run(*wait).returncode == 0
    namespace.read("patch", "smsrc", "waited", "--type=merge", "-p", '{"spec":{"interval":"20s"}}')
    assert namespace.run(*wait).returncode != 0, "Ready of an older spec counted"


def test_conditions_are_one_of_each_type(namespace: Namespace) -> None:
    namespace.create(source("twice"))
    patch = json.dumps({"status": {"conditions": [ready(1), ready(1, "False")]}})
    done = namespace.run("patch", "smsrc", "twice", "--subresource=status", "--type=merge", "-p", patch)
    assert done.returncode != 0
    assert "Duplicate value" in done.stderr


def test_columns_of_a_source(namespace: Namespace) -> None:
    namespace.create(source("columns"))
    counts = {"published": 30, "inCatalog": 29, "stale": 2, "invalid": 1, "held": 4}
    set_status(namespace, "smsrc", "columns", {"conditions": [ready(1)], "entities": counts})
    header, row = namespace.run("get", "smsrc", "columns", "-o", "wide").stdout.splitlines()
    names = "NAME READY REASON PUBLISHED IN-CATALOG STALE INVALID AGE HELD URL MESSAGE SUSPENDED"
    assert header.split() == names.split()
    cells = row.split()
    assert cells[:7] == ["columns", "True", "Succeeded", "30", "29", "2", "1"]
    assert cells[8:10] == ["4", "http://skillmeat.example.com"]
    assert cells[-1] == "false"


def test_columns_of_a_bundle(namespace: Namespace) -> None:
    namespace.create(bundle("columns"))
    status = {
        "conditions": [ready(1)],
        "entityRef": "template:skillmeat/fin-serv",
        "bundleVersion": "2.1.0",
        "availableVersion": "3.0.0",
        "stale": False,
        "catalog": {"present": True, "upToDate": True},
        "components": {"total": 7, "withoutDeploymentSet": 0},
    }
    set_status(namespace, "smtb", "columns", status)
    header, row = namespace.run("get", "smtb", "columns", "-o", "wide").stdout.splitlines()
    names = (
        "NAME READY REASON VERSION STALE IN-CATALOG AGE ENTITY SOURCE AVAILABLE COMPONENTS PUBLISH SUSPENDED"
    )
    assert header.split() == [*names.split(), "MESSAGE"]
    cells = row.split()
    assert cells[:6] == ["columns", "True", "Succeeded", "2.1.0", "false", "true"]
    assert cells[7:13] == ["template:skillmeat/fin-serv", "skillmeat", "3.0.0", "7", "true", "false"]


def test_bundles_are_found_by_their_source(namespace: Namespace) -> None:
    namespace.create(bundle("of-a", sourceRef={"name": "selected-a"}))
    namespace.create(bundle("of-b", sourceRef={"name": "selected-b"}))
    found = namespace.run("get", "smtb", "--field-selector", "spec.sourceRef.name=selected-a", "-o", "name")
    assert found.stdout.split() == ["templatebundle.skillmeat.io/of-a"]


@pytest.mark.parametrize("name", ["smsrc", "smtb", "skillmeat", SOURCES, BUNDLES])
def test_short_full_and_category_names_work(namespace: Namespace, name: str) -> None:
    done = namespace.run("get", name)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("smsrc", "brings the templates of one SkillMeat server into one Backstage catalog"),
        (
            "smsrc.spec.backstage",
            "Who brings the entities into the catalog. Location: the operator serves a document",
        ),
        ("smsrc.spec.interval", "Time between two reads of the source, at least 10s"),
        ("smsrc.status.removal.id", "the annotation skillmeat.io/approve-removal"),
        ("smtb.spec.version", "Accepted versions of the bundle as an npm range"),
    ],
)
def test_explain_reads_like_documentation(namespace: Namespace, path: str, said: str) -> None:
    done = namespace.run("explain", path)
    assert done.returncode == 0, done.stderr
    assert said in " ".join(done.stdout.split())
