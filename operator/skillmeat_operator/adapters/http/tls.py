"""TLS contexts from certificates that lie in Secrets and ConfigMaps; the server is always verified."""

from __future__ import annotations

import codecs
import hashlib
import os
import re
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from skillmeat_operator.adapters.http.call_errors import CallError, CallProblem
from skillmeat_operator.adapters.http.credential import check_binding
from skillmeat_operator.adapters.http.hosts import Host

CA_FIELD = "caRef"
CLIENT_FIELD = "clientCertSecretRef"

_BEGIN: Final = re.compile(rb"^-----BEGIN [A-Z0-9 ]*CERTIFICATE-----", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TlsMaterial:
    """What a connection is verified with and authenticated by, in PEM; nothing of it shows up in a repr."""

    ca: bytes | None = field(default=None, repr=False)
    """CA certificates that replace the system's; ``None``: the system's."""
    certificate: bytes | None = field(default=None, repr=False)
    """Client certificate, with its chain."""
    key: bytes | None = field(default=None, repr=False)
    """Its private key, unencrypted."""
    bindings: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """For each Secret that is bound to hosts: the field that names it, and the entries of its annotation."""

    def check_bindings(self, host: Host) -> None:
        """Refuse a host that a Secret is not for.

        Raises:
            CallError: ``CREDENTIAL_BOUND``; the detail names the field, ``caRef`` or ``clientCertSecretRef``.
        """
        for field_name, allowed_hosts in self.bindings:
            check_binding(allowed_hosts, host, field_name=field_name)

    @property
    def digest(self) -> str:
        """sha256 (hex) over all parts: tells materials apart without holding them."""
        parts = (hashlib.sha256(part).digest() if part is not None else b"-" for part in self._parts)
        bound = (
            repr([(name, sorted(hosts)) for name, hosts in self.bindings]).encode() if self.bindings else b""
        )
        return hashlib.sha256(b"|".join(parts) + bound).hexdigest()

    @property
    def _parts(self) -> tuple[bytes | None, ...]:
        return self.ca, self.certificate, self.key


def client_context(material: TlsMaterial) -> ssl.SSLContext:
    """A context that verifies certificate and host name, TLS 1.2 or newer.

    What curl, kubectl and OpenSSL's own programs accept is accepted: every certificate of ``caRef`` is an end
    of the chain by itself, an intermediate or the server's own too (curl, ``X509_V_FLAG_PARTIAL_CHAIN``), and
    certificates need not have every extension of RFC 5280, which Python asks for from 3.13 on.

    Raises:
        CallError: ``TLS_MATERIAL``; the detail names the field, ``caRef`` or ``clientCertSecretRef``, and the
            entry of a bundle.
    """
    context = ssl.create_default_context() if material.ca is None else _with_ca(material.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if material.certificate is not None or material.key is not None:
        _load_client(context, material.certificate or b"", material.key or b"")
    return context


def _with_ca(ca: bytes) -> ssl.SSLContext:
    text = ca.removeprefix(codecs.BOM_UTF8)
    context = _trusting(text)
    if context is not None:
        return context
    starts = [match.start() for match in _BEGIN.finditer(text)]
    entries = [text[begin:end] for begin, end in pairwise([*starts, len(text)])]
    unread = [number for number, entry in enumerate(entries, 1) if _trusting(entry) is None]
    entry = f" (certificate {unread[0]} of {len(entries)})" if unread else ""
    raise CallError(CallProblem.TLS_MATERIAL, CA_FIELD + entry)


def _trusting(ca: bytes) -> ssl.SSLContext | None:
    """A context that trusts these certificates; None where they cannot be read, or there are none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        # As a file: text that is given to `cadata` may have comments in ASCII only, and no certificates with
        # trust settings.
        with _as_file(ca) as path:
            context.load_verify_locations(cafile=path)
    except (OSError, ValueError):
        return None
    return context if context.cert_store_stats()["x509"] else None


def _load_client(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    try:
        parts = (part.removeprefix(codecs.BOM_UTF8) for part in (certificate, key))
        with _as_file(b"\n".join(parts)) as path:
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
        descriptor = os.memfd_create("certificates", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{descriptor}"
        return
    with tempfile.NamedTemporaryFile(prefix="certificates-") as named:
        named.write(content)
        named.flush()
        yield named.name
