"""The programs built from Go modules: the control plane's and the judge."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from testbed.cache import digest
from testbed.errors import NotInstalledError, PartError
from testbed.golang import build
from testbed.workshop import Workshop

KUBERNETES_VERSION = "v1.36.3"

_HERE = Path(__file__).parent
_PROGRAMS = {
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "etcd": "go.etcd.io/etcd/server/v3",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
}
"""In the order of building: the longest first, while the package managers still download."""
PROGRAMS = tuple(_PROGRAMS)
DEMO_PROGRAMS = ("kube-apiserver", "etcd", "kubectl")


def find_control_plane(workshop: Workshop, programs: Sequence[str] = PROGRAMS) -> dict[str, Path]:
    """The control plane's programs, from ``KUBEBUILDER_ASSETS`` or the cache; raises ``PartError``."""
    found = {}
    for program in programs:
        places = [workshop.cache.folder / _control_plane_folder() / program]
        assets = workshop.machine.variable("KUBEBUILDER_ASSETS")
        if assets:
            places.insert(0, Path(assets) / program)
        path = next((place for place in places if os.access(place, os.X_OK) and place.is_file()), None)
        if path is None:
            raise NotInstalledError(program, "controlplane")
        found[program] = path
    return found


def install_control_plane(workshop: Workshop, programs: Sequence[str] = PROGRAMS) -> dict[str, Path]:
    """Build the programs that are missing; returns them all."""
    module = _HERE / "controlplane"
    version = "k8s.io/component-base/version"
    major, minor = KUBERNETES_VERSION.removeprefix("v").split(".")[:2]
    flags = (
        f"-s -w -X {version}.gitVersion={KUBERNETES_VERSION} -X {version}.gitMajor={major} "
        f"-X {version}.gitMinor={minor}"
    )
    part, folder = "control plane", _control_plane_folder()
    with workshop.cache.lock("controlplane", waiting=workshop.waiting(part), cancelled=workshop.cancelled):
        for program, package in _PROGRAMS.items():
            if program in programs and not _has_program(workshop, program):
                fill = partial(build, workshop, part, module=module, package=package, flags=flags)
                workshop.cache.fill_file(folder, program, fill)
    return find_control_plane(workshop, programs)


def find_judge(workshop: Workshop) -> Path:
    """The judge's program; raises ``PartError`` when it is not installed."""
    path = workshop.cache.folder / _judge_folder() / "judge"
    if not path.exists():
        raise NotInstalledError("The judge", "judge")
    return path


def install_judge(workshop: Workshop) -> Path:
    """Build the judge if it is missing."""
    with workshop.cache.lock("judge", waiting=workshop.waiting("judge"), cancelled=workshop.cancelled):
        if not workshop.cache.complete(_judge_folder(), ["judge"]):
            fill = partial(build, workshop, "judge", module=_HERE / "judge", package=".", flags="-s -w")
            workshop.cache.fill_file(_judge_folder(), "judge", fill)
    return find_judge(workshop)


def _has_program(workshop: Workshop, program: str) -> bool:
    try:
        find_control_plane(workshop, [program])
    except PartError:
        return False
    return True


def _control_plane_folder() -> str:
    module = _HERE / "controlplane"
    return f"controlplane-{KUBERNETES_VERSION}-{digest(module / 'go.mod', module / 'go.sum')}"


def _judge_folder() -> str:
    module = _HERE / "judge"
    return f"judge-{digest(module / 'go.mod', module / 'go.sum', module / 'main.go')}"
