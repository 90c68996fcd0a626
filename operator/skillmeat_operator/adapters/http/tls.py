"""TLS contexts from certificates that lie in Secrets and ConfigMaps; the server is always verified."""

from __future__ import annotations

import hashlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from skillmeat_operator.adapters.http.call_errors import CallError, CallProblem

CA_FIELD = "caRef"
CLIENT_FIELD = "clientCertSecretRef"


@dataclass(frozen=True, slots=True)
class TlsMaterial:
    """What a connection is verified with and authenticated by, in PEM; nothing of it shows up in a repr."""

    ca: bytes | None = field(default=None, repr=False)
    """CA certificates that replace the system's; ``None``: the system's."""
    certificate: bytes | None = field(default=None, repr=False)
    """Client certificate, with its chain."""
    key: bytes | None = field(default=None, repr=False)
    """Its private key, unencrypted."""

    @property
    def digest(self) -> str:
        """sha256 (hex) over all parts: tells materials apart without holding them."""
        parts = (hashlib.sha256(part).digest() if part is not None else b"-" for part in self._parts)
        return hashlib.sha256(b"|".join(parts)).hexdigest()

    @property
    def _parts(self) -> tuple[bytes | None, ...]:
        return self.ca, self.certificate, self.key


def client_context(material: TlsMaterial) -> ssl.SSLContext:
    """A context that verifies certificate and host name, TLS 1.2 or newer.

    Raises:
        CallError: ``TLS_MATERIAL``; the detail names the field, ``caRef`` or ``clientCertSecretRef``.
    """
    context = ssl.create_default_context() if material.ca is None else _with_ca(material.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if material.certificate is not None or material.key is not None:
        _load_client(context, material.certificate or b"", material.key or b"")
    return context


def _with_ca(ca: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=ca.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise CallError(CallProblem.TLS_MATERIAL, CA_FIELD) from error
    if not context.cert_store_stats()["x509_ca"]:
        # An end certificate loads too and then verifies nothing.
        raise CallError(CallProblem.TLS_MATERIAL, CA_FIELD)
    return context


def _load_client(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    try:
        with _as_file(certificate + b"\n" + key) as path:
            # Without a password callback OpenSSL would ask for one on the terminal.
            context.load_cert_chain(path, password=_no_password)
    except (OSError, ValueError) as error:
        raise CallError(CallProblem.TLS_MATERIAL, CLIENT_FIELD) from error


def _no_password() -> bytes:
    raise ValueError("the private key is encrypted")


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A path to read the content from: in memory where the system can, else a private temporary file."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{descriptor}"
        return
    with tempfile.NamedTemporaryFile(prefix="client-certificate-") as named:
        named.write(content)
        named.flush()
        yield named.name
