"""The pins are complete, agree with each other, and name no addresses."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from testbed.programs import KUBERNETES_VERSION
from testbed.skillmeat import VERSION

ROOT = Path(__file__).parents[2]
TESTBED = ROOT / "testbed"
PINNED = [
    ROOT / "requirements" / "runtime.txt",
    ROOT / "requirements" / "dev.txt",
    TESTBED / "skillmeat" / "requirements.txt",
    TESTBED / "toolchain" / "go.txt",
    TESTBED / "toolchain" / "node.txt",
]


@pytest.mark.parametrize("path", PINNED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_requirements_are_pinned_with_hashes_and_without_addresses(path):
    text = path.read_text()
    entries = re.findall(r"^[a-z0-9](?:[^\n]*\\\n)*[^\n]*", text, re.MULTILINE)
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry
    assert "://" not in text
    assert not re.search(r"^\s*--(?!hash)", text, re.MULTILINE)


def test_runtime_requirements_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    lines = (ROOT / "requirements" / "runtime.in").read_text().splitlines()
    assert sorted(project) == sorted(line for line in lines if line and not line.startswith("#"))


def test_the_lock_file_of_the_portal_names_no_registry():
    lock = json.loads((TESTBED / "backstage" / "package-lock.json").read_text())
    manifest = json.loads((TESTBED / "backstage" / "package.json").read_text())
    assert lock["packages"][""]["dependencies"] == manifest["dependencies"]
    for name, package in lock["packages"].items():
        assert "resolved" not in package, name
        assert name == "" or "integrity" in package, name


def test_versions_agree_between_code_and_pins():
    assert f"k8s.io/kubernetes {KUBERNETES_VERSION}\n" in (TESTBED / "controlplane" / "go.mod").read_text()
    assert f"skillmeat=={VERSION} " in (TESTBED / "skillmeat" / "requirements.txt").read_text()


def test_the_top_level_folder_does_not_shadow_the_standard_library():
    import operator  # noqa: PLC0415 - the import is what is tested

    assert callable(operator.itemgetter)
    assert not (ROOT / "operator" / "__init__.py").exists()
