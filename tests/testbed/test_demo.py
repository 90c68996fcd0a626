# ruff: noqa: S603 - starting programs is what is tested
"""The demo's exit code tells the truth, and nothing is left behind, however it ends.

The stage is the real class with one small program in place of the servers, so that it is quick.
"""

import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from testbed.demo import main
from testbed.demo_files import ROOT
from testbed.demo_play import DONE, INTERRUPTED, NOT_SHOWN, NotShownError, Step, play
from testbed.demo_screen import Screen
from testbed.demo_stage import Stage
from testbed.errors import PartError
from testbed.process import Process, alive


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path, monkeypatch):
    """Where the folders of the demos lie, so that no other testbed sweeps them."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


class SmallStage(Stage):
    """A stage whose only part is a program that sleeps."""

    def __init__(self, folder: Path, screen: Screen) -> None:
        self.folder, self.screen, self.work = folder, screen, folder / "demo"
        self.work.mkdir()
        self.operator = self.watch = None
        self.cluster = SimpleNamespace(kubeconfig=folder / "admin.kubeconfig")
        self.skillmeat = SimpleNamespace(url="http://skillmeat.test")
        self.backstage = SimpleNamespace(url="http://backstage.test", token="a-token")
        self.part = Process("part", ["sleep", "600"], log=folder / "part.log")

    def start(self, started) -> None:
        self.part.start()
        started("a part")

    def stop(self) -> None:
        self.part.stop()

    def document_url(self) -> str:
        return "http://documents.test/demo.yaml"


class UnstartableStage(SmallStage):
    def start(self, started) -> None:
        self.part.start()
        raise PartError("SkillMeat was not ready.")


def nothing(_stage) -> None:
    return


def fails_with(error: Exception):
    def step(_stage) -> None:
        raise error

    return step


def runs(line: str, code: int = 0):
    return lambda stage: stage.command(line, code=code)


def run_demo(*steps, stage=SmallStage):
    """Exit code of a demo with these steps, and the stage, which must be stopped."""
    stages = []

    def opened(folder: Path, screen: Screen) -> Stage:
        stages.append(stage(folder, screen))
        return stages[0]

    code = main(
        {"DEMO_ONCE": "1"}, open_stage=opened, steps=[Step(f"step {n}", one) for n, one in enumerate(steps)]
    )
    assert not stages[0].part.running
    return code, stages[0]


@pytest.mark.parametrize(
    ("step", "told"),
    [
        pytest.param(fails_with(NotShownError("the portal lacks x.")), "the portal lacks x.", id="not shown"),
        pytest.param(fails_with(PartError("The operator ended.")), "The operator ended.", id="a part failed"),
        pytest.param(fails_with(ConnectionRefusedError("refused")), "refused", id="a server is away"),
        pytest.param(runs("exit 3"), "ended with 3, not 0", id="a command failed"),
        pytest.param(runs("true", code=1), "ended with 0, not 1", id="a command succeeded that should not"),
    ],
)
def test_a_step_that_does_not_show_what_it_should_ends_the_demo_with_1(step, told, capsys):
    played = []
    code, stage = run_demo(nothing, step, lambda _: played.append("next"))
    printed = capsys.readouterr().out
    assert code == NOT_SHOWN
    assert told in printed
    assert "Every step showed what it should" not in printed
    assert played == []
    assert str(stage.folder) in printed
    assert stage.folder.exists()  # for a look at the logs


def test_a_command_that_failed_because_the_operator_ended_says_so(capsys):
    def step(stage) -> None:
        stage.operator = Process(
            "the operator", ["sh", "-c", "echo no token >&2; exit 7"], log=stage.folder / "log"
        )
        stage.operator.start().wait(10)
        stage.command("false")

    code, _ = run_demo(step)
    assert code == NOT_SHOWN
    assert "the operator ended with 7:\nno token" in capsys.readouterr().out


def test_a_part_that_does_not_start_ends_the_demo_with_1(capsys):
    code, _ = run_demo(nothing, stage=UnstartableStage)
    assert code == NOT_SHOWN
    assert "SkillMeat was not ready." in capsys.readouterr().out


def test_a_demo_whose_steps_all_show_what_they_should_ends_with_0_and_leaves_no_folder(capsys):
    code, stage = run_demo(nothing, runs("echo $BACKSTAGE_TOKEN; exit 4", code=4))
    printed = capsys.readouterr().out
    assert code == DONE
    assert "    a-token\n" in printed
    assert "Every step showed what it should" in printed
    assert "export KUBECONFIG" not in printed  # nothing is there any more to look at
    assert "\x1b" not in printed
    assert not stage.folder.exists()


SCRIPT = """
import sys, threading
from testbed.demo import main
from testbed.demo_play import Step
from tests.testbed.test_demo import SmallStage

def step(stage):
    print("pid", stage.part.pid, stage.folder, flush=True)
    if sys.argv[1] == "within":
        stage.command("echo waiting; sleep 600")

sys.exit(main({}, open_stage=SmallStage, steps=[Step("one", step)]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize(
    ("moment", "ready", "code"),
    [
        pytest.param("after", "the operator's log", DONE, id="after the last step"),
        pytest.param("within", "sleep 600", INTERRUPTED, id="within a step"),
    ],
)
def test_ctrl_c_ends_everything(moment, ready, code, number):
    demo = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, moment],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    lines = []
    for line in demo.stdout:
        lines.append(line)
        if ready in line:
            break
    time.sleep(0.3)
    os.killpg(demo.pid, number)  # as a terminal does
    rest, _ = demo.communicate(timeout=20)
    printed = "".join(lines) + rest
    assert demo.returncode == code, printed
    assert "Everything is stopped." in printed
    assert "Traceback" not in printed
    looks_around = "export KUBECONFIG=" in printed and "Ctrl-C" in printed
    assert looks_around is (moment == "after")
    pid, folder = next(line.split()[1:] for line in lines if line.startswith("pid "))
    assert not alive(int(pid))
    assert not Path(folder).exists()


def test_steps_are_played_in_order_and_numbered():
    stream, played = io.StringIO(), []
    assert play(
        [Step("first", lambda stage: played.append((1, stage))), Step("second", lambda _: played.append(2))],
        "stage",
        Screen(stream, clock=lambda: 0.0),
    )
    assert played == [(1, "stage"), 2]
    assert stream.getvalue() == "\n[0:00] 1/2  first\n\n[0:00] 2/2  second\n"
