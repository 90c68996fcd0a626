"""How the values of flags are written: one function a kind of value.

Each raises ValueError with what to write instead; the flag's name is put in front of it. Values of URLs are
never repeated, since they may hold a password.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from skillmeat_operator.adapters.http.hosts import Host, HostPattern
from skillmeat_operator.api.urls import has_userinfo, parse_url
from skillmeat_operator.domain.timings import Timings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from enum import StrEnum

_LABEL: Final = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_NAMESPACE = re.compile(_LABEL)
_NAMESPACE_GLOB = re.compile(r"[-a-z0-9*?\[\]!]{1,63}")
_ADDRESS = re.compile(r"(?P<host>[^\s:\[\]/@]+|\[[0-9a-fA-F:.]+\]):(?P<port>[0-9]{1,5})")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HIGHEST_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """An address to listen on; port 0 means any free one."""

    host: str
    """Name or IP address, IPv6 without brackets."""
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `host:port`, with IPv6 addresses in brackets."""
        match = _ADDRESS.fullmatch(text)
        if match is None or int(match["port"]) > _HIGHEST_PORT:
            raise ValueError(f"must be written as host:port, for example 0.0.0.0:8080, not {text!r}")
        return cls(host=match["host"].strip("[]"), port=int(match["port"]))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def base_url(text: str) -> str:
    """Return a base URL in its one spelling: lower-case host, no default port, no slash at the end."""
    if has_userinfo(text):
        raise ValueError("must hold no user name or password")
    if "?" in text or "#" in text:
        raise ValueError("must have neither query nor fragment")
    parts = parse_url(text)
    Host.of(text)
    if any(sign in parts.path for sign in "*,"):
        raise ValueError("must hold neither commas nor stars")
    if any(segment in {".", ".."} for segment in parts.path.split("/")) or "//" in parts.path:
        raise ValueError("must have a path without empty, `.` and `..` segments")
    return f"{parts.scheme}://{parts.authority}{parts.path.rstrip('/')}"


def host_pattern(text: str) -> str:
    """Return a host pattern in lower case: `host`, `*.suffix` or `*`, each with an optional `:port`."""
    HostPattern.parse(text)
    return text.strip().lower()


def namespace(text: str) -> str:
    """Return a Kubernetes namespace as it is written."""
    if _NAMESPACE.fullmatch(text) is None:
        raise ValueError(f"must be the name of a Kubernetes namespace, not {text!r}")
    return text


def namespace_glob(text: str) -> str:
    """Return a pattern over catalog namespaces: lower-case letters, digits, dashes, `*`, `?` and `[abc]`."""
    if _NAMESPACE_GLOB.fullmatch(text) is None:
        raise ValueError(f"must list catalog namespaces or patterns such as team-*, not {text!r}")
    return text


def uuid(text: str) -> str:
    """Return the UID of a Kubernetes object as it is written."""
    if _UUID.fullmatch(text) is None:
        raise ValueError(
            "must be the UID that `kubectl get namespace kube-system -o jsonpath={.metadata.uid}` prints"
        )
    return text


def whole_number(text: object, *, least: int, most: int) -> int:
    """Return a number written in decimal digits, within the bounds (both included)."""
    digits = str(text)
    if not re.fullmatch(r"[0-9]{1,9}", digits) or not least <= int(digits) <= most:
        raise ValueError(f"must be a whole number from {least} to {most}, not {digits!r}")
    return int(digits)


def one_of(text: str, choices: type[StrEnum]) -> str:
    """Return a value that is one of the enumeration's."""
    values = [choice.value for choice in choices]
    if text not in values:
        raise ValueError(f"must be {' or '.join(values)}, not {text!r}")
    return text


def truth(text: str) -> bool:
    """Return what a switch in an environment variable says."""
    if text.lower() not in {"true", "false", "1", "0"}:
        raise ValueError(f"must be true or false, not {text!r}")
    return text.lower() in {"true", "1"}


def items(values: Iterable[str]) -> tuple[str, ...]:
    """Return the items of repeated, comma-separated values, in order and each once."""
    found = [item.strip() for value in values for item in value.split(",")]
    if not all(found):
        raise ValueError("must have no empty item")
    return tuple(dict.fromkeys(found))


def timings(text: str) -> Timings:
    """Return the fixed times of the protocol with some replaced: a JSON object of seconds by name."""
    try:
        overrides = json.loads(text)
    except ValueError:
        overrides = None
    if not isinstance(overrides, dict):
        raise ValueError("must be a JSON object of seconds by name")  # noqa: TRY004  as of every other value
    return Timings.from_overrides(overrides)
