"""`sync`: requests a reconcile by annotation and, with --wait, waits until status echoes the request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from skillmeat_operator.api.keys import CATALOG_SOURCE, RECONCILE_REQUESTED_AT, TEMPLATE_BUNDLE
from skillmeat_operator.api.v1alpha1.durations import format_duration, parse_duration
from skillmeat_operator.cli.cluster.object_names import Target
from skillmeat_operator.cli.cluster.resources import (
    Seen,
    SeenBundle,
    SeenSource,
    is_suspended,
    plain,
    readiness_of,
)
from skillmeat_operator.cli.cluster.session import Place, with_cluster
from skillmeat_operator.cli.command import Command, Option, Positional
from skillmeat_operator.cli.commands.suspension import missing
from skillmeat_operator.cli.errors import CommandError, ExitCode, WrongUseError
from skillmeat_operator.cli.options import CLUSTER_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from types import SimpleNamespace

    from skillmeat_operator.cli.context import Cluster, Context

POLL_SECONDS: Final = 0.2
"""Pause between two looks at the object while waiting."""
PROGRESS_SECONDS: Final = 10.0
"""Pause between two lines that say we still wait."""


class _NotInTimeError(CommandError):
    """The request was not handled in time."""

    def __init__(self, known: str, sentence: str) -> None:
        super().__init__(sentence)
        self.known = known


@dataclass(frozen=True, slots=True)
class _Request:
    """One requested sync."""

    source: Target
    uid: str
    namespace: str
    token: str
    echo_before: str | None
    """What status echoed before: seeing it again says nothing, also if somebody sets that token again."""


def execute(arguments: SimpleNamespace, context: Context) -> int:
    """Request the sync; see the module's text."""
    target = Target.parse(arguments.names)
    try:
        timeout = parse_duration(arguments.timeout)
    except ValueError as error:
        raise WrongUseError(f"--timeout: {error}.") from None

    async def body(cluster: Cluster, place: Place) -> int:
        source = await _source_of(target, cluster, place.namespace)
        request = await _request(source, cluster, place.namespace, context)
        if not arguments.wait:
            context.console.print(
                f"Requested a sync of {source} in namespace {place.namespace}; `{context.program} status "
                f"{target} -n {place.namespace}` shows what comes of it."
            )
            return ExitCode.DONE
        asked = f"Requested a sync of {source}, waiting up to {format_duration(timeout)}…"
        try:
            with context.console.waiting(asked) as tell:
                seen: Seen = await _handled(request, cluster, context, longest=timeout, tell=tell)
        except _NotInTimeError as error:
            context.console.progress(f"Known so far: {error.known}")
            raise
        if target.kind is TEMPLATE_BUNDLE:
            seen = SeenBundle.from_object(await _required(target, cluster, place.namespace))
        context.console.print(outcome_line(target, seen))
        for line in problem_lines(seen):
            context.console.print(line)
        return ExitCode.DONE if readiness_of(seen).is_ready else ExitCode.NOT_WELL

    return with_cluster(arguments, context, body)


def outcome_line(target: Target, seen: Seen) -> str:
    """Return what came of a sync in one line: Ready, counts or version, the message if it is not well."""
    readiness = readiness_of(seen)
    line = f"{target}: Ready {readiness.word}, {readiness.reason}"
    if isinstance(seen, SeenSource):
        counts = seen.status.entities
        if counts is not None:
            line += (
                f"; {counts.discovered} discovered, {counts.selected} selected, {counts.published} "
                f"published, {counts.in_catalog} in the catalog"
            )
            others = {"held": counts.held, "missing": counts.missing, "invalid": counts.invalid}
            line += "".join(f", {count} {word}" for word, count in others.items() if count)
    elif seen.status.bundle_version is not None:
        line += f"; version {seen.status.bundle_version} published as {seen.status.entity_ref}"
    return f"{line}." if readiness.is_ready or not readiness.message else f"{line}. {readiness.message}"


def problem_lines(seen: Seen) -> list[str]:
    """Return one line for each template of a CatalogSource that is not as it should be."""
    if not isinstance(seen, SeenSource):
        return []
    return [
        f"  {plain(one.entity_ref or one.bundle_id or '-')}: {plain(one.reason)}: {plain(one.message)}"
        for one in seen.status.problems
    ]


async def _source_of(target: Target, cluster: Cluster, namespace: str) -> Target:
    if target.kind is CATALOG_SOURCE:
        return target
    bundle = SeenBundle.from_object(await _required(target, cluster, namespace))
    return Target(CATALOG_SOURCE, bundle.source_name)


async def _request(source: Target, cluster: Cluster, namespace: str, context: Context) -> _Request:
    found = SeenSource.from_object(await _required(source, cluster, namespace))
    _check_active(source, found, namespace, context)
    token = context.new_token()
    await cluster.patch(
        source.kind, namespace, source.name, {"metadata": {"annotations": {RECONCILE_REQUESTED_AT: token}}}
    )
    return _Request(
        source=source, uid=found.metadata.uid, namespace=namespace, token=token, echo_before=_echo(found)
    )


async def _handled(
    request: _Request,
    cluster: Cluster,
    context: Context,
    *,
    longest: timedelta,
    tell: Callable[[str], None],
) -> SeenSource:
    """Return the source as it is once status echoes the request.

    A later request by somebody else replaces ours in the annotation; its echo answers both, since its sync
    began after ours was asked for.
    """
    started = context.monotonic()
    told = started
    while True:
        found = await cluster.get(request.source.kind, request.namespace, request.source.name)
        if found is None:
            raise CommandError(f"{request.source} was deleted while its sync was awaited.")
        seen = SeenSource.from_object(found)
        if seen.metadata.uid != request.uid:
            raise CommandError(
                f"{request.source} was deleted and created anew while its sync was awaited: ask again."
            )
        if _answers(request, seen):
            return seen
        _check_active(request.source, seen, request.namespace, context)
        now = context.monotonic()
        if now - started >= longest.total_seconds():
            raise _NotInTimeError(
                outcome_line(request.source, seen),
                f"{request.source} has not been synced within {format_duration(longest)}; the request "
                f"stands, so check that the operator runs and look at `{context.program} status "
                f"{request.source} -n {request.namespace}`.",
            )
        if now - told >= PROGRESS_SECONDS:
            told = now
            tell(f"Still waiting: {outcome_line(request.source, seen)}")
        await context.sleep(POLL_SECONDS)


def _echo(seen: SeenSource) -> str | None:
    return seen.status.handled_requests.skillmeat if seen.status.handled_requests else None


def _answers(request: _Request, seen: SeenSource) -> bool:
    echo = _echo(seen)
    if echo is None or echo == request.echo_before:
        return False
    return echo in {request.token, seen.metadata.annotations.get(RECONCILE_REQUESTED_AT)}


def _check_active(source: Target, seen: SeenSource, namespace: str, context: Context) -> None:
    if seen.metadata.deleting:
        raise CommandError(f"{source} is being deleted, so it is not synced any more.")
    if is_suspended(seen):
        raise CommandError(
            f"{source} is suspended, so nothing is synced: `{context.program} resume {source} -n "
            f"{namespace}` first."
        )


async def _required(target: Target, cluster: Cluster, namespace: str) -> Any:
    found = await cluster.get(target.kind, namespace, target.name)
    if found is None:
        raise missing(target, namespace)
    return found


COMMAND = Command(
    "sync",
    "Request a sync of a CatalogSource; for a TemplateBundle, of its CatalogSource. With "
    "--wait, wait "
    "until the operator has answered and print the outcome. In plain kubectl: "
    f'kubectl annotate --overwrite smsrc/NAME {RECONCILE_REQUESTED_AT}="$(date +%s.%N)".',
    execute,
    params=(
        Positional(
            "names", "The object, as `source/NAME` or `bundle/NAME`.", "NAME", nargs=-1, required=True
        ),
        Option(("--wait",), "Wait until the operator has handled the request.", is_flag=True),
        Option(("--timeout",), "How long to wait, for example 90s or 5m.", metavar="DURATION", default="2m"),
        *CLUSTER_OPTIONS,
    ),
    examples=("sync source/main -n team-a --wait", "sync bundle/payments --wait --timeout 2m"),
    exits="0 when it was requested (with --wait: handled, and the object is Ready), 1 when not, 2 on wrong "
    "use.",
)
