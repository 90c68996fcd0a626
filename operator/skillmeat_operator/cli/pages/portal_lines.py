"""The app-config lines a portal needs for one CatalogSource, with comments that say where they go and why.

Sources of the rules: `facts/backstage.md` section 2 (least permissions of a static token), section 4 (hosts
and ports of `backend.reading.allow`, `catalog.rules`, rules of a static location).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from skillmeat_operator.api.urls import parse_url
from skillmeat_operator.api.v1alpha1.policies import Ingestion

TOKEN_VARIABLE: Final = "SKILLMEAT_OPERATOR_TOKEN"  # noqa: S105  # a name
"""Environment variable of the portal's backend that holds the token."""

_READ: Final = ("catalog.entity.read",)
_SERVED: Final = (
    "catalog.entity.read",
    "catalog.entity.refresh",
    "catalog.entity.delete",
    "catalog.entity.validate",
    "catalog.location.read",
    "catalog.location.create",
)
_PERMISSIONS: Final = {
    Ingestion.LOCATION: (*_SERVED, "catalog.location.delete"),
    Ingestion.STATIC_LOCATION: _SERVED,
    Ingestion.EXTERNAL: _READ,
}


@dataclass(frozen=True, slots=True)
class PortalNeeds:
    """What is known of a CatalogSource as far as the portal is concerned."""

    namespace: str
    name: str
    ingestion: Ingestion
    target: str | None
    """URL of the document; None only under External."""
    secret_name: str
    """Secret with the portal's token, in the namespace of the CatalogSource."""
    secret_key: str
    secret_is_declared: bool
    """Whether the spec names this Secret already."""
    kubectl: str = "kubectl"


def portal_lines(needs: PortalNeeds) -> str:
    """Return the lines: one valid YAML document that ends with a line feed.

    Raises:
        ValueError: the target is missing although the ingestion needs one.
    """
    if needs.ingestion is Ingestion.EXTERNAL:
        blocks = [_head(needs), _token(needs), "backend:", _external_access(needs)]
        return "\n".join(blocks) + "\n"
    if needs.target is None:
        raise ValueError("a document that is served has a target")
    catalog = (
        _static_location(needs.target)
        if needs.ingestion is Ingestion.STATIC_LOCATION
        else _rules(needs.target)
    )
    blocks = [
        _head(needs),
        _token(needs),
        "backend:",
        _reading(needs.target),
        _external_access(needs),
        catalog,
    ]
    return "\n".join(blocks) + "\n"


def allowed_host(target: str) -> str:
    """Return the target's host as `backend.reading.allow` compares it: without a default port."""
    return parse_url(target).authority


def catalogs_prefix(target: str) -> str:
    """Return the part of a target that all documents of this cluster share, with a slash at the end."""
    return target.rsplit("/", 2)[0] + "/"


def _head(needs: PortalNeeds) -> str:
    return (
        f"# What Backstage needs for CatalogSource {needs.namespace}/{needs.name} "
        f"(ingestion {needs.ingestion.value}).\n"
        "# File: the app-config that the portal's backend is started with, usually "
        "app-config.production.yaml.\n"
        "# Where a list stands there already, add the entries to it: a later file replaces a whole list."
    )


def _token(needs: PortalNeeds) -> str:
    secret = (
        f'#   printf %s "${TOKEN_VARIABLE}" | {needs.kubectl} create secret generic {needs.secret_name} '
        f"--namespace {needs.namespace} --from-file={needs.secret_key}=/dev/stdin"
    )
    lines = [
        "#",
        f"# The token: {TOKEN_VARIABLE} in the environment of the portal's backend, at least 8 characters "
        "without",
        "# white space, for example from `openssl rand -hex 32`. The same token for the operator:",
        secret,
    ]
    if not needs.secret_is_declared:
        reference = {"name": needs.secret_name, "key": needs.secret_key}
        patch = json.dumps(
            {"spec": {"backstage": {"auth": {"bearerTokenSecretRef": reference}}}}, separators=(",", ":")
        )
        lines += [
            "# The CatalogSource names no Secret yet (not needed where the operator's "
            "--backstage-token-file applies):",
            f"#   {needs.kubectl} patch catalogsources.skillmeat.io/{needs.name} --namespace "
            f"{needs.namespace} --type merge --patch '{patch}'",
        ]
    return "\n".join([*lines, "#"])


def _reading(target: str) -> str:
    return f"""\
  reading:
    allow:
      # Lets the backend read the documents of this cluster's operator.
      - host: {json.dumps(allowed_host(target))}
        paths: [{json.dumps(parse_url(catalogs_prefix(target)).path)}]"""


def _external_access(needs: PortalNeeds) -> str:
    indent = " " * 14
    permissions = "\n".join(f"{indent}- {permission}" for permission in _PERMISSIONS[needs.ingestion])
    note = (
        "\n              # location.create serves dry runs, which tell why the portal refuses a document."
        if needs.ingestion is Ingestion.STATIC_LOCATION
        else ""
    )
    return f"""\
  auth:
    externalAccess:
      # A token of the operator's own that may do this and nothing else.
      - type: static
        options:
          token: ${{{TOKEN_VARIABLE}}}
          subject: skillmeat-operator
        accessRestrictions:
          - plugin: catalog
            permission:{note}
{permissions}"""


def _rules(target: str) -> str:
    lines = f"""\
catalog:
  rules:
    # Backstage's default, which setting catalog.rules replaces; not needed where you have rules of your own.
    - allow: [Component, API, Location]
    # Lets the document of this CatalogSource bring Templates, and no other document.
    - allow: [Template]
      locations:
        - type: url
          exact: {json.dumps(target)}"""
    if "[" in target:
        # Brackets of an IPv6 address would be read as a set of characters.
        return lines
    return f"""{lines}
        # For every CatalogSource of this cluster, in place of the two lines above:
        # - type: url
        #   pattern: {json.dumps(catalogs_prefix(target) + "**")}"""


def _static_location(target: str) -> str:
    return f"""\
catalog:
  locations:
    # The backend reads the document by itself; the operator serves and verifies it.
    - type: url
      target: {json.dumps(target)}
      rules:
        - allow: [Template]"""
