"""Finds the cluster a command talks to, by kubectl's rules: file, context and namespace.

kubectl merges the files of KUBECONFIG; of two values for one thing the first file's wins, for the current
context too (https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from skillmeat_operator.cli.errors import WrongUseError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_NAMESPACE: Final = "default"
SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class ClusterChoice:
    """Which cluster to talk to, and as whom."""

    kubeconfig: str | None
    """One or more files in the syntax of KUBECONFIG; None inside a pod."""
    context: str | None
    """Name of the context; None inside a pod."""
    namespace: str
    """Namespace that counts where none is given."""
    exec_command: str | None = None
    """Credential plugin the context's user runs, if it does."""


def choose_cluster(
    kubeconfig: str | None,
    context: str | None,
    environ: Mapping[str, str],
    *,
    pod_first: bool = False,
    service_account: Path = SERVICE_ACCOUNT,
) -> ClusterChoice:
    """Return the cluster that flags, environment and files name.

    The order is kubectl's: `--kubeconfig`, KUBECONFIG, `~/.kube/config`, the pod's service account. With
    `pod_first` it is the operator's own: the service account before `~/.kube/config`.

    Raises:
        WrongUseError: there is no kubeconfig, it cannot be read, or it does not have the context.
    """
    paths, origin = _paths(kubeconfig, environ)
    files = [path for path in paths if path.is_file()]
    in_pod = origin is None and context is None and "KUBERNETES_SERVICE_HOST" in environ
    if in_pod and (pod_first or not files):
        return ClusterChoice(kubeconfig=None, context=None, namespace=_pod_namespace(service_account))
    if not files:
        if origin is None:
            raise WrongUseError("There is no kubeconfig: give --kubeconfig FILE or set KUBECONFIG.")
        raise WrongUseError(f"{origin} names no file that exists: {os.pathsep.join(map(str, paths))}.")
    documents = [_read(path) for path in files]
    name = context or _first(document.get("current-context") for document in documents)
    if not name:
        raise WrongUseError("The kubeconfig has no current context: give --context NAME.")
    entry = _named(documents, "contexts", str(name))
    if entry is None:
        raise WrongUseError(f"The kubeconfig has no context {name!r}: see `kubectl config get-contexts`.")
    details = _mapping(entry.get("context"))
    user = _mapping(_mapping(_named(documents, "users", str(details.get("user")))).get("user"))
    command = _mapping(user.get("exec")).get("command")
    return ClusterChoice(
        kubeconfig=os.pathsep.join(map(str, files)),
        context=str(name),
        namespace=str(details.get("namespace") or DEFAULT_NAMESPACE),
        exec_command=str(command) if command else None,
    )


def _paths(kubeconfig: str | None, environ: Mapping[str, str]) -> tuple[list[Path], str | None]:
    """Return the files to look at and what named them, None for the default place."""
    if kubeconfig:
        return [Path(kubeconfig).expanduser()], "--kubeconfig"
    if environ.get("KUBECONFIG"):
        return [
            Path(part).expanduser() for part in environ["KUBECONFIG"].split(os.pathsep) if part
        ], "KUBECONFIG"
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    return [home / ".kube" / "config"], None


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise WrongUseError(f"The kubeconfig {path} cannot be read: {error.strerror}.") from None
    except yaml.YAMLError:
        raise WrongUseError(f"The kubeconfig {path} is not YAML.") from None
    if not isinstance(document, dict):
        raise WrongUseError(f"The kubeconfig {path} is not a kubeconfig: it has to be a mapping.")
    return document


def _pod_namespace(service_account: Path) -> str:
    try:
        return (service_account / "namespace").read_text(encoding="utf-8").strip() or DEFAULT_NAMESPACE
    except OSError:
        return DEFAULT_NAMESPACE


def _named(documents: list[dict[str, Any]], section: str, name: str) -> dict[str, Any] | None:
    entries = [entry for document in documents for entry in document.get(section) or []]
    return next((entry for entry in entries if isinstance(entry, dict) and entry.get("name") == name), None)


def _first(values: Any) -> Any:
    return next((value for value in values if value), None)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
