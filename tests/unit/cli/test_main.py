"""The program as a whole: which command runs, what it loads, how errors look."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from skillmeat_operator.cli.main import COMMANDS, command


def test_without_arguments_it_lists_the_commands(commands) -> None:
    assert commands.run() == 2
    assert all(f"  {name} " in commands.printed for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples_and_exit_codes(commands, capsys, name: str) -> None:
    assert commands.run(name, "--help") == 0
    printed = capsys.readouterr().out
    assert f"Usage: skillmeat-operator {name}" in printed
    assert "Examples:\n  skillmeat-operator" in printed
    assert "Exit code: 0" in printed


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_lives_in_the_module_of_its_name(name: str) -> None:
    assert command(name).name == name


def test_version(commands, capsys) -> None:
    assert commands.run("--version") == 0
    assert capsys.readouterr().out.startswith("skillmeat-operator ")


WRONG = {
    "unknown command": (
        ["statsu"],
        "error: No such command 'statsu'; see `skillmeat-operator --help`.\n",
    ),
    "unknown flag": (
        ["status", "--what"],
        "error: No such option '--what'; see `skillmeat-operator status --help`.\n",
    ),
    "abbreviated flag": (
        ["status", "--all"],
        "error: No such option '--all'; see `skillmeat-operator status --help`.\n",
    ),
    "a flag of a later version": (
        ["sync", "source/main", "--refresh"],
        "error: No such option '--refresh'; see `skillmeat-operator sync --help`.\n",
    ),
    "no name": (
        ["sync"],
        "error: Missing argument 'NAME'; see `skillmeat-operator sync --help`.\n",
    ),
    "name without kind": (["suspend", "main"], "error: Write source/NAME or bundle/NAME, not 'main'.\n"),
    "a flag in front that the command does not have": (
        ["-A", "sync", "source/main"],
        "error: No such option: --all-namespaces; see `skillmeat-operator sync --help`.\n",
    ),
    "two objects where one is meant": (
        ["sync", "source", "a", "b"],
        "error: Name one object, not 2: write source/NAME or bundle/NAME.\n",
    ),
    "a duration that is none": (
        ["status", "--request-timeout", "soon"],
        "error: Invalid value for '--request-timeout': write a duration such as 30s, 5m or 1h30m (units h, m, "
        "s, ms); see `skillmeat-operator status --help`.\n",
    ),
    "all namespaces for one object": (
        ["status", "source/main", "-A"],
        "error: Name the namespace by --namespace instead of --all-namespaces: NAME means one object.\n",
    ),
    "unknown context": (
        ["status", "--context", "three"],
        "error: The kubeconfig has no context 'three': see `kubectl config get-contexts`.\n",
    ),
    "no kubeconfig": (
        ["status", "--kubeconfig", "/nonexistent/config"],
        "error: --kubeconfig names no file that exists: /nonexistent/config.\n",
    ),
    "wrong duration": (
        ["sync", "source/main", "--timeout", "soon"],
        "error: --timeout: write a duration such as 30s, 5m or 1h30m (units h, m, s, ms).\n",
    ),
    "wrong output": (["status", "-o", "xml"], None),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_one_sentence_and_exit_code_2(commands, case: str) -> None:
    arguments, said = WRONG[case]
    assert commands.run(*arguments) == 2
    assert commands.printed == ""
    assert commands.said.count("\n") == 1
    if said is not None:
        assert commands.said == said


def run_process(*arguments: str, code: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    program = code or "import sys; from skillmeat_operator.cli.main import main; sys.exit(main())"
    return subprocess.run(  # noqa: S603
        [sys.executable, "-W", "error", "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**{key: value for key, value in os.environ.items() if key != "KUBECONFIG"}, **environ},
    )


def test_crds_need_no_cluster_and_are_applicable_yaml() -> None:
    done = run_process("crds", HOME="/nonexistent")
    assert done.returncode == 0, done.stderr
    documents = list(yaml.safe_load_all(done.stdout))
    assert [document["kind"] for document in documents] == ["CustomResourceDefinition"] * 2
    assert {document["metadata"]["name"] for document in documents} == {
        "catalogsources.skillmeat.io",
        "templatebundles.skillmeat.io",
    }


@pytest.mark.parametrize("command", ["crds", "status"])
def test_a_command_loads_only_what_it_needs(command: str) -> None:
    code = (
        "import sys\nfrom skillmeat_operator.cli.main import main\n"
        f"code = main(['{command}'] + (['--help'] if '{command}' == 'status' else []))\n"
        "heavy = [name for name in ('kopf', 'kubernetes', 'httpx', 'aiohttp') if name in sys.modules]\n"
        "sys.exit(f'loaded {heavy}' if heavy else code)"
    )
    done = run_process(code=code)
    assert done.returncode == 0, done.stderr


def test_the_operator_loads_nothing_that_only_people_need() -> None:
    code = (
        "import sys\nfrom skillmeat_operator.cli.main import main\n"
        "import skillmeat_operator.controller.operator as operator\n"
        "async def run(settings):\n    return 0\n"
        "operator.run_operator = run\n"
        "code = main(['run', '--workers', '3'])\n"
        "pages = [name for name in sys.modules if name.startswith('skillmeat_operator.cli.pages')]\n"
        "people = [name for name in ('rich', 'pygments', 'markdown_it') if name in sys.modules] + pages\n"
        "sys.exit(f'loaded {people}' if people else code)"
    )
    done = run_process(code=code)
    assert done.returncode == 0, done.stderr


def test_data_for_programs_is_made_without_what_lays_out_pages(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(
        "{current-context: c, contexts: [{name: c, context: {cluster: c}}],"
        " clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]}"
    )
    code = (
        "import sys\nfrom skillmeat_operator.cli.main import main\n"
        "code = main(['status', '-o', 'json'])\n"
        "sys.exit(3 if 'rich' in sys.modules else code)"
    )
    done = run_process(code=code, KUBECONFIG=str(kubeconfig))
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: The API server http://127.0.0.1:1 cannot be used")


def test_a_reader_that_leaves_early_is_no_error() -> None:
    code = (
        "import sys\nfrom skillmeat_operator.cli import main\n"
        "def leave(arguments, context):\n    raise BrokenPipeError\n"
        "main.dispatch = leave\nsys.exit(main.main(['crds']))"
    )
    done = run_process(code=code)
    assert (done.returncode, done.stderr) == (0, "")


def test_as_kubectl_plugin_it_calls_itself_so() -> None:
    code = (
        "import sys\nsys.argv = ['/usr/bin/kubectl-skillmeat', 'sync', '--help']\n"
        "from skillmeat_operator.cli.main import main\nsys.exit(main())"
    )
    assert run_process(code=code).stdout.startswith("Usage: kubectl skillmeat sync ")
