"""`portal-config`: prints what the portal's app-config needs for one CatalogSource."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from skillmeat_operator.api.keys import CATALOG_SOURCE
from skillmeat_operator.api.v1alpha1.policies import Ingestion
from skillmeat_operator.cli.cluster.object_names import Target
from skillmeat_operator.cli.cluster.resources import SeenSource
from skillmeat_operator.cli.cluster.session import CLUSTER_OPTIONS, Place, with_cluster
from skillmeat_operator.cli.command import Command, Option
from skillmeat_operator.cli.commands.suspension import missing
from skillmeat_operator.cli.errors import ExitCode, WrongUseError
from skillmeat_operator.cli.pages.portal_lines import PortalNeeds, portal_lines
from skillmeat_operator.domain.template.document import target as document_target

if TYPE_CHECKING:
    import argparse

    from skillmeat_operator.cli.context import Cluster, Context

_SECRET_NAME: Final = "backstage-token"  # noqa: S105  # a name, for a CatalogSource that names none
_SECRET_KEY: Final = "token"  # noqa: S105

COMMAND = Command(
    name="portal-config",
    description="Print the exact lines that a portal's app-config needs for a CatalogSource, as YAML: the "
    "host it may read, the rule that lets Templates in, and a token with the least permissions.",
    options=(
        Option(("name",), "The CatalogSource, as `source/NAME`.", "NAME"),
        Option(
            ("--public-url",),
            "Base URL under which Backstage reaches the documents, where status does not tell the target "
            "yet.",
            "URL",
        ),
        Option(
            ("--cluster-id",),
            "UID of the namespace kube-system, where you may not read it.",
            "UID",
        ),
        *CLUSTER_OPTIONS,
    ),
    examples=(
        "portal-config source/main -n team-a",
        "portal-config source/main --public-url http://skillmeat-operator.skillmeat-operator.svc:8080",
    ),
)


def execute(arguments: argparse.Namespace, context: Context) -> int:
    """Print the lines; see the module's text."""
    wanted = Target.parse(arguments.name, only=CATALOG_SOURCE)

    async def body(cluster: Cluster, place: Place) -> int:
        found = await cluster.get(CATALOG_SOURCE, place.namespace, wanted.name)
        if found is None:
            raise missing(wanted, place.namespace)
        source = SeenSource.from_object(found)
        ingestion = _ingestion(source.spec)
        target = (
            None if ingestion is Ingestion.EXTERNAL else await _target(source, cluster, arguments, context)
        )
        context.console.print(portal_lines(_needs(source, ingestion, target, place)).rstrip("\n"))
        return ExitCode.DONE

    return with_cluster(arguments, context, body)


def _needs(source: SeenSource, ingestion: Ingestion, target: str | None, place: Place) -> PortalNeeds:
    backstage = source.spec.get("backstage") or {}
    reference = (backstage.get("auth") or {}).get("bearerTokenSecretRef") or {}
    return PortalNeeds(
        namespace=source.metadata.namespace,
        name=source.metadata.name,
        ingestion=ingestion,
        target=target,
        secret_name=reference.get("name") or _SECRET_NAME,
        secret_key=reference.get("key") or _SECRET_KEY,
        secret_is_declared=bool(reference.get("name")),
        kubectl=place.kubectl,
    )


def _ingestion(spec: Any) -> Ingestion:
    return Ingestion((spec.get("backstage") or {}).get("ingestion") or Ingestion.LOCATION)


async def _target(
    source: SeenSource, cluster: Cluster, arguments: argparse.Namespace, context: Context
) -> str:
    """Return the document's URL: the one in status, else what the operator makes of --public-url."""
    told = source.status.catalog.target if source.status.catalog else None
    name = f"source/{source.metadata.name}"
    if told is None and not arguments.public_url:
        raise WrongUseError(
            f"The status of {name} does not tell its document's URL yet: give --public-url as the operator "
            "gets it."
        )
    if not arguments.public_url:
        return str(told)
    cluster_uid = arguments.cluster_id or await cluster.cluster_uid()
    try:
        chosen = document_target(
            arguments.public_url, cluster_uid, source.metadata.namespace, source.metadata.name
        )
    except ValueError as error:
        raise WrongUseError(f"--public-url or --cluster-id: {error}.") from None
    if told is not None and told != chosen:
        context.console.progress(f"note: {name} is published at {told}, so --public-url is not used.")
        return told
    return chosen
