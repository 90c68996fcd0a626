"""A Kubernetes cluster as the tests see it: a kubeconfig, kubectl, and the API server itself."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cached_property
from pathlib import Path
from typing import Any

from testbed.apiserver import ApiServer
from testbed.errors import MissingPrerequisiteError, PartError
from testbed.process import plain_environment

EXISTING_VARIABLE = "USE_EXISTING_CLUSTER"


class Cluster:
    """Any cluster that is reached by a kubeconfig."""

    def __init__(self, *, folder: Path, kubeconfig: Path, kubectl: Path) -> None:
        """``folder`` takes the files made here, ``kubectl`` is the program's path."""
        self.folder = folder
        self.kubeconfig = kubeconfig
        self.kubectl_path = kubectl

    @cached_property
    def api(self) -> ApiServer:
        """The API server as admin, for what need not be seen through kubectl."""
        return ApiServer.of(self.kubeconfig)

    def kubectl(
        self,
        *args: str | Path,
        input: str | None = None,
        timeout: float = 60.0,
        kubeconfig: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl to its end, however it ends; ``input`` is its standard input.

        ``kubeconfig`` names another user's; the default is the admin's. Raises ``PartError`` when it takes
        over ``timeout`` seconds.
        """
        home = self.folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        command = [str(self.kubectl_path), f"--kubeconfig={kubeconfig or self.kubeconfig}", *map(str, args)]
        try:
            return subprocess.run(  # noqa: S603 - running kubectl is the purpose
                command,
                input=input,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
                env=plain_environment(HOME=str(home)),
            )
        except subprocess.TimeoutExpired:
            raise PartError(f"kubectl {_words(args)} took over {timeout:.0f} s.") from None

    def run(
        self,
        *args: str | Path,
        input: str | None = None,
        timeout: float = 60.0,
        kubeconfig: Path | None = None,
    ) -> str:
        """Run kubectl and return what it printed; raises ``PartError`` with its own message when it fails."""
        done = self.kubectl(*args, input=input, timeout=timeout, kubeconfig=kubeconfig)
        if done.returncode != 0:
            raise PartError(f"kubectl {_words(args)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def get(self, *args: str) -> Any:
        """The object or list that ``kubectl get ARGS`` finds; raises ``PartError`` when there is none."""
        return json.loads(self.run("get", *args, "-o", "json"))

    def apply(self, *documents: Path | dict[str, Any] | str, server_side: bool = False) -> str:
        """``kubectl apply`` of files, folders, objects or YAML texts; returns what it printed."""
        printed = []
        flags = ["--server-side", "--force-conflicts"] if server_side else []
        for document in documents:
            if isinstance(document, Path):
                printed.append(self.run("apply", *flags, "-f", document))
            else:
                text = document if isinstance(document, str) else json.dumps(document)
                printed.append(self.run("apply", *flags, "-f", "-", input=text))
        return "".join(printed)

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig that acts as a service account, so with its rights and no more."""
        return self._write_kubeconfig(f"{namespace}-{name}", {"token": self.api.token(namespace, name)})

    def _write_kubeconfig(self, name: str, user: dict[str, Any]) -> Path:
        current = json.loads(self.kubeconfig.read_text(encoding="utf-8"))
        current["users"] = [{"name": current["contexts"][0]["context"]["user"], "user": user}]
        current["contexts"][0]["context"].pop("namespace", None)
        path = self.folder / f"{name}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(current, indent=2) + "\n", encoding="utf-8")
        return path


class ExistingCluster(Cluster):
    """The cluster of the current kubeconfig, for ``USE_EXISTING_CLUSTER=true``; kind, for instance."""

    def __init__(self, *, folder: Path, kubectl: Path) -> None:
        """Copy the current context of ``KUBECONFIG`` (or ``~/.kube/config``) into ``folder``.

        Raises ``MissingPrerequisiteError`` when there is no such file or context.
        """
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder=folder, kubeconfig=folder / "admin.kubeconfig", kubectl=kubectl)
        named = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
        self.kubeconfig.touch(mode=0o600)
        done = subprocess.run(  # noqa: S603 - running kubectl is the purpose
            [str(kubectl), "config", "view", "--raw", "--minify", "--flatten", "-o", "json"],
            capture_output=True,
            text=True,
            check=False,
            env=plain_environment(HOME=str(Path.home()), KUBECONFIG=named),
        )
        if done.returncode != 0:
            raise MissingPrerequisiteError(
                f"{EXISTING_VARIABLE} is set but no current kubeconfig was found; set KUBECONFIG to one with "
                "a current context, or unset it to use the testbed's own control plane."
            )
        self.kubeconfig.write_text(done.stdout, encoding="utf-8")


def existing_cluster_wanted() -> bool:
    """Whether ``USE_EXISTING_CLUSTER`` asks for the current kubeconfig's cluster."""
    return os.environ.get(EXISTING_VARIABLE, "").lower() in {"true", "1", "yes"}


def _words(args: tuple[str | Path, ...]) -> str:
    return " ".join(map(str, args))
