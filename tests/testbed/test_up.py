"""``python -m testbed up``: one line when ready, nothing left afterwards, whatever the end.

With stand-ins for the parts' programs, so that it is quick; the classes that start them are the real ones.
"""

import json
import os
import signal
import stat
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from testbed.cache import Cache
from testbed.prerequisites import Node
from testbed.process import alive
from testbed.servers import (
    _NATIVE,
    _PORTAL_FILES,
    _backstage_folder,
    _skillmeat_name,
    _skillmeat_requirements,
)
from testbed.workshop import Workshop, environment_name

ROOT = Path(__file__).parents[2]

SERVER = """
import http.server, json, os, pathlib, subprocess, sys
here = pathlib.Path(__file__).parent
arguments = sys.argv[1:]
if "--port" in arguments:
    port = int(arguments[arguments.index("--port") + 1])
else:
    configs = [pathlib.Path(arguments[i + 1]) for i, word in enumerate(arguments) if word == "--config"]
    port = json.loads(configs[1].read_text())["backend"]["listen"]["port"]
worker = subprocess.Popen(["sleep", "600"], start_new_session=True)
(here / "pids").open("a").write(f"{os.getpid()}\\n{worker.pid}\\n")

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"[]")
    def log_message(self, *args): pass

http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


class StandIns:
    """A cache folder and a PATH whose SkillMeat and Backstage are little servers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        server = folder / "server.py"
        server.write_text(SERVER)
        run_server = f'exec {sys.executable} {server} "$@"'
        cache = Cache(folder / "cache")
        workshop = Workshop(cache=cache)

        name = environment_name(workshop.machine, _skillmeat_name(), _skillmeat_requirements())
        self.skillmeat = executable(cache.folder / name / "bin" / "python", run_server)

        prefix = folder / "node"
        (prefix / "include" / "node").mkdir(parents=True)
        (prefix / "include" / "node" / "node_api.h").touch()
        program = prefix / "bin" / "node"
        version = "22.20.0"
        executable(program, f'[ "$1" = -p ] && echo "{version} {program}" && exit\n{run_server}')
        executable(prefix / "bin" / "npm", "exit 1")
        portal = cache.folder / _backstage_folder(Node(version, program, (), prefix))
        for file in (_NATIVE, *_PORTAL_FILES):
            (portal / file).parent.mkdir(parents=True, exist_ok=True)
            (portal / file).touch()
        self.portal = program
        self.env = {
            "PATH": f"{prefix / 'bin'}:{os.environ['PATH']}",
            "TMPDIR": str(folder),
            "SKILLMEAT_TESTBED_CACHE": str(cache.folder),
        }

    def up(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "testbed", "up", "--only", "skillmeat,backstage"],
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def pids(self) -> list[int]:
        path = self.folder / "pids"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def all_gone(self) -> bool:
        deadline = time.monotonic() + 10
        while any(alive(pid) for pid in self.pids()):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


@pytest.fixture
def stand_ins(tmp_path):
    return StandIns(tmp_path)


def test_one_line_of_json_when_ready_and_nothing_left_after_sigterm(stand_ins):
    up = stand_ins.up()
    assert up.stdout is not None
    told = json.loads(up.stdout.readline())
    assert set(told) == {"skillmeat", "backstage", "documents"}
    assert told["backstage"]["token"]
    assert isinstance(told["documents"]["port"], int)
    with urllib.request.urlopen(told["skillmeat"]["url"] + "/health", timeout=5) as answer:  # noqa: S310
        assert answer.status == 200
    assert len(stand_ins.pids()) == 4

    up.send_signal(signal.SIGTERM)
    out, err = up.communicate(timeout=20)
    assert (up.returncode, out, err) == (0, "", "")
    assert stand_ins.all_gone()
    assert list(stand_ins.folder.glob("skillmeat-testbed-runs-*/*")) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["SIGKILL", "SIGINT"])
def test_nothing_is_left_after_other_ends(stand_ins, number):
    up = stand_ins.up()
    assert up.stdout is not None
    up.stdout.readline()
    assert all(alive(pid) for pid in stand_ins.pids())
    up.send_signal(number)
    up.communicate(timeout=20)
    assert stand_ins.all_gone()


def test_killed_while_it_starts_nothing_is_left(stand_ins):
    executable(
        stand_ins.portal, f'[ "$1" = -p ] && echo "22.20.0 {stand_ins.portal}" && exit\nexec sleep 600'
    )
    up = stand_ins.up()
    deadline = time.monotonic() + 10
    while len(stand_ins.pids()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    up.send_signal(signal.SIGTERM)
    out, _ = up.communicate(timeout=20)
    assert (up.returncode, out) == (0, "")
    assert stand_ins.all_gone()


def test_a_part_that_fails_stops_the_others_and_shows_its_log(stand_ins):
    fails = "sleep 1; echo the database is broken; exit 3"
    executable(stand_ins.portal, f'[ "$1" = -p ] && echo "22.20.0 {stand_ins.portal}" && exit\n{fails}')
    up = stand_ins.up()
    out, err = up.communicate(timeout=30)
    assert (up.returncode, out) == (1, "")
    assert "Backstage ended with code 3" in err
    assert "the database is broken" in err
    assert "Traceback" not in err
    assert len(stand_ins.pids()) == 2  # SkillMeat was there
    assert stand_ins.all_gone()


def test_a_part_that_is_not_installed_is_named_with_the_command(stand_ins):
    stand_ins.skillmeat.unlink()
    up = stand_ins.up()
    out, err = up.communicate(timeout=20)
    assert (up.returncode, out) == (1, "")
    assert err == "SkillMeat is not installed; run python -m testbed install --only skillmeat.\n"
