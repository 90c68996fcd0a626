"""Grammars of the short texts that name things in SkillMeat and in Backstage's catalog.

Sources: ``CommonValidatorFunctions``, ``KubernetesValidatorFunctions``, ``makeValidator`` and
``parseEntityRef`` of ``@backstage/catalog-model`` 1.10, tried on a real catalog
(``template-validation-matrix.json``). All are ASCII and case-sensitive unless a function says otherwise;
lengths are in characters.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Final

UNPRINTABLE: Final = "(unprintable)"
"""Stands for text of a remote side that is none of the names of this module."""

_NAME: Final = re.compile(r"(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_DNS_LABEL: Final = re.compile(r"[a-z0-9]+(?:-+[a-z0-9]+)*")
_TAG: Final = re.compile(r"[a-z0-9:+#]+(?:-[a-z0-9:+#]+)*")
_KIND: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}")
_REF: Final = re.compile(r"(?:(?P<kind>[^:/]+):)?(?:(?P<namespace>[^:/]+)/)?(?P<name>[^:/]+)")
_BUNDLE_ID: Final = re.compile(r"[A-Za-z0-9][-A-Za-z0-9._]{0,127}")
_VERSION: Final = re.compile(r"[A-Za-z0-9][-A-Za-z0-9.+_]{0,127}")
_TIMESTAMP: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})?"
)
_KEY: Final = re.compile(
    r"(?:(?:[a-z0-9-]+\.)*(?:backstage|skillmeat|kubernetes|janus-idp)\.io/)?[A-Za-z$][-A-Za-z0-9_.$]{0,62}"
)
_SCHEME: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>.*)", re.DOTALL)
_HOST: Final = re.compile(r"[A-Za-z0-9_](?:[-A-Za-z0-9_.]*[A-Za-z0-9_])?\.?")
_WEB_URL: Final = re.compile(r"https?://[^/?#@]+(?:[/?#][!-~]*)?")
_SPECIAL_SCHEMES: Final = frozenset({"http", "https", "ws", "wss", "ftp"})
_IPV4_LIKE: Final = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_HOST_AND_PORT: Final = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{0,5}))?")
_C0_AND_SPACE: Final = "".join(map(chr, range(0x21)))
_URL_MAX_LENGTH: Final = 2048


def is_name(value: Any) -> bool:
    """Whether it is a ``metadata.name``: letters, digits, ``-``, ``_``, ``.``; 1 to 63 characters."""
    return isinstance(value, str) and 1 <= len(value) <= 63 and _NAME.fullmatch(value) is not None


def is_namespace(value: Any) -> bool:
    """Whether it is a ``metadata.namespace``: a lower-case DNS label of 1 to 63 characters."""
    return isinstance(value, str) and 1 <= len(value) <= 63 and _DNS_LABEL.fullmatch(value) is not None


def is_tag(value: Any) -> bool:
    """Whether it is a tag: lower-case letters, digits, ``:``, ``+``, ``#``, single ``-`` inside; 1 to 63."""
    return isinstance(value, str) and 1 <= len(value) <= 63 and _TAG.fullmatch(value) is not None


def is_label_value(value: Any) -> bool:
    """Whether it is the value of a label: empty, or as ``metadata.name``."""
    return value == "" or is_name(value)


def is_map_key(value: Any) -> bool:
    """Whether it is the key of a label or annotation: ``[dns-subdomain/]name``, the subdomain up to 253."""
    if not isinstance(value, str):
        return False
    prefix, slash, name = value.rpartition("/")
    if not slash:
        return is_name(value)
    return len(prefix) <= 253 and all(is_namespace(label) for label in prefix.split(".")) and is_name(name)


def full_ref(text: str, *, kind: str, namespace: str = "default") -> str | None:
    """Complete a reference ``[kind:][namespace/]name`` with defaults, or None where a part is not legal.

    The case of the parts is kept: refs are compared without regard to it.
    """
    match = _REF.fullmatch(text)
    if match is None:
        return None
    the_kind, the_namespace, name = match["kind"] or kind, match["namespace"] or namespace, match["name"]
    if _KIND.fullmatch(the_kind) is None or not is_namespace(the_namespace.lower()) or not is_name(name):
        return None
    return f"{the_kind}:{the_namespace}/{name}"


def is_entity_ref(value: Any) -> bool:
    """Whether it is a full reference ``kind:namespace/name``, in whatever case."""
    return isinstance(value, str) and value.isascii() and full_ref(value, kind="Group") == value


def is_bundle_id(value: Any) -> bool:
    """Whether it is a bundle's id, without ``bundle:`` before it: 32 hex digits, elsewhere a slug."""
    return isinstance(value, str) and _BUNDLE_ID.fullmatch(value) is not None


def is_version(value: Any) -> bool:
    """Whether it looks like a bundle's version, parsable or not (the server emits ``unknown`` too)."""
    return isinstance(value, str) and _VERSION.fullmatch(value) is not None


def is_timestamp(value: Any) -> bool:
    """Whether it is an ISO 8601 date and time, with or without an offset."""
    return isinstance(value, str) and _TIMESTAMP.fullmatch(value) is not None


def is_web_url(value: Any) -> bool:
    """Whether a link may lead there: http or https, printable ASCII, no user name or password."""
    return (
        isinstance(value, str)
        and len(value) <= _URL_MAX_LENGTH
        and _WEB_URL.fullmatch(value) is not None
        and is_url(value)
    )


def is_url(value: Any) -> bool:
    """Whether Backstage's ``new URL(value)`` reads it.

    Hosts are taken more narrowly than by the WHATWG standard (ASCII, no percent escapes, dotted-quad IPv4
    only), so that nothing is accepted here and refused there.
    """
    match = _SCHEME.fullmatch(value.strip(_C0_AND_SPACE)) if isinstance(value, str) else None
    if match is None:
        return False
    scheme, rest = match["scheme"].lower(), match["rest"]
    special = scheme in _SPECIAL_SCHEMES
    if not rest.startswith("//"):
        return not special and scheme != "file"
    authority = re.split(r"[/\\?#]", rest[2:], maxsplit=1)[0]
    if not authority:
        return not special
    return _is_authority(authority) and (scheme != "file" or _HOST.fullmatch(authority) is not None)


def _is_authority(authority: str) -> bool:
    match = _HOST_AND_PORT.fullmatch(authority.rpartition("@")[2])
    if match is None or (match["port"] and int(match["port"]) > 65535):
        return False
    host = match["host"]
    try:
        if host.startswith("["):
            return "%" not in host and bool(ipaddress.IPv6Address(host[1:-1]))
        if _IPV4_LIKE.fullmatch(host.rstrip(".").rpartition(".")[2]):
            return bool(ipaddress.IPv4Address(host))
    except ValueError:
        return False
    return _HOST.fullmatch(host) is not None


def printable(text: Any, limit: int = 253) -> str:
    """Return what a remote side sent as status, events and logs may show it, cut at ``limit`` characters.

    Only refs, bundle ids (also as ``bundle:<id>``), versions and timestamps pass; anything else is replaced
    by ``(unprintable)`` (design, section 4).
    """
    if isinstance(text, str) and (
        is_entity_ref(text)
        or is_bundle_id(text.removeprefix("bundle:"))
        or is_version(text)
        or is_timestamp(text)
    ):
        return text[:limit]
    return UNPRINTABLE


def printable_key(key: Any) -> str:
    """Return the key of a JSON object as the path of a violation may show it."""
    return key if isinstance(key, str) and _KEY.fullmatch(key) is not None else UNPRINTABLE
