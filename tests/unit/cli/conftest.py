"""A command line with everything around it replaced: streams, clock, ids and the cluster."""

import io
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from skillmeat_operator.adapters.kubernetes.kubeconfig import KubeconfigError, KubeconfigFiles
from skillmeat_operator.api.keys import CATALOG_SOURCE, TEMPLATE_BUNDLE, KindNames
from skillmeat_operator.cli.context import ClusterChoice, Context
from skillmeat_operator.cli.errors import CommandError, WrongUseError
from skillmeat_operator.cli.main import dispatch
from skillmeat_operator.cli.output.console import Console

NOW = datetime(2026, 3, 1, 3, 0, 0, tzinfo=UTC)
CLUSTER_UID = "0a1b2c3d-1111-2222-3333-444455556666"


def merge(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


@dataclass
class FakeCluster:
    """Objects in memory; `on_get` may change them before they are read, as an operator would."""

    objects: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    leases: dict[tuple[str, str], Any] = field(default_factory=dict)
    patches: list[tuple[str, str, str, Any]] = field(default_factory=list)
    on_get: Callable[["FakeCluster"], None] | None = None
    lease_error: CommandError | None = None
    error: CommandError | None = None
    choices: list[ClusterChoice] = field(default_factory=list)
    namespace: str = "team-a"

    def add(self, kind: KindNames, obj: Any) -> None:
        self.objects[kind.kind, obj["metadata"]["namespace"], obj["metadata"]["name"]] = obj

    async def list(self, kind: KindNames, namespace: str | None) -> list[Any]:
        if self.error is not None:
            raise self.error
        return [
            obj
            for (its_kind, its_namespace, _), obj in self.objects.items()
            if its_kind == kind.kind and namespace in {None, its_namespace}
        ]

    async def get(self, kind: KindNames, namespace: str, name: str) -> Any | None:
        if self.error is not None:
            raise self.error
        if self.on_get is not None:
            self.on_get(self)
        return self.objects.get((kind.kind, namespace, name))

    async def patch(self, kind: KindNames, namespace: str, name: str, body: Any) -> Any:
        self.patches.append((kind.kind, namespace, name, body))
        key = (kind.kind, namespace, name)
        self.objects[key] = merge(self.objects[key], body)
        return self.objects[key]

    async def lease(self, namespace: str, name: str) -> Any | None:
        if self.lease_error is not None:
            raise self.lease_error
        return self.leases.get((namespace, name))

    async def cluster_uid(self) -> str:
        return CLUSTER_UID


@dataclass
class CommandLine:
    """Runs commands and keeps what they print."""

    cluster: FakeCluster
    context: Context
    out: io.StringIO
    err: io.StringIO

    def run(self, *arguments: str) -> int:
        return dispatch(arguments, self.context)

    def with_cluster(self, cluster: Any) -> "CommandLine":
        """The same with another cluster."""

        @asynccontextmanager
        async def open_cluster(_: ClusterChoice) -> AsyncIterator[Any]:
            yield cluster

        return replace(self, context=replace(self.context, open_cluster=open_cluster))

    def on_a_terminal(self, **environ: str) -> "CommandLine":
        """The same on a terminal, 80 columns wide where COLUMNS does not say otherwise."""
        out, err = Terminal(), Terminal()
        console = Console(out=out, err=err, environ={"TERM": "xterm", "COLUMNS": "80", **environ})
        return replace(self, context=replace(self.context, console=console), out=out, err=err)

    @property
    def printed(self) -> str:
        return self.out.getvalue()

    @property
    def said(self) -> str:
        return self.err.getvalue()


class Terminal(io.StringIO):
    """A stream that says that somebody looks."""

    def isatty(self) -> bool:
        return True


@dataclass
class Clock:
    """A clock that only sleeping moves."""

    seconds: float = 0.0

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    path = tmp_path / "config"
    path.write_text(
        yaml.safe_dump(
            {
                "current-context": "one",
                "contexts": [
                    {"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "team-a"}},
                    {"name": "two", "context": {"cluster": "c", "user": "plugin"}},
                ],
                "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
                "users": [
                    {"name": "u", "user": {"token": "t"}},
                    {"name": "plugin", "user": {"exec": {"command": "fetch-token"}}},
                ],
            }
        )
    )
    return path


@pytest.fixture
def commands(kubeconfig: Path) -> CommandLine:
    out, err, clock = io.StringIO(), io.StringIO(), Clock()
    cluster = FakeCluster()
    tokens = iter(f"token-{number}" for number in range(1, 100))

    @asynccontextmanager
    async def open_cluster(choice: ClusterChoice) -> AsyncIterator[FakeCluster]:
        cluster.choices.append(choice)
        try:
            context = KubeconfigFiles.find(choice.kubeconfig, environ).context(choice.context)
        except KubeconfigError as error:
            raise WrongUseError(str(error)) from None
        cluster.namespace = context.namespace or "default"
        yield cluster

    environ: Mapping[str, str] = {"KUBECONFIG": str(kubeconfig)}
    context = Context(
        console=Console(out=out, err=err),
        environ=environ,
        program="skillmeat-operator",
        now=lambda: NOW,
        monotonic=lambda: clock.seconds,
        sleep=clock.sleep,
        new_token=lambda: next(tokens),
        open_cluster=open_cluster,
    )
    return CommandLine(cluster, context, out, err)


def ago(**length: float) -> str:
    return (NOW - timedelta(**length)).strftime("%Y-%m-%dT%H:%M:%SZ")


def condition(
    kind: str,
    status: str,
    reason: str,
    message: str = "",
    *,
    since: str = ago(minutes=12),
    generation: int = 1,
) -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since,
        "observedGeneration": generation,
    }


COUNTS = {
    "discovered": 4, "selected": 3, "withheld": 0, "invalid": 0, "conflicting": 0, "published": 3, "held": 0,
    "inCatalog": 3, "missing": 0, "stale": 0,
}  # fmt: skip


def make_source(
    name: str = "main",
    namespace: str = "team-a",
    *,
    conditions: list[Any] | None = None,
    spec: Any = None,
    annotations: Any = None,
    generation: int = 1,
    **status: Any,
) -> dict[str, Any]:
    ready = [condition("Ready", "True", "Succeeded", "3 templates are in the catalog.")]
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "generation": generation,
            "creationTimestamp": ago(days=3),
            "annotations": annotations or {},
        },
        "spec": merge({"source": {"skillmeat": {"url": "http://skillmeat:8000"}}}, spec or {}),
        "status": {
            "observedGeneration": 1,
            "conditions": ready if conditions is None else conditions,
            "entities": COUNTS,
            **status,
        },
    }


def make_bundle(
    name: str = "payments",
    namespace: str = "team-a",
    *,
    source: str = "main",
    conditions: list[Any] | None = None,
    spec: Any = None,
    generation: int = 1,
    **status: Any,
) -> dict[str, Any]:
    ready = [condition("Ready", "True", "Succeeded")]
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "generation": generation,
            "creationTimestamp": ago(days=5),
        },
        "spec": merge({"sourceRef": {"name": source}, "bundleRef": {"name": "Payments"}}, spec or {}),
        "status": {
            "observedGeneration": 1,
            "conditions": ready if conditions is None else conditions,
            **status,
        },
    }


@dataclass(frozen=True)
class Make:
    """Makers of objects and times, as one fixture."""

    now = NOW
    cluster_uid = CLUSTER_UID
    counts = COUNTS
    ago = staticmethod(ago)
    condition = staticmethod(condition)
    sources = CATALOG_SOURCE
    bundles = TEMPLATE_BUNDLE
    source = staticmethod(make_source)
    bundle = staticmethod(make_bundle)


@pytest.fixture
def make() -> Make:
    return Make()
