"""The one rule for http and https URLs that people write into specs and flags, and the one way to take them
apart.

Host and port are exact, so that all who read a URL (the API server, this parser, the HTTP client, the
resolver) read the same: RFC 3986 for literals, RFC 1123 for names (with ``_``, as container networks have),
and a last label that is a number only as part of four decimals, for resolvers take ``1.2`` or ``0x7f.1`` for
addresses (URL Standard, host parsing: "ends in a number"). The patterns hold for RE2 (CEL) and Python alike.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_START: Final = r"^https?://([^/?#@]*@)?"
_END: Final = r"([/?#][!-\[\]-~]*)?$"

SHAPE: Final = rf"{_START}([A-Za-z0-9._-]{{1,253}}|\[[^\]/?#@]*\])(:[^/?#@]*)?{_END}"
"""An http(s) URL with something for a host. It leaves user name, query and fragment to rules of their own,
and host and port to those below, so that each mistake is told once and by its own name."""
USERINFO: Final = r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*@"
"""A URL with a user name or password."""

_LABEL: Final = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME: Final = rf"{_LABEL}([.]{_LABEL})*[.]?"
_BYTE: Final = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4: Final = rf"{_BYTE}([.]{_BYTE}){{3}}"
_GROUP: Final = r"[0-9A-Fa-f]{1,4}"
_LAST: Final = rf"({_GROUP}:{_GROUP}|{_IPV4})"
# RFC 3986, section 3.2.2, IPv6address; a zone has no meaning for others than the machine itself.
_IPV6: Final = "|".join(
    (
        rf"({_GROUP}:){{6}}{_LAST}",
        rf"::({_GROUP}:){{5}}{_LAST}",
        rf"({_GROUP})?::({_GROUP}:){{4}}{_LAST}",
        rf"(({_GROUP}:){{0,1}}{_GROUP})?::({_GROUP}:){{3}}{_LAST}",
        rf"(({_GROUP}:){{0,2}}{_GROUP})?::({_GROUP}:){{2}}{_LAST}",
        rf"(({_GROUP}:){{0,3}}{_GROUP})?::{_GROUP}:{_LAST}",
        rf"(({_GROUP}:){{0,4}}{_GROUP})?::{_LAST}",
        rf"(({_GROUP}:){{0,5}}{_GROUP})?::{_GROUP}",
        rf"(({_GROUP}:){{0,6}}{_GROUP})?::",
    )
)
_PORT: Final = (
    r"(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?([/?#].*)?$"
)

HOST_AND_PORT: Final = rf"{_START}({_NAME}|\[({_IPV6})\]){_PORT}"
"""A name, or an IPv6 address in brackets, and a port from 1 to 65535."""
ENDS_IN_NUMBER: Final = rf"{_START}([^/?#:]*[.])?([0-9]+|0[xX][0-9A-Fa-f]*)[.]?(:|/|\?|#|$)"
"""What resolvers may take for an IPv4 address in one of its old spellings."""
IPV4: Final = rf"{_START}{_IPV4}{_PORT}"
"""Four decimals from 0 to 255 without leading zeros."""

URL_HELP: Final = "must be an http:// or https:// URL with a host, for example https://skillmeat.example.com"
HOST_HELP: Final = (
    "must name the host by a DNS name, an IPv4 address such as 10.0.0.7 or an IPv6 address in brackets such "
    "as [fd00::7], and a port, if any, from 1 to 65535"
)
USERINFO_HELP: Final = (
    "must not contain a user name or password; put the credential into a Secret and name it under auth"
)
QUERY_HELP: Final = "must not contain a query or fragment; write only scheme, host, port and path"


class UrlError(ValueError):
    """Text that is not such a URL; the message is a clause that says what it must be and never repeats it."""


@dataclass(frozen=True, slots=True)
class ParsedUrl:
    """The parts of an http or https URL."""

    scheme: str
    """``http`` or ``https``."""
    host: str
    """Lower case, IPv6 compressed and without brackets; a final dot of a name stays."""
    port: int
    """The default one of the scheme where none is written."""
    path: str
    """As written; empty if there is none."""

    @property
    def authority(self) -> str:
        """Host and port as a URL has them, without a default port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def has_userinfo(text: str) -> bool:
    """Whether a URL has a user name or password before its host, or what some readers take for one."""
    return re.match(USERINFO, text) is not None


def check_host_and_port(text: str) -> None:
    """Hold an http or https URL to the rule for hosts and ports, whatever else it has.

    Raises:
        UrlError: it names no host exactly, or a port that is none.
    """
    if not re.fullmatch(HOST_AND_PORT, text) or (
        re.match(ENDS_IN_NUMBER, text) and not re.fullmatch(IPV4, text)
    ):
        raise UrlError(HOST_HELP)


def parse_url(text: str) -> ParsedUrl:
    """Take an http or https URL apart; a query and a fragment are passed over.

    For all text that comes from outside: it raises nothing else, where general parsers differ in what they
    raise and in what they let pass.

    Raises:
        UrlError: it is no such URL, has a user name or password, or names no host exactly.
    """
    if has_userinfo(text):
        raise UrlError(USERINFO_HELP)
    # A pattern's `$` would let a line break at the end pass.
    if not re.fullmatch(SHAPE, text):
        raise UrlError(URL_HELP)
    check_host_and_port(text)
    scheme, _, rest = text.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    path = re.split(r"[?#]", rest[len(authority) :], maxsplit=1)[0]
    if authority.startswith("["):
        literal, _, port = authority[1:].partition("]")
        host, port = str(ipaddress.IPv6Address(literal)), port.removeprefix(":")
    else:
        name, _, port = authority.partition(":")
        host = name.lower()
    return ParsedUrl(scheme, host, int(port) if port else DEFAULT_PORTS[scheme], path)


def parse_base_url(text: str) -> ParsedUrl:
    """Take a URL apart to which paths are added.

    Raises:
        UrlError: as :func:`parse_url`, or it has a query or fragment.
    """
    if not has_userinfo(text) and ("?" in text or "#" in text):
        raise UrlError(QUERY_HELP)
    return parse_url(text)
