"""A secret value on its way into a request header."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from skillmeat_operator.adapters.http.call_errors import CallError, CallProblem
from skillmeat_operator.adapters.http.hosts import Host, HostPattern


@dataclass(frozen=True, slots=True)
class Credential:
    """One token, with where it may be sent; its value never shows up in a repr."""

    value: str = field(repr=False)
    digest: str
    """First 16 hex digits of the value's sha256: tells credentials apart in keys without holding them."""
    allowed_hosts: tuple[str, ...] | None = None
    """Entries of the Secret's annotation ``skillmeat.io/allowed-hosts``; ``None``: not bound to any host."""

    @classmethod
    def of(cls, value: str, *, allowed_hosts: tuple[str, ...] | None = None) -> Credential:
        """The credential with this value.

        Args:
            value: The token; white space around it (the newline of a file) is dropped.
            allowed_hosts: Where it may be sent, each as in ``--allowed-hosts``.
        """
        stripped = value.strip()
        digest = hashlib.sha256(stripped.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return cls(value=stripped, digest=digest, allowed_hosts=allowed_hosts)

    def header_value(self, host: Host, *, field_name: str) -> str:
        """The value, once it is clear that it may be sent to the host and can stand in a header.

        Args:
            host: Where the request goes.
            field_name: Field of the spec, or flag, that the credential comes from; for the error's detail.

        Raises:
            CallError: ``CREDENTIAL_BOUND`` if the Secret's annotation does not name the host,
                ``CREDENTIAL_MALFORMED`` if the value is empty or not printable ASCII (RFC 9110, 5.5).
        """
        check_binding(self.allowed_hosts, host, field_name=field_name)
        if not self.value or not all("!" <= character <= "~" for character in self.value):
            raise CallError(CallProblem.CREDENTIAL_MALFORMED, field_name)
        return self.value


def check_binding(allowed_hosts: tuple[str, ...] | None, host: Host, *, field_name: str) -> None:
    """Refuse to use what a Secret holds at a host that its annotation does not name.

    Args:
        allowed_hosts: entries of the annotation ``skillmeat.io/allowed-hosts``; None: it has none.
        host: where the request goes.
        field_name: field that names the Secret, for the error's detail.

    Raises:
        CallError: ``CREDENTIAL_BOUND``.
    """
    if allowed_hosts is not None and not any(_allows(text, host) for text in allowed_hosts):
        raise CallError(CallProblem.CREDENTIAL_BOUND, field_name)


def _allows(text: str, host: Host) -> bool:
    """Whether an entry allows the host; one that cannot be read allows none."""
    try:
        return HostPattern.parse(text).allows(host)
    except ValueError:
        return False
