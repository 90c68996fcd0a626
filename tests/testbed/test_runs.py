# ruff: noqa: S603 - starting programs is what is tested
"""The folder of a run goes with its owner."""

import subprocess
import sys
from pathlib import Path

from testbed.runs import RunFolder

ROOT = Path(__file__).parents[2]


def test_a_folder_is_removed_at_the_end(tmp_path):
    with RunFolder(tmp_path) as run:
        (run.path / "data").write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_uses_is_not(tmp_path):
    script = "import os, sys; from pathlib import Path; from testbed.runs import RunFolder\n"
    script += f"run = RunFolder(Path({str(tmp_path)!r})); print(run.path, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as other:
        assert other.stdout is not None
        used = Path(other.stdout.readline().strip())
        with RunFolder(tmp_path):
            assert used.is_dir()
        other.kill()
        other.wait()
    with RunFolder(tmp_path):
        assert not used.exists()
