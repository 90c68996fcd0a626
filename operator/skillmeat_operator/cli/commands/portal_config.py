"""`portal-config`: prints what the portal's app-config needs for one CatalogSource."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import click

from skillmeat_operator.api.keys import CATALOG_SOURCE
from skillmeat_operator.api.v1alpha1.policies import Ingestion
from skillmeat_operator.cli.cluster.manifests import read_manifest
from skillmeat_operator.cli.cluster.object_names import Target
from skillmeat_operator.cli.cluster.resources import SeenSource, plain
from skillmeat_operator.cli.cluster.session import Place, with_cluster
from skillmeat_operator.cli.command import Command, Option, Positional
from skillmeat_operator.cli.commands.suspension import missing
from skillmeat_operator.cli.errors import CommandError, ExitCode, WrongUseError
from skillmeat_operator.cli.options import CLUSTER_OPTIONS
from skillmeat_operator.cli.pages.portal_lines import PortalNeeds, portal_lines
from skillmeat_operator.domain.template.document import target as document_target

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import SimpleNamespace

    from skillmeat_operator.cli.context import Cluster, Context

_SECRET_NAME: Final = "backstage-token"  # noqa: S105  # a name, for a CatalogSource that names none
_SECRET_KEY: Final = "token"  # noqa: S105


def execute(arguments: SimpleNamespace, context: Context) -> int:
    """Print the lines; see the module's text."""
    if arguments.filename is not None:
        return _of_file(arguments, context)
    if not arguments.names:
        raise WrongUseError("Name a CatalogSource as source/NAME, or give its manifest by --filename.")
    wanted = Target.parse(arguments.names, only=CATALOG_SOURCE)

    async def body(cluster: Cluster, place: Place) -> int:
        found = await cluster.get(CATALOG_SOURCE, place.namespace, wanted.name)
        if found is None:
            raise missing(wanted, place.namespace)
        return await _print(SeenSource.from_object(found), cluster.cluster_uid, place, arguments, context)

    return with_cluster(arguments, context, body)


def _of_file(arguments: SimpleNamespace, context: Context) -> int:
    """Print the lines for a manifest that no cluster has to have yet."""
    wanted = Target.parse(arguments.names, only=CATALOG_SOURCE) if arguments.names else None
    raw = read_manifest(arguments.filename, CATALOG_SOURCE, wanted.name if wanted else None)

    async def of(place: Place, cluster_uid: Callable[[], Awaitable[str]]) -> int:
        metadata = {**raw["metadata"], "namespace": _namespace(raw, arguments, place)}
        source = SeenSource.from_object({"metadata": metadata, "spec": raw.get("spec")})
        return await _print(source, cluster_uid, place, arguments, context)

    async def body(cluster: Cluster, place: Place) -> int:
        return await of(place, cluster.cluster_uid)

    async def no_uid() -> str:
        raise WrongUseError("Give --cluster-id: without a cluster nothing else tells it.")

    namespace = arguments.namespace or raw["metadata"].get("namespace")
    if namespace and (arguments.cluster_id or _ingestion(raw.get("spec") or {}) is Ingestion.EXTERNAL):
        return asyncio.run(of(Place(namespace=namespace), no_uid))
    return with_cluster(arguments, context, body)


def _namespace(raw: Mapping[str, Any], arguments: SimpleNamespace, place: Place) -> str:
    """Return where the manifest will lie; kubectl refuses two answers as well."""
    stated = raw["metadata"].get("namespace")
    if stated and arguments.namespace and stated != arguments.namespace:
        raise WrongUseError(
            f"The manifest is of namespace {str(stated)!r}, and --namespace says {arguments.namespace!r}."
        )
    return str(stated or place.namespace)


async def _print(
    source: SeenSource,
    cluster_uid: Callable[[], Awaitable[str]],
    place: Place,
    arguments: SimpleNamespace,
    context: Context,
) -> int:
    ingestion = _ingestion(source.spec)
    target = (
        None if ingestion is Ingestion.EXTERNAL else await _target(source, cluster_uid, arguments, context)
    )
    try:
        lines = portal_lines(_needs(source, ingestion, target, place))
    except ValueError:
        raise CommandError(
            f"The status of source/{source.metadata.name} names a document whose URL cannot be read."
        ) from None
    context.console.print(lines.rstrip("\n"))
    return ExitCode.DONE


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


def _ingestion(spec: Mapping[str, Any]) -> Ingestion:
    stated = (spec.get("backstage") or {}).get("ingestion") or Ingestion.LOCATION
    try:
        return Ingestion(stated)
    except ValueError:
        known = ", ".join(ingestion.value for ingestion in Ingestion)
        raise CommandError(
            f"This version knows no ingestion {plain(stated)!r}, only {known}: use a skillmeat-operator of "
            "the cluster's version."
        ) from None


async def _target(
    source: SeenSource,
    cluster_uid: Callable[[], Awaitable[str]],
    arguments: SimpleNamespace,
    context: Context,
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
    uid = arguments.cluster_id or await cluster_uid()
    try:
        chosen = document_target(arguments.public_url, uid, source.metadata.namespace, source.metadata.name)
    except ValueError as error:
        raise WrongUseError(f"--public-url or --cluster-id: {error}.") from None
    if told is not None and told != chosen:
        context.console.progress(f"note: {name} is published at {told}, so --public-url is not used.")
        return told
    return chosen


COMMAND = Command(
    "portal-config",
    "Print the exact lines that a portal's app-config needs for a CatalogSource, as YAML: the "
    "host it may read, the rule that lets Templates in, and a token with the least permissions. The "
    "CatalogSource is one of the cluster, or of a manifest that is not applied yet.",
    execute,
    params=(
        Positional("names", "The CatalogSource, as `source/NAME`.", "[NAME]", nargs=-1),
        Option(
            ("-f", "--filename"),
            "Manifest with the CatalogSource, in place of one in the cluster; `-` is standard input.",
            metavar="FILE",
            type=click.Path(allow_dash=True),
        ),
        Option(
            ("--public-url",),
            "Base URL under which Backstage reaches the documents, where status does not tell the target "
            "yet.",
            metavar="URL",
        ),
        Option(
            ("--cluster-id",), "UID of the namespace kube-system, where you may not read it.", metavar="UID"
        ),
        *CLUSTER_OPTIONS,
    ),
    examples=(
        "portal-config source/main -n team-a",
        "portal-config -f examples/catalogsource.yaml -n team-a --public-url "
        "http://skillmeat-operator.skillmeat-operator.svc:8080",
    ),
)
