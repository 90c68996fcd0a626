"""Kubeconfigs as kubectl reads them: files merged, one context chosen, the paths in it made absolute.

Of two entries of one name the first file's counts, for the current context too
(https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from skillmeat_operator.adapters.kubernetes.errors import AccessError

_CLUSTER_PATHS: Final = ("certificate-authority",)
_USER_PATHS: Final = ("client-certificate", "client-key", "tokenFile")
# Entries whose value must not be told apart from a missing one where it is empty.
_LITERAL: Final = (bool, dict, list)


class KubeconfigError(AccessError):
    """The kubeconfig, or the flag or variable that names it, has to be changed first."""


@dataclass(frozen=True, slots=True)
class KubeconfigContext:
    """One context of a kubeconfig with what it refers to."""

    name: str
    namespace: str | None
    cluster: Mapping[str, Any]
    """Fields of its cluster that are not empty, paths absolute."""
    user: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Fields of its user that are not empty, paths absolute; empty where it names no user that is there:
    kubectl then goes on anonymously."""


@dataclass(frozen=True, slots=True)
class KubeconfigFiles:
    """Which files count."""

    paths: tuple[Path, ...]
    """Those that exist, the first one wins."""
    named_by: str | None
    """The flag or variable that named them; None for the default place."""
    named: str = ""
    """What it named."""

    @classmethod
    def find(cls, flag: str | None, environ: Mapping[str, str]) -> KubeconfigFiles:
        """The file of ``--kubeconfig``, else those of ``KUBECONFIG``, else ``~/.kube/config``."""
        if flag:
            return cls._existing([flag], "--kubeconfig")
        if environ.get("KUBECONFIG"):
            return cls._existing(environ["KUBECONFIG"].split(os.pathsep), "KUBECONFIG")
        home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
        return cls._existing([str(home / ".kube" / "config")], None)

    @classmethod
    def _existing(cls, names: list[str], named_by: str | None) -> KubeconfigFiles:
        paths = [Path(name).expanduser().absolute() for name in names if name]
        return cls(
            paths=tuple(path for path in paths if path.is_file()),
            named_by=named_by,
            named=os.pathsep.join(name for name in names if name),
        )

    def context(self, name: str | None = None) -> KubeconfigContext:
        """Read the files and return the context of this name, else the current one.

        Raises:
            KubeconfigError: there is no file, one is no kubeconfig, or the context or its cluster is missing.
        """
        if not self.paths:
            if self.named_by is None:
                raise KubeconfigError("There is no kubeconfig: give --kubeconfig FILE or set KUBECONFIG.")
            raise KubeconfigError(f"{self.named_by} names no file that exists: {self.named}.")
        files = [_File.read(path) for path in self.paths]
        wanted = name or next(filter(None, (file.current_context for file in files)), None)
        if wanted is None:
            raise KubeconfigError("The kubeconfig has no current context: give --context NAME.")
        found = _entry(files, "contexts", "context", wanted)
        if found is None:
            raise KubeconfigError(
                f"The kubeconfig has no context {wanted!r}: see `kubectl config get-contexts`."
            )
        cluster_name, user_name = found.get("cluster"), found.get("user")
        cluster = _entry(files, "clusters", "cluster", str(cluster_name)) if cluster_name else None
        if cluster is None or not cluster.get("server"):
            raise KubeconfigError(
                f"The kubeconfig's context {wanted!r} leads to no cluster with a server: see `kubectl config "
                "view`."
            )
        return KubeconfigContext(
            name=wanted,
            namespace=str(found["namespace"]) if found.get("namespace") else None,
            cluster=cluster,
            user=(_entry(files, "users", "user", str(user_name)) if user_name else None) or {},
        )


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    content: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> _File:
        try:
            content = yaml.safe_load(path.read_bytes())
        except OSError as error:
            raise KubeconfigError(f"The kubeconfig {path} cannot be read: {error.strerror}.") from None
        except (yaml.YAMLError, ValueError):
            raise KubeconfigError(f"The kubeconfig {path} is not YAML.") from None
        if content is None:
            return cls(path, {})
        if not isinstance(content, dict):
            raise KubeconfigError(f"The kubeconfig {path} is not a kubeconfig: it has to be a mapping.")
        return cls(path, content)

    @property
    def current_context(self) -> str | None:
        name = self.content.get("current-context")
        return str(name) if name else None

    def named(self, section: str) -> Iterable[Mapping[str, Any]]:
        """Entries of a list of named things."""
        entries = self.content.get(section) or []
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise KubeconfigError(
                f"The kubeconfig {self.path} is not a kubeconfig: {section} has to be a list of named "
                "entries."
            )
        return entries

    def resolved(self, key: str, value: Any) -> Any:
        """A field's value, absolute where it is a path: relative ones start at the file's folder."""
        if key in (*_CLUSTER_PATHS, *_USER_PATHS):
            return str(self.path.parent / Path(str(value)))
        if key == "exec" and isinstance(value, dict):
            command = str(value.get("command") or "")
            # A bare name is looked up in PATH.
            return {**value, "command": str(self.path.parent / command) if "/" in command else command}
        return value if isinstance(value, _LITERAL) else str(value)


def _entry(files: list[_File], section: str, inner: str, name: str) -> dict[str, Any] | None:
    for file in files:
        for entry in file.named(section):
            if str(entry.get("name")) != name:
                continue
            found = entry.get(inner) or {}
            if not isinstance(found, dict):
                raise KubeconfigError(
                    f"The kubeconfig {file.path} is not a kubeconfig: {inner} of {name!r} has to be a "
                    "mapping."
                )
            return {
                str(key): file.resolved(key, value)
                for key, value in found.items()
                if value is not None and value != ""
            }
    return None
