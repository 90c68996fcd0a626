"""The document that a catalog reads: its bytes, its revision and the address it is published at.

The catalog reads a location of type ``url`` as a stream of YAML documents; JSON documents separated by
``---`` are valid YAML and have no aliases, which its parser limits to 100 (``facts/backstage.md``, section
4).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Final

from skillmeat_operator.api.urls import DEFAULT_PORTS, UrlError, has_userinfo, parse_url
from skillmeat_operator.domain.observation import Json
from skillmeat_operator.domain.template.entity import entity_ref

MAX_TARGET: Final = 190
"""Longest ``url:`` + target, in characters: the catalog's search index leaves longer values out."""

EMPTY: Final = b"# no templates\n"
"""A valid document without entities: whoever serves it asks the catalog to remove everything."""

_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
_CLUSTER_DIGITS: Final = 8

# JSON allows these inside strings; YAML calls them unprintable, or YAML 1.1 reads them as line breaks. A
# surrogate matches only where it stands alone, since a pair is one character in Python; alone it has no UTF-8
# form.
_ESCAPED: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def render(entities: Iterable[Json]) -> bytes:
    """The document of a set of entities: UTF-8, one JSON document a line, sorted by ref, ending with a
    newline.

    The same set gives the same bytes in whatever order it comes. Keys stay in the order they have in the
    entities, since a portal shows a template's parameters in that order. An empty set gives :data:`EMPTY`.

    Raises:
        ValueError: an entity holds a number that JSON does not have (infinity, not a number).
    """
    ordered = sorted((entity_ref(entity), _line(entity)) for entity in entities)
    if not ordered:
        return EMPTY
    return b"".join(b"---\n" + line + b"\n" for _, line in ordered)


def revision(pairs: Iterable[tuple[str, str]]) -> str:
    """The drift key of a published set: ``sha256:`` and hex over its sorted (ref, content hash) pairs."""
    text = json.dumps(sorted(pairs), separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def canonical_public_url(url: str) -> str:
    """The one spelling of the base URL at which the catalog reaches the documents.

    Lower-case scheme and host, no default port, no slash at the end; targets are compared as text with what
    the catalog has registered, so that two spellings of one URL would be two locations.

    Raises:
        ValueError: not an http(s) base URL that a catalog can read; one sentence that says what is wrong.
    """
    scheme, separator, rest = url.strip().partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in DEFAULT_PORTS:
        raise ValueError("the public URL must begin with http:// or https://")
    authority, slash, path = rest.partition("/")
    if has_userinfo(f"{scheme}://{rest}"):
        raise ValueError("the public URL must have no user name or password: catalogs refuse to read it")
    if "?" in rest or "#" in rest:
        raise ValueError("the public URL must have no query and no fragment")
    path = f"{slash}{path}".rstrip("/")
    if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise ValueError("the path of the public URL may have only letters, digits and -._~/")
    try:
        parsed = parse_url(f"{scheme}://{authority}")
    except UrlError as error:
        raise ValueError(f"the public URL {error}") from None
    if "_" in parsed.host:
        raise ValueError("the public URL must name a host without underscores")
    return f"{scheme}://{parsed.authority}{path}"


def document_path(cluster_uid: str, namespace: str, name: str) -> str:
    """The path under which the document of a CatalogSource is served.

    Args:
        cluster_uid: UID of the namespace kube-system, or what ``--cluster-id`` says; it keeps two clusters
            that share a portal apart.
        namespace: of the CatalogSource.
        name: of the CatalogSource.
    """
    return f"/catalogs/{cluster_prefix(cluster_uid)}/{namespace}/{name}.yaml"


def cluster_prefix(cluster_uid: str) -> str:
    """The first 8 hex digits of the cluster's UID.

    Raises:
        ValueError: the UID has no 8 hex digits.
    """
    digits = re.sub(r"[^0-9a-f]", "", cluster_uid.lower())[:_CLUSTER_DIGITS]
    if len(digits) < _CLUSTER_DIGITS:
        raise ValueError("the cluster's UID must have at least 8 hex digits")
    return digits


def target(public_url: str, cluster_uid: str, namespace: str, name: str) -> str:
    """The URL that is registered in the catalog for a CatalogSource.

    Raises:
        ValueError: see :func:`canonical_public_url` and :func:`cluster_prefix`.
    """
    return canonical_public_url(public_url) + document_path(cluster_uid, namespace, name)


def fits_index(location_target: str) -> bool:
    """Whether the catalog indexes entities by this target; without that they cannot be found again."""
    return len(f"url:{location_target}") <= MAX_TARGET


def _line(entity: Json) -> bytes:
    text = json.dumps(entity, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match.group()):04x}", text).encode()
