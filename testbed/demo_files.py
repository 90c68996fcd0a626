"""The files of one demo: what is applied, and the programs by the names that people type."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMESPACE = "demo"
SOURCE = "skillmeat"
BUNDLE = "fin-serv"
OPERATOR_NAMESPACE = "skillmeat-operator"
INTERVAL = "10s"
"""`spec.interval`; the example's 5m would make people wait for a poll."""

_KUSTOMIZATION = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}


def write_install(folder: Path) -> None:
    """Write an overlay of `manifests/default` without what needs a node: the Deployment and its Service."""
    removed = [
        {"apiVersion": version, "kind": kind, "metadata": {"name": "skillmeat-operator"}, "$patch": "delete"}
        for version, kind in (("apps/v1", "Deployment"), ("v1", "Service"))
    ]
    _write(
        folder,
        {
            **_KUSTOMIZATION,
            "resources": [_relative(ROOT / "manifests" / "default", folder)],
            "patches": [
                {"target": {"kind": patch["kind"]}, "patch": json.dumps(patch, indent=2)} for patch in removed
            ],
        },
    )


def write_examples(folder: Path, *, skillmeat_url: str, backstage_url: str) -> None:
    """Write an overlay of `examples` with the addresses of this run, in a namespace of its own."""
    changes = [
        {"op": "replace", "path": "/spec/source/skillmeat/url", "value": skillmeat_url},
        {"op": "replace", "path": "/spec/backstage/url", "value": backstage_url},
        {"op": "replace", "path": "/spec/interval", "value": INTERVAL},
    ]
    # The id of a bundle that is yet to be made is not known.
    by_name = [{"op": "replace", "path": "/spec/bundleRef", "value": {"name": BUNDLE}}]
    _write(
        folder,
        {
            **_KUSTOMIZATION,
            "namespace": NAMESPACE,
            "resources": [_relative(ROOT / "examples", folder)],
            "patches": [
                {"target": {"kind": "CatalogSource"}, "patch": json.dumps(changes, indent=2)},
                {"target": {"kind": "TemplateBundle"}, "patch": json.dumps(by_name, indent=2)},
            ],
        },
    )


def write_programs(folder: Path, *, kubectl: Path) -> None:
    """Put `kubectl` and `skillmeat-operator` into a folder for PATH."""
    folder.mkdir(parents=True)
    (folder / "kubectl").symlink_to(kubectl)
    package, python = (shlex.quote(str(path)) for path in (ROOT / "operator", Path(sys.executable)))
    program = folder / "skillmeat-operator"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={package} exec {python} -m skillmeat_operator.cli.main "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)


def _relative(target: Path, folder: Path) -> str:
    # kustomize takes no absolute paths.
    return os.path.relpath(target.resolve(), folder.resolve())


def _write(folder: Path, kustomization: dict[str, object]) -> None:
    folder.mkdir(parents=True)
    text = json.dumps(kustomization, indent=2)  # JSON is YAML
    (folder / "kustomization.yaml").write_text(f"{text}\n", encoding="utf-8")
