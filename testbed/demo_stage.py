"""The stage of the demo: the parts, the operator, and how the steps reach them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from testbed.backstage import Backstage
from testbed.controlplane import ControlPlane
from testbed.demo_files import (
    BUNDLE,
    NAMESPACE,
    OPERATOR_NAMESPACE,
    SOURCE,
    write_examples,
    write_install,
    write_programs,
)
from testbed.demo_play import NotShownError, until
from testbed.demo_screen import Screen
from testbed.demo_view import Expectation, Look, Template
from testbed.demo_watch import PortalWatch
from testbed.errors import PartError
from testbed.ports import LOOPBACK, ports
from testbed.process import Process, plain_environment
from testbed.programs import DEMO_PROGRAMS, find_control_plane
from testbed.servers import find_backstage, find_skillmeat
from testbed.skillmeat import SkillMeat
from testbed.web import call
from testbed.workshop import Workshop

_TEMPLATES = "/api/v1/integrations/idp/templates"
_PORTAL_FILTER = "kind=template,metadata.namespace=skillmeat"
_LOG_LINES = 8
_COMMAND_SECONDS = 120.0
_READY_SECONDS = 60.0  # about 1 s on an idle machine


class Stage:
    """Everything of one demo, in one folder, as a context manager that leaves no process behind."""

    def __init__(self, folder: Path, screen: Screen, *, workshop: Workshop | None = None) -> None:
        """Prepare the parts; nothing runs yet. Raises ``NotInstalledError`` when one is not installed."""
        workshop = workshop or Workshop()
        self.folder = folder
        self.screen = screen
        self.bundles: dict[str, tuple[str, str]] = {}
        """Bundle id and template id in SkillMeat, by the bundle's name."""
        self.documents_port, self.metrics_port = ports.take(), ports.take()
        programs = find_control_plane(workshop, DEMO_PROGRAMS)
        python = find_skillmeat(workshop)
        self.cluster = ControlPlane(folder / "controlplane", programs=programs)
        self.skillmeat = SkillMeat(folder / "skillmeat", python=python)
        self.empty_skillmeat = SkillMeat(folder / "empty-skillmeat", python=python, port=self.skillmeat.port)
        """The same server, at the same address, with a fresh data folder."""
        self.backstage = Backstage(
            folder / "backstage",
            files=find_backstage(workshop),
            document_hosts=[f"{LOOPBACK}:{self.documents_port}"],
        )
        self.operator: Process | None = None
        self.watch: PortalWatch | None = None
        self.work = folder / "demo"
        """The working directory of the commands shown."""
        write_programs(folder / "bin", kubectl=self.cluster.kubectl_path)
        write_install(self.work / "install")
        write_examples(
            self.work / "examples", skillmeat_url=self.skillmeat.url, backstage_url=self.backstage.url
        )

    def start(self, started: Callable[[str], None]) -> None:
        """Start the parts side by side, and call ``started`` with the name of each as soon as it is up.

        Raises the ``PartError`` of the first that fails; the others are stopped then.
        """
        parts: dict[str, Callable[[], object]] = {
            "Backstage": self.backstage.start,
            "SkillMeat": self.skillmeat.start,
            "Kubernetes": self.cluster.start,
        }
        try:
            with ThreadPoolExecutor(max_workers=len(parts)) as pool:
                running: dict[Future[object], str] = {pool.submit(run): name for name, run in parts.items()}
                try:
                    for future in as_completed(running):
                        future.result()
                        started(running[future])
                except BaseException:
                    self.stop()  # also ends the waiting of those that still start
                    raise
        except BaseException:
            self.stop()  # what a thread had not begun to start a moment ago
            raise

    def stop(self) -> None:
        """Stop everything, the operator first; also safe when nothing runs."""
        if self.watch is not None:
            self.watch.stop()
        if self.operator is not None:
            self.operator.stop()
        servers = (self.skillmeat, self.empty_skillmeat, self.backstage, self.cluster)
        with ThreadPoolExecutor(max_workers=len(servers)) as pool:
            for stopped in [pool.submit(server.stop) for server in servers]:
                stopped.result()

    def start_operator(self) -> None:
        """Run the operator with the token of its ServiceAccount, and wait until it is ready."""
        kubeconfig = self.work / "operator.kubeconfig"
        account = self.cluster.service_account_kubeconfig(OPERATOR_NAMESPACE, "skillmeat-operator")
        kubeconfig.symlink_to(account)
        documents = f"{LOOPBACK}:{self.documents_port}"
        lines = [
            "skillmeat-operator run --log-format text --kubeconfig operator.kubeconfig",
            f"--operator-namespace {OPERATOR_NAMESPACE} --allowed-hosts {LOOPBACK}",
            f"--serve-address {documents} --public-url http://{documents}",
            f"--metrics-address {LOOPBACK}:{self.metrics_port}",
        ]
        self.screen.prompt(" \\\n        ".join(lines))
        program, *arguments = " ".join(lines).split()
        self.operator = Process(
            "the operator",
            [self.folder / "bin" / program, *arguments],
            log=self.folder / "operator.log",
            env=plain_environment(HOME=str(self.folder)),
            cwd=self.work,
        )
        self.operator.start().wait_ready(self._operator_is_ready, timeout=_READY_SECONDS)

    def command(self, line: str, *, code: int = 0) -> str:
        """Show a command line, run it, show what it printed, and return that.

        Raises ``NotShownError`` when it ends with another code than this, ``PartError`` when that is because
        the operator has ended.
        """
        self.screen.prompt(line)
        try:
            done = subprocess.run(  # noqa: S603 - the lines are the demo's own
                ["/bin/sh", "-c", line],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=_COMMAND_SECONDS,
                check=False,
                env=plain_environment(**self.variables()),
                cwd=self.work,
            )
        except subprocess.TimeoutExpired:
            raise NotShownError(f"this command took over {_COMMAND_SECONDS:.0f} s.") from None
        self.screen.output(done.stdout)
        if done.returncode != code:
            self.check_operator()
            raise NotShownError(f"this command ended with {done.returncode}, not {code}.")
        return done.stdout

    def variables(self) -> dict[str, str]:
        """The environment of the commands shown."""
        path = plain_environment().get("PATH", "/usr/bin:/bin")
        return {
            "KUBECONFIG": str(self.cluster.kubeconfig),
            "PATH": f"{self.folder / 'bin'}:{path}",
            "BACKSTAGE_TOKEN": self.backstage.token,
            "HOME": str(self.folder),
        }

    def look(self) -> Look:
        """The objects and the portal as they are now; raises ``PartError`` when the operator has ended."""
        self.check_operator()
        portal = [Template.from_entity(entity) for entity in self.backstage.catalog.templates()]
        return Look(
            source=self.cluster.api.get("CatalogSource", SOURCE, NAMESPACE),
            bundle=self.cluster.api.get("TemplateBundle", BUNDLE, NAMESPACE),
            portal={template.name: template for template in portal},
        )

    def check_operator(self) -> None:
        """Raise ``PartError`` with the end of its log when the operator was started and has ended."""
        if self.operator is not None and not self.operator.running:
            tail = "\n".join(self.operator.log_tail().splitlines()[-_LOG_LINES:])
            raise PartError(f"the operator ended with {self.operator.exit_code}:\n{tail}")

    def until(self, *expectations: Expectation, within: float = 60.0) -> Look:
        """Look until all expectations hold; raises ``NotShownError`` after ``within`` seconds."""
        return until(self.look, expectations, within=within)

    def document_url(self) -> str:
        """Where the portal reads the document of the CatalogSource."""
        target: str = self.look().source["status"]["catalog"]["target"]
        return target

    def show_portal(self) -> None:
        """Show the templates that the portal has, by its own by-query."""
        query = urlencode({"filter": _PORTAL_FILTER}, safe="=,")
        self.screen.request("GET", f"{self.backstage.url}/api/catalog/entities/by-query?{query}")
        found = self.backstage.catalog.by_query(_PORTAL_FILTER)
        templates = [Template.from_entity(entity) for entity in found]
        rows = [(one.name, one.version, one.owner, one.title) for one in templates]
        self._show_rows(("NAME", "VERSION", "OWNER", "TITLE"), rows, empty="no templates")

    def show_skillmeat(self) -> None:
        """Show SkillMeat's list, or that it does not answer."""
        self.screen.request("GET", f"{self.skillmeat.url}{_TEMPLATES}")
        rows = []
        try:
            entities = self.skillmeat.templates()
        except OSError as error:
            self.screen.output(str(error.strerror or error))
            return
        for entity in entities:
            metadata: dict[str, Any] = entity["metadata"]
            version = metadata["annotations"]["skillmeat.io/bundle-version"]
            rows.append((metadata["title"], version, ", ".join(metadata.get("tags", ()))))
        self._show_rows(("TITLE", "VERSION", "TAGS"), rows, empty="[]")

    def watch_portal(self) -> None:
        """Read the portal twice a second from now on; what it has now must stay."""
        self.watch = PortalWatch(self.backstage.catalog.names, self.backstage.catalog.names()).start()

    def unwatch_portal(self) -> PortalWatch:
        """End the watch; raises ``NotShownError`` when the portal lacked anything meanwhile."""
        if self.watch is None:
            raise NotShownError("the portal was not watched.")
        self.watch.stop()
        complaint = self.watch.complaint()
        if complaint is not None:
            raise NotShownError(complaint)
        return self.watch

    def _show_rows(self, header: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
        if rows:
            self.screen.table(header, rows)
        else:
            self.screen.output(empty)

    def _operator_is_ready(self) -> bool:
        try:
            return call("GET", f"http://{LOOPBACK}:{self.metrics_port}/readyz", timeout=2.0).status == 200
        except OSError:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
