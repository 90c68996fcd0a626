"""Where the control plane's programs come from."""

from pathlib import Path

import pytest

from testbed.cache import Cache
from testbed.commands import main
from testbed.errors import NotInstalledError
from testbed.prerequisites import Machine
from testbed.programs import (
    DEMO_PROGRAMS,
    PROGRAMS,
    _control_plane_folder,
    find_control_plane,
    install_control_plane,
)
from testbed.progress import Progress
from testbed.workshop import Workshop, environment


class WithAssets(Machine):
    """A machine whose user has the programs of setup-envtest."""

    def __init__(self, assets: Path | None) -> None:
        self._assets = assets

    def variable(self, name: str) -> str | None:
        return str(self._assets) if name == "KUBEBUILDER_ASSETS" and self._assets else None


def workshop(folder: Path, assets: Path | None = None) -> Workshop:
    return Workshop(cache=Cache(folder), machine=WithAssets(assets), progress=Progress(write=lambda _: None))


def put(folder: Path, *programs: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for program in programs:
        (folder / program).write_text("#!/bin/sh\n")
        (folder / program).chmod(0o755)
    return folder


def test_the_users_assets_come_first_and_nothing_is_built(tmp_path, monkeypatch):
    assets = put(tmp_path / "assets", *DEMO_PROGRAMS)
    monkeypatch.setattr("testbed.programs.build", lambda *_args, **_named: pytest.fail("built"))
    found = install_control_plane(workshop(tmp_path / "cache", assets), DEMO_PROGRAMS)
    assert set(found.values()) == {assets / program for program in DEMO_PROGRAMS}


def test_what_the_assets_lack_is_built_alone(tmp_path, monkeypatch):
    assets = put(tmp_path / "assets", *DEMO_PROGRAMS)
    built = []

    def build(_workshop, _part, target, **_named):
        built.append(target.name)
        put(target.parent, target.name)

    monkeypatch.setattr("testbed.programs.build", build)
    place = workshop(tmp_path / "cache", assets)
    found = install_control_plane(place)
    assert built == ["kube-controller-manager.partial"]
    assert found["kube-controller-manager"].parent == tmp_path / "cache" / _control_plane_folder()
    assert found["etcd"].parent == assets

    install_control_plane(place)
    assert len(built) == 1  # the second time there is nothing to do


def test_a_program_that_is_missing_is_named(tmp_path):
    put(tmp_path / _control_plane_folder(), "etcd", "kubectl")
    with pytest.raises(NotInstalledError, match="kube-apiserver is not installed"):
        find_control_plane(workshop(tmp_path), PROGRAMS)


def test_where_prints_a_path(tmp_path, capsys):
    put(tmp_path / _control_plane_folder(), "kubectl")
    assert main(["where", "kubectl"], workshop=workshop(tmp_path)) == 0
    assert capsys.readouterr().out == f"{tmp_path / _control_plane_folder() / 'kubectl'}\n"


def test_a_calling_make_does_not_reach_the_makes_of_the_installs(monkeypatch):
    monkeypatch.setenv("MAKEFLAGS", "-j2 -- PYTHON=python3.11")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("PIP_INDEX_URL", "kept: a mirror of the user")
    found = environment(GOWORK="off")
    assert "MAKEFLAGS" not in found
    assert "PYTHONPATH" not in found
    assert found["PIP_INDEX_URL"]
    assert found["GOWORK"] == "off"
