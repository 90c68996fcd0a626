"""Kinds of text that specs are made of, each with its bounds and the admission rules that go with it.

The bounds also keep the estimated cost of the CEL rules within the API server's budget.
"""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from skillmeat_operator.api.keys import RESERVED_ENTITY_ANNOTATIONS
from skillmeat_operator.api.model import Rule, rules

URL_MAX_LENGTH: Final = 2048

# RE2 and Python read these alike. The first leaves user name, query and fragment to rules of their own, so
# that each mistake is told once and by its own name.
_URL_SHAPE: Final = (
    r"^https?://([^/?#@]*@)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?([/?#][!-\[\]-~]*)?$"
)
_URL_USERINFO: Final = r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*@"
_URL_HELP: Final = "must be an http:// or https:// URL with a host, for example https://skillmeat.example.com"
_URL_USERINFO_HELP: Final = (
    "must not contain a user name or password; put the credential into a Secret and name it under auth"
)
_URL_QUERY_HELP: Final = "must not contain a query or fragment; write only scheme, host, port and path"


def _check_url(url: str) -> str:
    """Refuse what admission refuses: an object may be older than the rules, and its URL is dialled."""
    if re.match(_URL_USERINFO, url):
        raise ValueError(_URL_USERINFO_HELP)
    if "?" in url or "#" in url:
        raise ValueError(_URL_QUERY_HELP)
    if not re.fullmatch(_URL_SHAPE, url):
        raise ValueError(_URL_HELP)
    return url


HttpUrl = Annotated[
    str,
    AfterValidator(_check_url),
    Field(
        min_length=1,
        max_length=URL_MAX_LENGTH,
        # No `format: uri`: where it fails, the API server skips the rules and with them the advice.
        json_schema_extra=rules(
            Rule(f"self.matches(r'{_URL_SHAPE}')", _URL_HELP),
            Rule(f"!self.matches(r'{_URL_USERINFO}')", _URL_USERINFO_HELP),
            Rule("!self.contains('?') && !self.contains('#')", _URL_QUERY_HELP),
        ),
    ),
]
"""An http or https URL without user name, query and fragment."""

_LINK: Final = r"^(https?://|mailto:)[!-~]+$"
LinkUrl = Annotated[
    str,
    Field(
        min_length=1,
        max_length=URL_MAX_LENGTH,
        pattern=_LINK,
        json_schema_extra=rules(
            Rule(f"self.matches(r'{_LINK}')", "must be an http://, https:// or mailto: link without spaces")
        ),
    ),
]
"""Where a link in the portal leads; it may have a query and a fragment, for the operator never dials it."""

_DNS_LABEL: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DnsLabel = Annotated[
    str,
    Field(
        min_length=1,
        max_length=63,
        pattern=_DNS_LABEL,
        json_schema_extra=rules(
            Rule(
                f"self.matches(r'{_DNS_LABEL}')",
                "must be a DNS label: lower-case letters, digits and '-', no '-' at either end",
            )
        ),
    ),
]
"""A DNS label, as Backstage asks of a namespace."""

ObjectName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    ),
]
"""Name of a Kubernetes object of the same namespace."""

DataKey = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
"""Key in the data of a Secret or ConfigMap."""

ShortText = Annotated[str, Field(min_length=1, max_length=253)]
"""One line of text."""

LongText = Annotated[str, Field(max_length=4096)]
"""A paragraph."""

# Backstage: metadata.name, 1 to 63 characters; labels share the grammar (and may be empty).
EntityName = Annotated[
    str,
    Field(min_length=1, max_length=63, pattern=r"^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$"),
]
"""Name of a catalog entity."""

NamePrefix = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9][-A-Za-z0-9_.]*$")]
"""Beginning of the names of catalog entities."""

EntityReference = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=r"^([A-Za-z][A-Za-z0-9]*:)?([A-Za-z0-9][-A-Za-z0-9]*/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
    ),
]
"""Reference to a catalog entity, `[kind:][namespace/]name`."""

Tag = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9:+#]+(-[a-z0-9:+#]+)*$")]
"""A tag as Backstage accepts it."""

Tags = Annotated[tuple[Tag, ...], Field(max_length=32)]
"""Tags of an entity."""

LabelValue = Annotated[str, Field(max_length=63, pattern=r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")]
"""Value of an entity's label."""

# Backstage: an optional DNS subdomain and '/', then a name of at most 63 characters. A rule, not a pattern:
# CRDs cannot describe the keys of a map.
_MAP_KEY: Final = r"^([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
_MAP_KEY_RULE: Final = Rule(
    f"self.all(key, key.matches(r'{_MAP_KEY}'))",
    "keys must be a name of at most 63 characters, with an optional DNS name and '/' before it",
)

Labels = Annotated[dict[str, LabelValue], Field(max_length=32, json_schema_extra=rules(_MAP_KEY_RULE))]
"""Labels of an entity."""

Annotations = Annotated[
    dict[str, LongText],
    Field(
        max_length=32,
        json_schema_extra=rules(
            _MAP_KEY_RULE,
            Rule(
                f"!self.exists(key, key in [{', '.join(repr(key) for key in RESERVED_ENTITY_ANNOTATIONS)}])",
                "must not set an annotation that says what the entity is or who manages it ("
                + ", ".join(RESERVED_ENTITY_ANNOTATIONS)
                + "); the operator and the portal write these",
            ),
        ),
    ),
]
"""Annotations of an entity."""
