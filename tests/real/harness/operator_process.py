"""The operator as a process of its own, with the token and the roles of its ServiceAccount."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from testbed.cluster import Cluster
from testbed.ports import LOOPBACK, ports
from testbed.process import Process, plain_environment
from testbed.web import call
from tests.real.harness.forked import ForkedOperator

NAMESPACE = "skillmeat-operator"
IMAGE_ENVIRONMENT = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""What the Dockerfile sets for the operator's process."""

ROOT = Path(__file__).resolve().parents[3]

FAST: dict[str, float | list[float]] = {
    "credential_recheck": 3.0,
    "secret_look": 1.0,
    "secret_grace": 5.0,
    "missing_retry": 1.0,
    "backoff_first": 0.5,
    "backoff_longest": 2.0,
    "diagnose_after": 3.0,
    "progress_deadline": 8.0,
    "ghost_after": 6.0,
    "staleness_least": 2.0,
    "verify_every": 1.0,
    "verify_early": [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0],
}
"""Fixed times of the operator, scaled so that a test does not wait for what takes minutes in production."""


@dataclass
class OperatorProcess:
    """One operator; ``start`` returns when it is ready."""

    cluster: Cluster
    folder: Path
    documents_port: int
    backstage_url: str | None = None
    backstage_token: str | None = None
    namespaces: Sequence[str] = ()
    allowed_hosts: Sequence[str] = (LOOPBACK,)
    public_url: str | None = "default"
    arguments: Sequence[str] = ()
    timings: Mapping[str, float | list[float]] = field(default_factory=dict)
    fresh: bool = False
    """Start a program of its own, as in production, in place of a fork that has the modules loaded."""
    before: Callable[[], None] | None = None
    """Called in the operator's process before its program begins; not with ``fresh``."""
    metrics_port: int = 0
    running: ClassVar[int] = 0
    """How many operators of this process run."""
    process: Process | ForkedOperator | None = None
    kubeconfig: Path | None = None
    """Made at the first start."""

    @property
    def log(self) -> Path:
        """File with everything the operator writes."""
        return self.folder / "operator.log"

    @property
    def token_file(self) -> Path:
        """File of ``--backstage-token-file``."""
        return self.folder / "portal-token"

    @property
    def documents_url(self) -> str:
        """Base URL of the documents."""
        return f"http://{LOOPBACK}:{self.documents_port}"

    def start(self, *, wait: bool = True) -> OperatorProcess:
        """Start, or start again with the same settings."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.metrics_port = self.metrics_port or ports.take()
        if self.kubeconfig is None:
            self.kubeconfig = self.cluster.service_account_kubeconfig(NAMESPACE, "skillmeat-operator")
        argv = ["run", "--kubeconfig", str(self.kubeconfig), "--operator-namespace", NAMESPACE]
        argv += ["--serve-address", f"{LOOPBACK}:{self.documents_port}"]
        argv += ["--metrics-address", f"{LOOPBACK}:{self.metrics_port}", "--log-level", "debug"]
        if self.public_url is not None:
            argv += ["--public-url", self.documents_url if self.public_url == "default" else self.public_url]
        if self.backstage_url is not None:
            argv += ["--backstage-url", self.backstage_url]
        if self.backstage_token is not None:
            self.token_file.write_text(self.backstage_token)
            argv += ["--backstage-token-file", str(self.token_file)]
        for host in self.allowed_hosts:
            argv += ["--allowed-hosts", host]
        for namespace in self.namespaces:
            argv += ["--namespace", namespace]
        environment = {
            **plain_environment(),
            "PYTHONPATH": str(ROOT / "operator"),
            **IMAGE_ENVIRONMENT,
            "SKILLMEAT_OPERATOR_TIMINGS": json.dumps({**FAST, **self.timings}),
        }
        # One that was killed from outside and is started again still counts.
        OperatorProcess.running += self.process is None
        argv += self.arguments
        if self.fresh:
            program = [sys.executable, "-m", "skillmeat_operator.cli.main"]
            self.process = Process("operator", [*program, *argv], log=self.log, env=environment)
        else:
            self.process = ForkedOperator(argv, log=self.log, env=environment, before=self.before)
        self.process.start()
        if wait:
            self.process.wait_ready(self.is_ready, timeout=30)
        return self

    def is_ready(self) -> bool:
        """Whether both kinds were listed."""
        try:
            return call("GET", f"http://{LOOPBACK}:{self.metrics_port}/readyz", timeout=2).status == 200
        except OSError:
            return False

    def stop(self) -> tuple[int, float]:
        """Ask the operator to stop (SIGTERM); exit code and seconds."""
        if self.process is None:
            return 0, 0.0
        began = time.monotonic()
        code = self.process.stop(grace=15)
        self._ended()
        return code, time.monotonic() - began

    def kill(self) -> None:
        """End the operator at once (SIGKILL)."""
        if self.process is not None:
            self.process.kill()
            self._ended()

    def _ended(self) -> None:
        self.process = None
        OperatorProcess.running -= 1

    def __enter__(self) -> OperatorProcess:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


NewOperator = Callable[..., OperatorProcess]
"""What the fixture ``new_operator`` gives: takes fields of ``OperatorProcess`` by name."""
