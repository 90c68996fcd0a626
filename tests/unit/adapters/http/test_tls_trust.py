"""Whom a connection trusts: what curl, kubectl and OpenSSL accept, on every Python."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from skillmeat_operator.adapters.http.call_errors import CallError
from skillmeat_operator.adapters.http.tls import TlsMaterial, client_context
from tests.unit.adapters.pki import HOST, Issued, issued, shakes_hands

ROOT = issued("root", ca=True)
MIDDLE = issued("middle", ROOT, ca=True)
SERVER = issued(HOST, MIDDLE, ca=False)
OWN = issued(HOST, ca=False)
OTHER = issued("other", ca=True)


@pytest.fixture(autouse=True, params=["as-it-is", "as-python-3.13"])
def python(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.13 asks for more by default (``ssl.create_default_context``)."""
    if request.param == "as-it-is":
        return
    create: Callable[..., ssl.SSLContext] = ssl.create_default_context

    def strict(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        context = create(*args, **kwargs)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)


def trusted(one: Issued) -> bytes:
    """As ``openssl x509 -trustout`` writes it: trusted for servers."""
    settings = bytes.fromhex("300c300a06082b06010505070301")
    body = base64.encodebytes(one.certificate.public_bytes(Encoding.DER) + settings)
    return b"-----BEGIN TRUSTED CERTIFICATE-----\n" + body + b"-----END TRUSTED CERTIFICATE-----\n"


@pytest.mark.parametrize(
    "ca",
    [
        pytest.param(ROOT.pem, id="a-root-without-key-identifiers"),
        pytest.param(MIDDLE.pem, id="an-intermediate-alone"),
        pytest.param("# Größe: Österreich\n".encode() + ROOT.pem, id="a-comment-in-utf-8"),
        pytest.param(b"\xef\xbb\xbf" + ROOT.pem, id="a-byte-order-mark"),
        pytest.param(ROOT.pem.replace(b"\n", b"\r\n"), id="lines-of-windows"),
        pytest.param(trusted(ROOT), id="a-trusted-certificate"),
        pytest.param(OTHER.pem + b"text\n" + ROOT.pem, id="one-of-a-bundle"),
    ],
)
def test_what_others_accept(ca: bytes) -> None:
    assert shakes_hands(client_context(TlsMaterial(ca=ca)), SERVER, MIDDLE)


def test_a_certificate_that_signs_itself_is_its_own_authority() -> None:
    assert shakes_hands(client_context(TlsMaterial(ca=OWN.pem)), OWN)


@pytest.mark.parametrize(
    ("ca", "host"),
    [
        pytest.param(OTHER.pem, HOST, id="signed-by-another"),
        pytest.param(ROOT.pem, "another.example.com", id="of-another-host"),
        pytest.param(OWN.pem, HOST, id="another-certificate-is-pinned"),
        pytest.param(None, HOST, id="unknown-to-the-system"),
    ],
)
def test_what_nobody_accepts(ca: bytes | None, host: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shakes_hands(client_context(TlsMaterial(ca=ca)), SERVER, MIDDLE, host=host)


def test_client_certificates_may_begin_with_a_mark_too() -> None:
    material = TlsMaterial(certificate=b"\xef\xbb\xbf" + OWN.pem, key=b"\xef\xbb\xbf" + OWN.key_pem)
    client_context(material)


@pytest.mark.parametrize(
    ("ca", "detail"),
    [
        pytest.param(
            ROOT.pem + MIDDLE.pem[:100] + b"\n" + OTHER.pem, "caRef (certificate 2 of 3)", id="half-of-one"
        ),
        pytest.param(
            ROOT.pem + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "caRef (certificate 2 of 2)",
            id="no-certificate",
        ),
        pytest.param(b"", "caRef", id="nothing"),
        pytest.param(OWN.key_pem, "caRef", id="a-key"),
    ],
)
def test_a_refusal_names_the_entry(ca: bytes, detail: str) -> None:
    with pytest.raises(CallError) as caught:
        client_context(TlsMaterial(ca=ca))
    assert caught.value.detail == detail
