import ssl

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from skillmeat_operator.adapters.http.call_errors import CallError, CallProblem
from skillmeat_operator.adapters.http.tls import TlsMaterial, client_context

CA = trustme.CA()
CA_PEM = CA.cert_pem.bytes()
LEAF = CA.issue_cert("client.example.com")
CERTIFICATE = b"".join(part.bytes() for part in LEAF.cert_chain_pems)
KEY = LEAF.private_key_pem.bytes()
OTHER_KEY = CA.issue_cert("other.example.com").private_key_pem.bytes()
ENCRYPTED_KEY = load_pem_private_key(KEY, None).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
)


@pytest.mark.parametrize(
    "material",
    [
        pytest.param(TlsMaterial(), id="nothing-means-the-systems-cas"),
        pytest.param(TlsMaterial(ca=CA_PEM), id="own-ca"),
        pytest.param(
            TlsMaterial(ca=b"comment\n" + CA_PEM + trustme.CA().cert_pem.bytes()), id="two-cas-and-a-comment"
        ),
        pytest.param(TlsMaterial(certificate=CERTIFICATE, key=KEY), id="client-certificate"),
        pytest.param(TlsMaterial(ca=CA_PEM, certificate=CERTIFICATE, key=KEY), id="both"),
    ],
)
def test_the_server_is_always_verified(material: TlsMaterial) -> None:
    context = client_context(material)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_an_own_ca_replaces_the_systems() -> None:
    assert [row["subject"] for row in client_context(TlsMaterial(ca=CA_PEM)).get_ca_certs()] == [
        ((("organizationName", f"trustme v{trustme.__version__}"),), *_rest())
    ]


def _rest() -> tuple[object, ...]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=CA_PEM.decode())
    return tuple(context.get_ca_certs()[0]["subject"][1:])


@pytest.mark.parametrize(
    ("material", "field"),
    [
        pytest.param(TlsMaterial(ca=b""), "caRef", id="empty-ca"),
        pytest.param(TlsMaterial(ca=b"canary"), "caRef", id="no-pem"),
        pytest.param(TlsMaterial(ca=b"\xff\xfe"), "caRef", id="no-text"),
        pytest.param(
            TlsMaterial(ca=CA_PEM[:200] + b"\n-----END CERTIFICATE-----\n"), "caRef", id="half-a-certificate"
        ),
        pytest.param(TlsMaterial(ca=KEY), "caRef", id="a-key-instead-of-a-ca"),
        pytest.param(TlsMaterial(certificate=CERTIFICATE), "clientCertSecretRef", id="no-key"),
        pytest.param(TlsMaterial(key=KEY), "clientCertSecretRef", id="no-certificate"),
        pytest.param(
            TlsMaterial(certificate=b"canary", key=KEY), "clientCertSecretRef", id="certificate-is-no-pem"
        ),
        pytest.param(
            TlsMaterial(certificate=CERTIFICATE, key=OTHER_KEY), "clientCertSecretRef", id="anothers-key"
        ),
        pytest.param(
            TlsMaterial(certificate=CERTIFICATE, key=ENCRYPTED_KEY), "clientCertSecretRef", id="locked-key"
        ),
    ],
)
def test_material_that_cannot_be_used(material: TlsMaterial, field: str) -> None:
    with pytest.raises(CallError) as caught:
        client_context(material)
    assert caught.value.problem is CallProblem.TLS_MATERIAL
    assert caught.value.detail.partition(" ")[0] == field


def test_material_shows_nothing_and_each_part_tells_it_apart() -> None:
    assert "PRIVATE" not in repr(TlsMaterial(ca=CA_PEM, certificate=CERTIFICATE, key=KEY))
    materials = [
        TlsMaterial(),
        TlsMaterial(ca=b""),
        TlsMaterial(ca=b"a"),
        TlsMaterial(certificate=b"a"),
        TlsMaterial(key=b"a"),
        TlsMaterial(ca=b"ab"),
        TlsMaterial(ca=b"a", certificate=b"b"),
        TlsMaterial(ca=b"a", bindings=(("caRef", ("a.example",)),)),
        TlsMaterial(ca=b"a", bindings=(("caRef", ()),)),
    ]
    assert len({material.digest for material in materials}) == len(materials)
    assert TlsMaterial(ca=b"a").digest == TlsMaterial(ca=b"a").digest
