"""Host names of URLs and the patterns that allow them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

import httpx

from skillmeat_operator.api.urls import HOST_HELP, UrlError, parse_url


@dataclass(frozen=True, slots=True)
class Host:
    """Where a URL leads: the name as it stands there, lower case and without a final dot, and the port."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"

    @staticmethod
    @lru_cache(maxsize=1024)
    def of(url: str) -> Host:
        """The host of an http or https URL; a thousand objects name the same few.

        Raises:
            UrlError: it is no such URL (:func:`skillmeat_operator.api.urls.parse_url`), or the client cannot
                send to it: an ``xn--`` label that stands for no international name.
        """
        parsed = parse_url(url)
        try:
            httpx.Request("GET", url)
        except (httpx.InvalidURL, UnicodeError):
            raise UrlError(HOST_HELP) from None
        return Host(name=canonical_name(parsed.host), port=parsed.port)

    @property
    def is_loopback_name(self) -> bool:
        """Whether the name says loopback: ``localhost``, a name below it (RFC 6761, 6.3), a literal."""
        if self.name == "localhost" or self.name.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.name).is_loopback
        except ValueError:
            return False


def canonical_name(name: str) -> str:
    """A host name or literal in the one form in which names are compared."""
    bare = name.strip().lower().removeprefix("[").removesuffix("]").removesuffix(".")
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return bare


@dataclass(frozen=True, slots=True)
class HostPattern:
    """One entry of ``--allowed-hosts``: ``host``, ``*.suffix`` or ``*``, each with an optional ``:port``."""

    name: str
    """Canonical name; with ``is_suffix`` the suffix with its leading dot; ``*`` for any name."""
    port: int | None = None
    is_suffix: bool = False

    @classmethod
    def parse(cls, text: str) -> HostPattern:
        """The pattern that a flag or an annotation holds.

        Raises:
            ValueError: it is no such pattern; the message is one sentence.
        """
        refusal = f"{text!r} is not a host, *.suffix or *, each with an optional :port."
        if any(character in text for character in "/@?#% "):
            raise ValueError(refusal)
        name, port = _split_port(text)
        if name == "*":
            return cls(name="*", port=port)
        wildcard = name.startswith("*.")
        plain = name[2:] if wildcard else name
        try:
            ascii_name = canonical_name(httpx.URL(scheme="http", host=plain).raw_host.decode("ascii"))
        except (httpx.InvalidURL, UnicodeError):
            ascii_name = ""
        if not ascii_name or "*" in ascii_name:
            raise ValueError(refusal)
        return cls(name=f".{ascii_name}" if wildcard else ascii_name, port=port, is_suffix=wildcard)

    def names(self, host: Host) -> bool:
        """Whether this entry is about that very name: neither ``*`` nor ``*.suffix`` names anything."""
        return self.name == host.name and not self.is_suffix and self.port in (None, host.port)

    def allows(self, host: Host) -> bool:
        """Whether this entry lets requests go to the host."""
        if self.port not in (None, host.port):
            return False
        if self.is_suffix:
            return host.name.endswith(self.name)
        return self.name in ("*", host.name)


def _split_port(text: str) -> tuple[str, int | None]:
    """The name and the port of a pattern; a bare IPv6 literal has no port."""
    if text.count(":") > 1 and not text.startswith("["):
        return text, None
    name, separator, port = text.rpartition(":")
    if not separator or port.endswith("]"):
        return text, None
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{text!r} has no valid port after the colon.")
    return name, int(port)
