"""Completion: of shells, and of kubectl by its plugin's helper."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from skillmeat_operator.cli.completion import for_kubectl
from skillmeat_operator.cli.main import COMMANDS, program

PROPOSED = {
    "commands": ([""], [f"{name}\t{COMMANDS[name]}" for name in COMMANDS], 4),
    "commands that begin so": (["su"], [f"suspend\t{COMMANDS['suspend']}"], 4),
    "behind kubectl's own flags": (["-n", "team-a", "res"], [f"resume\t{COMMANDS['resume']}"], 4),
    "values of a flag": (["status", "-o", "y"], ["yaml"], 4),
    "files": (["status", "--kubeconfig", ""], [], 0),
}


@pytest.mark.parametrize("case", PROPOSED)
def test_kubectl_gets_proposals_and_a_directive(case: str) -> None:
    words, proposals, directive = PROPOSED[case]
    *found, last = for_kubectl(program(), words).splitlines()
    assert found == proposals
    assert last == f":{directive}"


def test_flags_of_a_command_are_proposed_with_their_help() -> None:
    assert "--wait\tWait until the operator has handled the request." in for_kubectl(
        program(), ["sync", "--"]
    )


def test_kubectl_itself_completes_the_plugin(tmp_path: Path) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not in PATH")
    for name, call in {
        "kubectl-skillmeat": "from skillmeat_operator.cli.main import main",
        "kubectl_complete-skillmeat": "from skillmeat_operator.cli.completion import kubectl_main as main",
    }.items():
        path = tmp_path / name
        path.write_text(f"#!{sys.executable}\nimport sys\n{call}\nsys.exit(main())\n")
        path.chmod(0o755)
    done = subprocess.run(  # noqa: S603
        [kubectl, "__complete", "skillmeat", "status", "--out"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)},
    )
    assert done.stdout.splitlines()[0].split("\t")[0] == "--output"
    assert done.stdout.splitlines()[-1] == ":4"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(commands, shell: str) -> None:
    assert commands.run("completion", shell) == 0
    assert f"_SKILLMEAT_OPERATOR_COMPLETE={shell}_complete" in commands.printed
    if shutil.which(shell):
        done = subprocess.run(  # noqa: S603
            [shell, "-n"], input=commands.printed, capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_bash_completes_by_the_script(commands, tmp_path: Path) -> None:
    commands.run("completion", "bash")
    script = tmp_path / "script"
    script.write_text(commands.printed)
    path = tmp_path / "skillmeat-operator"
    path.write_text(
        f"#!{sys.executable}\nimport sys\nfrom skillmeat_operator.cli.main import main\nsys.exit(main())\n"
    )
    path.chmod(0o755)
    ask = (
        f". {script}\nCOMP_WORDS=(skillmeat-operator status -o js)\nCOMP_CWORD=3\n"
        "_skillmeat_operator_completion skillmeat-operator\nprintf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(  # noqa: S603
        ["bash", "-c", ask],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    assert done.stdout == "json\n"


def test_another_shell_is_wrong_use(commands) -> None:
    assert commands.run("completion", "cmd") == 2
