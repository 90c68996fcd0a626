"""Kinds of text that specs are made of, each with its bounds and the admission rules that go with it.

The bounds also keep the estimated cost of the CEL rules within the API server's budget.
"""

from typing import Annotated, Final

from pydantic import AfterValidator, Field

from skillmeat_operator.api import urls
from skillmeat_operator.api.keys import RESERVED_ENTITY_ANNOTATIONS
from skillmeat_operator.api.model import Rule, rules

URL_MAX_LENGTH: Final = 2048

_EXACT_HOST: Final = (
    f"(self.matches(r'{urls.HOST_AND_PORT}')"
    f" && (!self.matches(r'{urls.ENDS_IN_NUMBER}') || self.matches(r'{urls.IPV4}')))"
)


def _check_url(url: str) -> str:
    """Refuse what admission refuses: an object may be older than the rules, and its URL is dialled."""
    urls.parse_base_url(url)
    return url


HttpUrl = Annotated[
    str,
    AfterValidator(_check_url),
    Field(
        min_length=1,
        max_length=URL_MAX_LENGTH,
        # No `format: uri`: where it fails, the API server skips the rules and with them the advice.
        json_schema_extra=rules(
            Rule(f"self.matches(r'{urls.SHAPE}')", urls.URL_HELP),
            # What has no shape yet is told by the rule above.
            Rule(f"!self.matches(r'{urls.SHAPE}') || {_EXACT_HOST}", urls.HOST_HELP),
            Rule(f"!self.matches(r'{urls.USERINFO}')", urls.USERINFO_HELP),
            Rule("!self.contains('?') && !self.contains('#')", urls.QUERY_HELP),
        ),
    ),
]
"""An http or https URL without user name, query and fragment, its host and port by the rule of
:mod:`skillmeat_operator.api.urls`."""

# `mailto:` with a slash behind would be read as a URL with a host.
_LINK: Final = r"^(https?://|mailto:[!-.0-~])[!-~]*$"


def _check_link(link: str) -> str:
    """Hold the host of a web link to the same rule as that of a URL that is dialled."""
    if not link.startswith("mailto:"):
        urls.check_host_and_port(link)
    return link


LinkUrl = Annotated[
    str,
    AfterValidator(_check_link),
    Field(
        min_length=1,
        max_length=URL_MAX_LENGTH,
        pattern=_LINK,
        json_schema_extra=rules(
            Rule(f"self.matches(r'{_LINK}')", "must be an http://, https:// or mailto: link without spaces"),
            Rule(f"!self.matches(r'^https?://') || {_EXACT_HOST}", urls.HOST_HELP),
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

Words = Annotated[str, Field(min_length=1, max_length=253, pattern=r"[^\s\x00-\x20\x7f-\xa0]")]
"""One line of text that shows something."""

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
        pattern=r"^([A-Za-z][A-Za-z0-9]{0,62}:)?([A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?/)?"
        r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
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
_PREFIX_LABEL: Final = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
MAP_KEY: Final = rf"^({_PREFIX_LABEL}([.]{_PREFIX_LABEL})*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?$"
_MAP_KEY_RULE: Final = Rule(
    f"self.all(key, key.indexOf('/') <= 253 && key.matches(r'{MAP_KEY}'))",
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
                f"!self.exists(key, key.lowerAscii() in {list(RESERVED_ENTITY_ANNOTATIONS)})",
                "must not set an annotation that says what the entity is or who manages it ("
                + ", ".join(RESERVED_ENTITY_ANNOTATIONS)
                + "); the operator and the portal write these",
            ),
        ),
    ),
]
"""Annotations of an entity."""
