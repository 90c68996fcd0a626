from __future__ import annotations

import base64
from typing import Any

import pytest

from skillmeat_operator.adapters.kubernetes.errors import (
    ConflictError,
    ForbiddenError,
    RejectedError,
    UnavailableError,
)
from skillmeat_operator.adapters.kubernetes.object_ref import SecretContent
from skillmeat_operator.adapters.kubernetes.secrets import SecretReader
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.api.v1alpha1.references import (
    TLS,
    CAKind,
    CAReference,
    CertificateReference,
    SecretKeyReference,
)
from skillmeat_operator.domain.failure import FailedError, FailureKind, Side

TOKEN = SecretKeyReference(name="portal")


class Cluster:
    """Secrets and ConfigMaps of one namespace."""

    def __init__(self) -> None:
        self.secrets: dict[str, SecretContent] = {}
        self.config_maps: dict[str, dict[str, Any]] = {}
        self.error: Exception | None = None
        self.reads: list[tuple[str, str]] = []

    def secret(self, name: str, data: dict[str, bytes], **annotations: str) -> None:
        keyed = {f"skillmeat.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
        self.secrets[name] = SecretContent(data=data, annotations=keyed, resource_version="1")

    async def get_secret(self, namespace: str, name: str) -> SecretContent | None:
        return self._read(namespace, name, self.secrets)

    async def get_config_map(self, namespace: str, name: str) -> dict[str, Any] | None:
        return self._read(namespace, name, self.config_maps)

    def _read(self, namespace: str, name: str, found: dict[str, Any]) -> Any:
        self.reads.append((namespace, name))
        if self.error is not None:
            raise self.error
        return found.get(name)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def reader(cluster: Cluster) -> SecretReader:
    return SecretReader(cluster)


async def test_token_is_read_from_the_namespace_of_the_object(cluster, reader):
    cluster.secret("portal", {"token": b"canary\n"})

    credential = await reader.value("team", TOKEN, side=Side.CATALOG)

    assert credential.value == "canary"
    assert credential.allowed_hosts is None
    assert cluster.reads == [("team", "portal")]
    assert "canary" not in repr(credential)


async def test_token_is_read_each_time(cluster, reader):
    cluster.secret("portal", {"token": b"first"})
    first = await reader.value("team", TOKEN, side=Side.CATALOG)
    cluster.secret("portal", {"token": b"second"})

    assert (await reader.value("team", TOKEN, side=Side.CATALOG)).digest != first.digest


@pytest.mark.parametrize(
    ("stated", "hosts"),
    [
        ("portal.example", ("portal.example",)),
        ("a.example, *.b.example:8443 ,", ("a.example", "*.b.example:8443")),
        ("", ()),
        (" , ", ()),
    ],
)
async def test_annotation_binds_the_token(stated, hosts, cluster, reader):
    cluster.secret("portal", {"token": b"x"}, allowed_hosts=stated)

    assert (await reader.value("team", TOKEN, side=Side.CATALOG)).allowed_hosts == hosts


@pytest.mark.parametrize("side", list(Side))
async def test_missing_secret_is_named(side, reader):
    with pytest.raises(FailedError) as caught:
        await reader.value("team", TOKEN, side=side)

    failure = caught.value.failure
    assert (failure.side, failure.kind, failure.reason) == (side, FailureKind.SECRET, Reason.SECRET_NOT_FOUND)
    assert "Secret 'portal'" in failure.message
    assert "namespace 'team'" in failure.message


@pytest.mark.parametrize(
    ("outcome", "data", "says"),
    [
        ("missing", {"other": b"canary"}, "is missing"),
        ("empty", {"token": b""}, "is empty"),
    ],
)
async def test_key_is(outcome, data, says, cluster, reader):
    cluster.secret("portal", data)

    with pytest.raises(FailedError) as caught:
        await reader.value("team", TOKEN, side=Side.SOURCE)

    failure = caught.value.failure
    assert (failure.kind, failure.reason) == (FailureKind.SECRET, Reason.SECRET_KEY_NOT_FOUND)
    assert failure.message.startswith(f"Key 'token' of Secret 'portal' {says}")
    assert "canary" not in str(caught.value)


async def test_forbidden_names_the_right_that_is_missing(cluster, reader):
    cluster.error = ForbiddenError("GET /x: HTTP 403")

    with pytest.raises(FailedError) as caught:
        await reader.value("team", TOKEN, side=Side.SOURCE)

    assert caught.value.failure.reason is Reason.ACCESS_DENIED
    assert "get Secrets in namespace 'team'" in caught.value.failure.message


@pytest.mark.parametrize(
    "error", [UnavailableError("away"), RejectedError("refused"), ConflictError("other")]
)
async def test_api_server_that_does_not_answer_is_no_missing_secret(cluster, reader, error):
    cluster.error = error

    with pytest.raises(FailedError) as raised:
        await reader.value("team", TOKEN, side=Side.SOURCE)

    failure = raised.value.failure
    assert (failure.kind, failure.reason) == (FailureKind.TRANSIENT, Reason.SECRET_UNAVAILABLE)


async def test_binary_token_keeps_a_digest_of_its_own(cluster, reader):
    cluster.secret("one", {"token": b"\xff"})
    cluster.secret("two", {"token": b"\xfe"})
    one = await reader.value("team", SecretKeyReference(name="one"), side=Side.SOURCE)
    two = await reader.value("team", SecretKeyReference(name="two"), side=Side.SOURCE)

    assert one.digest != two.digest


@pytest.mark.parametrize(
    ("outcome", "stored"),
    [
        ("text", {"data": {"ca.crt": "PEM"}}),
        ("binary", {"binaryData": {"ca.crt": base64.b64encode(b"PEM").decode()}}),
    ],
)
async def test_ca_comes_from_a_config_map_as(outcome, stored, cluster, reader):
    cluster.config_maps["ca"] = stored
    reference = CAReference(kind=CAKind.CONFIG_MAP, name="ca")

    assert (await reader.tls("team", TLS(ca_ref=reference), side=Side.SOURCE)).ca == b"PEM"


async def test_ca_comes_from_a_secret(cluster, reader):
    cluster.secret("ca", {"root": b"PEM"})
    reference = CAReference(kind=CAKind.SECRET, name="ca", key="root")

    assert (await reader.tls("team", TLS(ca_ref=reference), side=Side.SOURCE)).ca == b"PEM"


@pytest.mark.parametrize("kind", list(CAKind))
async def test_missing_ca_is_named_with_its_kind(kind, reader):
    with pytest.raises(FailedError, match=f"{kind.value} 'ca' does not exist"):
        await reader.tls("team", TLS(ca_ref=CAReference(kind=kind, name="ca")), side=Side.SOURCE)


async def test_missing_key_of_a_config_map_is_named(cluster, reader):
    cluster.config_maps["ca"] = {}

    reference = CAReference(kind=CAKind.CONFIG_MAP, name="ca")
    with pytest.raises(FailedError, match=r"Key 'ca\.crt' of ConfigMap 'ca' is missing"):
        await reader.tls("team", TLS(ca_ref=reference), side=Side.SOURCE)


async def test_client_certificate_needs_both_parts(cluster, reader):
    cluster.secret("cert", {"tls.crt": b"C", "tls.key": b"K"})
    named = TLS(client_cert_secret_ref=CertificateReference(name="cert"))
    found = await reader.tls("team", named, side=Side.SOURCE)
    assert (found.certificate, found.key, found.bindings) == (b"C", b"K", ())

    cluster.secret("cert", {"tls.crt": b"C"})
    with pytest.raises(FailedError, match=r"Key 'tls\.key'"):
        await reader.tls("team", named, side=Side.SOURCE)


async def test_secrets_of_certificates_are_bound_to_hosts_as_tokens_are(cluster, reader):
    cluster.secret("cert", {"tls.crt": b"C", "tls.key": b"K"}, allowed_hosts="a.example, *.b.example")
    cluster.secret("ca", {"ca.crt": b"PEM"}, allowed_hosts="")
    both = TLS(
        ca_ref=CAReference(kind=CAKind.SECRET, name="ca"),
        client_cert_secret_ref=CertificateReference(name="cert"),
    )
    found = await reader.tls("team", both, side=Side.SOURCE)
    assert found.bindings == (
        ("caRef", ()),
        ("clientCertSecretRef", ("a.example", "*.b.example")),
    )


async def test_tls_of_a_spec_is_gathered(cluster, reader):
    cluster.secret("cert", {"tls.crt": b"C", "tls.key": b"K"})
    cluster.config_maps["ca"] = {"data": {"ca.crt": "PEM"}}
    ca = CAReference(kind=CAKind.CONFIG_MAP, name="ca")
    both = TLS(ca_ref=ca, client_cert_secret_ref=CertificateReference(name="cert"))

    found = await reader.tls("team", both, side=Side.SOURCE)
    assert (found.ca, found.certificate, found.key) == (b"PEM", b"C", b"K")

    found = await reader.tls("team", TLS(ca_ref=ca), side=Side.SOURCE)
    assert (found.ca, found.certificate, found.key) == (b"PEM", None, None)


async def test_no_tls_reads_nothing(cluster, reader):
    found = await reader.tls("team", None, side=Side.SOURCE)

    assert (found.ca, found.certificate, found.key) == (None, None, None)
    assert cluster.reads == []
