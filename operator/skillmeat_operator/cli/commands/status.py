"""`status`: what a person wants to see at three in the morning."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

from skillmeat_operator.api.keys import CATALOG_SOURCE, TEMPLATE_BUNDLE
from skillmeat_operator.cli.cluster.life_sign import OPERATOR_NAMESPACE, LifeSign, read_life_sign
from skillmeat_operator.cli.cluster.object_names import Target
from skillmeat_operator.cli.cluster.resources import Seen, SeenBundle, SeenSource, readiness_of
from skillmeat_operator.cli.cluster.session import ALL_NAMESPACES, CLUSTER_OPTIONS, Place, with_cluster
from skillmeat_operator.cli.command import Command, Option
from skillmeat_operator.cli.commands.suspension import missing
from skillmeat_operator.cli.errors import ExitCode, WrongUseError
from skillmeat_operator.cli.pages import status_bundle, status_data, status_list, status_source

if TYPE_CHECKING:
    import argparse

    from skillmeat_operator.cli.context import Cluster, Context

_NAMESPACE_VARIABLE: Final = "SKILLMEAT_OPERATOR_OPERATOR_NAMESPACE"

COMMAND = Command(
    name="status",
    description="Show CatalogSources and TemplateBundles: without NAME a table of each kind and what needs "
    "attention, with NAME everything about one object, what its counts mean and what helps.",
    options=(
        Option(("name",), "One object, as `source/NAME` or `bundle/NAME`.", "NAME", required=False),
        *CLUSTER_OPTIONS,
        ALL_NAMESPACES,
        Option(
            ("-o", "--output"),
            "How it is printed: table, json or yaml.",
            "FORMAT",
            choices=("table", "json", "yaml"),
            default="table",
        ),
        Option(
            ("--operator-namespace",),
            "Namespace of the operator, where its Lease is.",
            "NAMESPACE",
            default_text=f"`{_NAMESPACE_VARIABLE}`, else {OPERATOR_NAMESPACE}",
        ),
    ),
    examples=("status -A", "status source/main -n team-a", "status bundle/payments -o yaml"),
    exits="0 when all that is shown is Ready, 1 when something is not or the operator is not at work, 2 on "
    "wrong use.",
)


@dataclass(frozen=True, slots=True)
class _Report:
    """What was read of the cluster for one report."""

    sources: tuple[SeenSource, ...]
    bundles: tuple[SeenBundle, ...]
    life_sign: LifeSign


def execute(arguments: argparse.Namespace, context: Context) -> int:
    """Read the cluster once and print the report."""
    target = Target.parse(arguments.name) if arguments.name else None
    if target is not None and arguments.all_namespaces:
        raise WrongUseError(
            "Name the namespace by --namespace instead of --all-namespaces: NAME means one object."
        )
    operator_namespace = (
        arguments.operator_namespace or context.environ.get(_NAMESPACE_VARIABLE) or OPERATOR_NAMESPACE
    )

    async def body(cluster: Cluster, place: Place) -> int:
        life = await read_life_sign(cluster, operator_namespace, context.now())
        if target is None:
            return await _show_all(cluster, place, life=life, output=arguments.output, context=context)
        return await _show_one(target, cluster, place, life=life, output=arguments.output, context=context)

    return with_cluster(arguments, context, body)


async def _show_all(cluster: Cluster, place: Place, *, life: LifeSign, output: str, context: Context) -> int:
    namespace = None if place.all_namespaces else place.namespace
    sources = [SeenSource.from_object(raw) for raw in await cluster.list(CATALOG_SOURCE, namespace)]
    bundles = [SeenBundle.from_object(raw) for raw in await cluster.list(TEMPLATE_BUNDLE, namespace)]
    report = _Report(tuple(sorted(sources, key=_place)), tuple(sorted(bundles, key=_place)), life)
    if output == "table":
        text = status_list.render(
            report.sources,
            report.bundles,
            life,
            namespace=namespace,
            program=context.program,
            now=context.now(),
            console=context.console,
        )
        context.console.print(text)
    else:
        _print_data(status_data.everything(report.sources, report.bundles, life), output, context)
    return _exit_code([*report.sources, *report.bundles], life)


async def _show_one(
    target: Target, cluster: Cluster, place: Place, *, life: LifeSign, output: str, context: Context
) -> int:
    raw = await cluster.get(target.kind, place.namespace, target.name)
    if raw is None:
        raise missing(target, place.namespace)
    if target.kind is CATALOG_SOURCE:
        source = SeenSource.from_object(raw)
        listed = [
            SeenBundle.from_object(each) for each in await cluster.list(TEMPLATE_BUNDLE, place.namespace)
        ]
        bundles = tuple(sorted((each for each in listed if each.source_name == target.name), key=_place))
        if output == "table":
            page = status_source.render(
                source, bundles, life, kubectl=place.kubectl, now=context.now(), console=context.console
            )
            context.console.print(page)
        else:
            _print_data(status_data.of_source(source, bundles, life), output, context)
        return _exit_code([source, *bundles], life)
    bundle = SeenBundle.from_object(raw)
    found = await cluster.get(CATALOG_SOURCE, place.namespace, bundle.source_name)
    source_of_it = SeenSource.from_object(found) if found is not None else None
    if output == "table":
        page = status_bundle.render(bundle, source_of_it, life, now=context.now(), console=context.console)
        context.console.print(page)
    else:
        _print_data(status_data.of_bundle(bundle, life), output, context)
    return _exit_code([bundle], life)


def _exit_code(shown: list[Seen], life: LifeSign) -> int:
    well = life.alive is not False and all(readiness_of(seen).is_ready for seen in shown)
    return ExitCode.DONE if well else ExitCode.NOT_WELL


def _place(seen: Seen) -> tuple[str, str]:
    return seen.metadata.namespace, seen.metadata.name


def _print_data(data: Any, output: str, context: Context) -> None:
    if output == "json":
        context.console.print(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        context.console.print(yaml.safe_dump(data, sort_keys=False, allow_unicode=True).rstrip("\n"))
