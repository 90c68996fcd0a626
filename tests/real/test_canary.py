"""No token ever shows up where people or other programs read: logs (at debug level), status, Events, snapshots, documents.

Each Secret holds a canary of its own. Among the servers is one that repeats every header it gets in each part of its
answer, as a careless proxy's error page does.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from testbed.ports import LOOPBACK
from testbed.web import call
from tests.real.harness.operator_process import NAMESPACE, OperatorProcess
from tests.real.harness.parrot import Parrot
from tests.real.harness.tenant import Tenant, eventually

CANARY = "canary-5f0e9a"
LAST_GOOD = "good"
STATUSES = (401, 403, 404, 500, 501, 302, 200)


@pytest.fixture(autouse=True)
def started_as_in_production(own_operator: OperatorProcess) -> None:
    own_operator.fresh = True


@pytest.fixture(scope="module")
def parrot() -> Iterator[Parrot]:
    with Parrot() as made:
        yield made


def secret(
    tenant: Tenant, name: str, value: str, *, key: str = "token", hosts: str | None = None
) -> dict[str, Any]:
    """Make a Secret; returns the reference to it."""
    metadata: dict[str, Any] = {"name": name, "namespace": tenant.namespace}
    if hosts is not None:
        metadata["annotations"] = {"skillmeat.io/allowed-hosts": hosts}
    tenant.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {key: value}})
    return {"name": name}


def release(tenant: Tenant, parrot: Parrot) -> list[str]:
    """CatalogSources whose every Secret is a canary, in every kind of trouble that a token can get into; their names."""
    source = {"auth": {"bearerTokenSecretRef": secret(tenant, "bearer", f"{CANARY}-bearer")}}
    source["auth"]["serviceTokenSecretRef"] = secret(tenant, "service", f"{CANARY}-service")
    portal = {"bearerTokenSecretRef": secret(tenant, "portal", f"{CANARY}-portal")}
    objects = [tenant.source(LAST_GOOD, skillmeat=source)]
    for status in STATUSES:
        objects.append(tenant.source(f"source-{status}", skillmeat={**source, "url": parrot.url(status)}))
        objects.append(
            tenant.source(
                f"portal-{status}", skillmeat=source, backstage={"url": parrot.url(status), "auth": portal}
            )
        )
    malformed = {
        "two-lines": secret(tenant, "two-lines", f"{CANARY}-first\n{CANARY}-second"),
        "other-key": secret(tenant, "other-key", f"{CANARY}-hidden", key=f"{CANARY}.key"),
        "elsewhere": secret(tenant, "elsewhere", f"{CANARY}-bound", hosts="elsewhere.example.com"),
    }
    for name, reference in malformed.items():
        objects.append(tenant.source(name, skillmeat={"auth": {"bearerTokenSecretRef": reference}}))
    pem = f"-----BEGIN CERTIFICATE-----\n{CANARY}-pem\n-----END CERTIFICATE-----\n"
    ca = {"caRef": {"kind": "Secret", **secret(tenant, "ca", pem, key="ca.crt")}}
    objects.append(tenant.source("bad-ca", skillmeat={"url": "https://127.0.0.1:9", "tls": ca}))
    tenant.apply(*objects)
    return [one["metadata"]["name"] for one in objects]


def written(tenant: Tenant, operator: OperatorProcess) -> dict[str, bytes]:
    """Everything that the operator wrote anywhere, by where."""
    found = {"the log": operator.log.read_bytes()}
    for kind, *where in (
        ("smsrc,smtb", "-n", tenant.namespace),
        ("events", "-A"),
        ("configmaps", "-n", NAMESPACE),
    ):
        for one in tenant.cluster.get(kind, *where)["items"]:
            name = f"{one['kind']} {one['metadata']['name']}"
            found[name] = json.dumps({**one, "spec": None}).encode()
            if one["kind"] == "CatalogSource":
                # The annotation of kubectl apply repeats the spec; it is not the operator's.
                one["metadata"].pop("annotations", None)
                found[name] = json.dumps([one["metadata"], one.get("status")]).encode()
            for key, value in one.get("binaryData", {}).items():
                found[f"{name} {key}"] = gzip.decompress(base64.b64decode(value))
    found["the document"] = tenant.document(operator.documents_url, LAST_GOOD)[1]
    for path in ("readyz", "healthz", "metrics"):
        found[path] = call("GET", f"http://{LOOPBACK}:{operator.metrics_port}/{path}").body
    assert operator.process is not None
    for file in ("cmdline", "environ"):
        found[file] = Path(f"/proc/{operator.process.pid}/{file}").read_bytes()
    return found


def forms(token: str) -> set[bytes]:
    """A token as it is, and as a Secret or a URL holds it."""
    plain = token.encode()
    # Base64 of the same text differs with its position; what is left of each form is common to all.
    encoded = {base64.b64encode(b" " * shift + plain)[2 + shift : -4] for shift in range(3)}
    return {plain, quote(token, safe="").encode(), *encoded}


def test_no_token_shows_up_anywhere(tenant: Tenant, own_operator: OperatorProcess, parrot: Parrot) -> None:
    tenant.add_templates(1)
    own_operator.start()
    names = release(tenant, parrot)
    tenant.wait_ready(reason="Succeeded", name=LAST_GOOD)
    for name in set(names) - {LAST_GOOD}:
        tenant.wait_ready("False", name=name)
    # The second refusal, and the ends of CatalogSources that never got anywhere.
    eventually(lambda: tenant.condition("Stalled", "source-401"))
    eventually(lambda: tenant.condition("Stalled", "portal-401"))
    tenant.kubectl("delete", "smsrc/portal-500", "smsrc/source-500", "--timeout=20s")

    places = written(tenant, own_operator)

    # They were really let loose: each token was sent, and the log is at its most talkative.
    said = {f"Bearer {CANARY}-bearer", f"Bearer {CANARY}-portal", f"{CANARY}-service"}
    assert said <= parrot.heard
    assert b'"DEBUG"' in places["the log"]
    assert b"skillmeat-bundle" in places["the document"]
    stored = tenant.kubectl("get", "secret", "bearer", "-o", "json").encode()
    assert [form for form in forms(CANARY) if form in stored]
    for token in (CANARY, tenant.backstage.token):
        shown = {where: form for where, text in places.items() for form in forms(token) if form in text}
        assert shown == {}
    own_operator.stop()


def test_a_token_of_two_lines_or_bound_elsewhere_is_not_sent_at_all(
    tenant: Tenant, own_operator: OperatorProcess, parrot: Parrot
) -> None:
    own_operator.start()
    parrot.heard.clear()
    for name, value, hosts in (
        ("two-lines", f"{CANARY}-first\n{CANARY}-second", None),
        ("elsewhere", f"{CANARY}-bound", "elsewhere.example.com"),
    ):
        reference = secret(tenant, name, value, hosts=hosts)
        auth = {"bearerTokenSecretRef": reference}
        tenant.apply(tenant.source(name, skillmeat={"url": parrot.url(200), "auth": auth}))

    bound = tenant.wait_ready("False", "EgressNotAllowed", name="elsewhere")
    tenant.wait_ready("False", "AuthenticationFailed", name="two-lines")

    assert {one for one in parrot.heard if one} == set()
    message = next(one["message"] for one in bound["status"]["conditions"] if one["type"] == "Ready")
    assert "skillmeat.io/allowed-hosts" in message
    own_operator.stop()
