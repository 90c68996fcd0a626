"""All parts together: started side by side, stopped together, told in one line of JSON."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from testbed.backstage import Backstage
from testbed.cluster import Cluster, ExistingCluster, existing_cluster_wanted
from testbed.controlplane import ControlPlane
from testbed.ports import LOOPBACK, ports
from testbed.programs import DEMO_PROGRAMS, PROGRAMS, find_control_plane
from testbed.runs import RunFolder
from testbed.servers import find_backstage, find_skillmeat
from testbed.skillmeat import SkillMeat
from testbed.workshop import Workshop

RUNNABLE = ("controlplane", "skillmeat", "backstage")


class Parts:
    """Some or all of the parts, in one folder, as a context manager."""

    def __init__(
        self,
        folder: Path,
        *,
        workshop: Workshop | None = None,
        only: Sequence[str] = RUNNABLE,
        controller_manager: bool = False,
    ) -> None:
        """Prepare the parts named in ``only``; raises ``NotInstalledError`` when one is not there.

        With ``USE_EXISTING_CLUSTER=true`` the cluster is that of the current kubeconfig.
        """
        workshop = workshop or Workshop()
        # The portal may read documents on both: the operator's, and those of another provider.
        self.documents_port, self.provider_port = ports.take_range(2)
        self.cluster: Cluster | None = None
        self.skillmeat: SkillMeat | None = None
        self.backstage: Backstage | None = None
        self._servers: list[ControlPlane | SkillMeat | Backstage] = []
        if "controlplane" in only:
            programs = PROGRAMS if controller_manager else DEMO_PROGRAMS
            if existing_cluster_wanted():
                kubectl = find_control_plane(workshop, ["kubectl"])["kubectl"]
                self.cluster = ExistingCluster(folder=folder / "cluster", kubectl=kubectl)
            else:
                control_plane = ControlPlane(
                    folder / "controlplane",
                    programs=find_control_plane(workshop, programs),
                    controller_manager=controller_manager,
                )
                self.cluster = control_plane
                self._servers.append(control_plane)
        if "skillmeat" in only:
            self.skillmeat = SkillMeat(folder / "skillmeat", python=find_skillmeat(workshop))
            self._servers.append(self.skillmeat)
        if "backstage" in only:
            self.backstage = Backstage(
                folder / "backstage",
                files=find_backstage(workshop),
                document_hosts=[f"{LOOPBACK}:{port}" for port in (self.documents_port, self.provider_port)],
            )
            self._servers.append(self.backstage)

    def start(self) -> Parts:
        """Start the parts side by side; when one fails, stop the others and raise its ``PartError``."""
        try:
            with ThreadPoolExecutor(max_workers=len(self._servers) or 1) as pool:
                running = [pool.submit(server.start) for server in self._servers]
                try:
                    wait(running, return_when=FIRST_EXCEPTION)
                    if any(future.done() and future.exception() for future in running):
                        self.stop()  # also ends the waiting of those that still start
                except BaseException:
                    self.stop()
                    raise
            for future in running:
                future.result()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop all parts; also safe when none runs."""
        with ThreadPoolExecutor(max_workers=len(self._servers) or 1) as pool:
            for stopped in [pool.submit(server.stop) for server in self._servers]:
                stopped.result()

    def describe(self) -> dict[str, Any]:
        """Where everything is, for people and scripts."""
        found: dict[str, Any] = {}
        if self.cluster is not None:
            found["kubeconfig"] = str(self.cluster.kubeconfig)
            found["kubectl"] = str(self.cluster.kubectl_path)
        if self.skillmeat is not None:
            found["skillmeat"] = {"url": self.skillmeat.url}
        if self.backstage is not None:
            found["backstage"] = {"url": self.backstage.url, "token": self.backstage.token}
        found["documents"] = {"port": self.documents_port}
        return found

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Stopped(BaseException):
    """SIGTERM or SIGINT came; not an ``Exception``, so that nothing takes it for a failure."""


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Within, the first SIGTERM or SIGINT raises ``Stopped`` in the main thread; later ones do nothing."""

    def stop(number: int, _frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, lambda *_: None)
        raise Stopped(signal.Signals(number).name)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def up(*, only: Sequence[str] = RUNNABLE, controller_manager: bool = False) -> None:
    """Start the parts, print one line of JSON when all are ready, and run until SIGTERM or SIGINT."""
    with contextlib.suppress(Stopped), stoppable(), RunFolder() as run:
        parts = Parts(run.path, only=only, controller_manager=controller_manager)
        with parts:
            print(json.dumps(parts.describe()), flush=True)
            threading.Event().wait()
