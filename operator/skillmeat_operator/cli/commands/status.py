"""`status`: what a person wants to see at three in the morning."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from skillmeat_operator.api.keys import CATALOG_SOURCE, GROUP, KINDS, TEMPLATE_BUNDLE, KindNames
from skillmeat_operator.cli.cluster.life_sign import LifeSign, read_life_sign
from skillmeat_operator.cli.cluster.object_names import Target, kind_of
from skillmeat_operator.cli.cluster.resources import Seen, SeenBundle, SeenSource, readiness_of
from skillmeat_operator.cli.cluster.session import Place, with_cluster
from skillmeat_operator.cli.command import Command, Positional
from skillmeat_operator.cli.commands.suspension import missing
from skillmeat_operator.cli.errors import ExitCode, WrongUseError
from skillmeat_operator.cli.options import (
    ALL_NAMESPACES,
    CLUSTER_OPTIONS,
    OPERATOR_NAMESPACE,
    OPERATOR_NAMESPACE_OPTION,
    OPERATOR_NAMESPACE_VARIABLE,
    OUTPUT,
)
from skillmeat_operator.cli.pages import status_data

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import SimpleNamespace

    from skillmeat_operator.cli.context import Cluster, Context


@dataclass(frozen=True, slots=True)
class _Report:
    """What was read of the cluster for one report."""

    sources: tuple[SeenSource, ...]
    bundles: tuple[SeenBundle, ...]

    @property
    def shown(self) -> list[Seen]:
        return [*self.sources, *self.bundles]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the report is about, and how it is told."""

    output: str
    operator_namespace: str
    kinds: tuple[KindNames, ...] = KINDS
    targets: tuple[Target, ...] = ()

    @classmethod
    def of(cls, arguments: SimpleNamespace, context: Context) -> _Asked:
        words: Sequence[str] = arguments.names
        output = arguments.output or "table"
        variable = context.environ.get(OPERATOR_NAMESPACE_VARIABLE)
        namespace = arguments.operator_namespace or variable or OPERATOR_NAMESPACE
        kind = kind_of(words)
        if kind is not None and len(words) == 1:
            return cls(output, namespace, kinds=(kind,))
        targets = tuple(dict.fromkeys(Target.parse_all(words)))
        if targets and arguments.all_namespaces:
            raise WrongUseError(
                "Name the namespace by --namespace instead of --all-namespaces: NAME means one object."
            )
        return cls(output, namespace, targets=targets)


def execute(arguments: SimpleNamespace, context: Context) -> int:
    """Read the cluster once and print the report."""
    asked = _Asked.of(arguments, context)

    async def body(cluster: Cluster, place: Place) -> int:
        if len(asked.targets) == 1 and asked.output in {"table", "json", "yaml"}:
            return await _show_one(asked.targets[0], cluster, place, asked, context)
        if asked.targets:
            return await _show_named(cluster, place, asked, context)
        namespace = None if place.all_namespaces else place.namespace
        report = await _read(cluster, namespace, asked.kinds)
        return await _show_list(report, cluster, namespace, asked, context)

    return with_cluster(arguments, context, body)


async def _show_list(
    report: _Report, cluster: Cluster, namespace: str | None, asked: _Asked, context: Context
) -> int:
    if asked.output == "name":
        for seen in report.shown:
            context.console.print(f"{seen.kind.singular}.{GROUP}/{seen.metadata.name}")
        return ExitCode.DONE
    # After the objects: an API server that is away is an error there, and here it is none.
    life = await read_life_sign(cluster, asked.operator_namespace, context.now())
    if asked.output in {"table", "wide"}:
        # Loads rich, which data for programs does not need.
        from skillmeat_operator.cli.pages import status_list  # noqa: PLC0415

        page = status_list.render(
            report.sources,
            report.bundles,
            life,
            namespace=namespace,
            wide=asked.output == "wide",
            program=context.program,
            now=context.now(),
        )
        context.console.show(page)
    else:
        _print_data(status_data.everything(report.sources, report.bundles, life), asked.output, context)
    return _exit_code(report.shown, life)


async def _show_named(cluster: Cluster, place: Place, asked: _Asked, context: Context) -> int:
    """Show several objects, each on a page where pages were asked for, else as a list."""
    if asked.output == "table":
        codes = []
        for at, target in enumerate(asked.targets):
            if at:
                context.console.print()
            codes.append(await _show_one(target, cluster, place, asked, context))
        return max(codes)
    found = [(target, await _required(target, cluster, place)) for target in asked.targets]
    report = _Report(
        tuple(SeenSource.from_object(raw) for target, raw in found if target.kind is CATALOG_SOURCE),
        tuple(SeenBundle.from_object(raw) for target, raw in found if target.kind is TEMPLATE_BUNDLE),
    )
    return await _show_list(report, cluster, place.namespace, asked, context)


async def _read(cluster: Cluster, namespace: str | None, kinds: Sequence[KindNames]) -> _Report:
    sources = await cluster.list(CATALOG_SOURCE, namespace) if CATALOG_SOURCE in kinds else []
    bundles = await cluster.list(TEMPLATE_BUNDLE, namespace) if TEMPLATE_BUNDLE in kinds else []
    return _Report(
        tuple(sorted((SeenSource.from_object(raw) for raw in sources), key=_place)),
        tuple(sorted((SeenBundle.from_object(raw) for raw in bundles), key=_place)),
    )


async def _show_one(target: Target, cluster: Cluster, place: Place, asked: _Asked, context: Context) -> int:
    raw = await _required(target, cluster, place)
    if target.kind is CATALOG_SOURCE:
        return await _show_source(SeenSource.from_object(raw), cluster, place, asked, context)
    return await _show_bundle(SeenBundle.from_object(raw), cluster, place, asked, context)


async def _show_source(
    source: SeenSource, cluster: Cluster, place: Place, asked: _Asked, context: Context
) -> int:
    listed = (await _read(cluster, place.namespace, (TEMPLATE_BUNDLE,))).bundles
    bundles = tuple(each for each in listed if each.source_name == source.metadata.name)
    life = await read_life_sign(cluster, asked.operator_namespace, context.now())
    if asked.output == "table":
        from skillmeat_operator.cli.pages import status_source  # noqa: PLC0415

        page = status_source.render(source, bundles, life, kubectl=place.kubectl, now=context.now())
        context.console.show(page)
    else:
        _print_data(status_data.of_source(source, bundles, life), asked.output, context)
    return _exit_code([source, *bundles], life)


async def _show_bundle(
    bundle: SeenBundle, cluster: Cluster, place: Place, asked: _Asked, context: Context
) -> int:
    found = await cluster.get(CATALOG_SOURCE, place.namespace, bundle.source_name)
    source = SeenSource.from_object(found) if found is not None else None
    life = await read_life_sign(cluster, asked.operator_namespace, context.now())
    if asked.output == "table":
        from skillmeat_operator.cli.pages import status_bundle  # noqa: PLC0415

        context.console.show(status_bundle.render(bundle, source, life, now=context.now()))
    else:
        _print_data(status_data.of_bundle(bundle, life), asked.output, context)
    return _exit_code([bundle], life)


async def _required(target: Target, cluster: Cluster, place: Place) -> Any:
    found = await cluster.get(target.kind, place.namespace, target.name)
    if found is None:
        raise missing(target, place.namespace)
    return found


def _exit_code(shown: Sequence[Seen], life: LifeSign) -> int:
    well = life.alive is not False and all(readiness_of(seen).is_ready for seen in shown)
    return ExitCode.DONE if well else ExitCode.NOT_WELL


def _place(seen: Seen) -> tuple[str, str]:
    return seen.metadata.namespace, seen.metadata.name


def _print_data(data: Any, output: str, context: Context) -> None:
    if output == "json":
        context.console.print(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        context.console.print(yaml.safe_dump(data, sort_keys=False, allow_unicode=True).rstrip("\n"))


COMMAND = Command(
    "status",
    "Show CatalogSources and TemplateBundles: without NAME a table of each kind and what needs "
    "attention, with NAME everything about one object, what its counts mean and what helps.",
    execute,
    params=(
        Positional(
            "names",
            "Objects, as `source/NAME` or `bundle/NAME`; also `source NAME`, and `source` alone for all of "
            "that kind.",
            "[NAME]...",
            nargs=-1,
        ),
        *CLUSTER_OPTIONS,
        ALL_NAMESPACES,
        OUTPUT,
        OPERATOR_NAMESPACE_OPTION,
    ),
    examples=("status -A", "status source/main -n team-a", "status bundle/payments -o yaml"),
    exits="0 when all that is shown is Ready, 1 when something is not or the operator is not at work, 2 on "
    "wrong use.",
)
