# ruff: noqa: S603, S607 - starting programs is what is tested
"""No process is left behind, however the testbed ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from testbed.errors import CancelledError, PartError
from testbed.process import Process, alive, run

ROOT = Path(__file__).parents[2]

FAMILY = """
import os, signal, subprocess, sys, time
# A grandchild that ignores polite requests, and one that leaves the process group.
stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
first = subprocess.Popen([sys.executable, "-c", stubborn])
second = subprocess.Popen([sys.executable, "-c", stubborn], start_new_session=True)
time.sleep(0.3)
print(os.getpid(), first.pid, second.pid, flush=True)
{then}
time.sleep(600)
"""


def family(then: str = "") -> list[str]:
    return [sys.executable, "-c", FAMILY.format(then=then)]


def pids(log: Path) -> list[int]:
    return [int(word) for word in eventually(lambda: log.exists() and log.read_text()).split()]


def eventually(check, timeout=10.0):
    deadline = time.monotonic() + timeout
    while not (found := check()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found


def gone(found: list[int]) -> bool:
    return not any(alive(pid) for pid in found)


def test_stop_ends_the_program_and_all_that_it_started(tmp_path):
    process = Process("family", family(), log=tmp_path / "log").start()
    found = pids(process.log)
    assert process.pid == found[0]
    assert process.stop() == 128 + signal.SIGTERM
    assert gone(found)
    assert not process.running


def test_a_program_that_ignores_sigterm_is_killed_after_the_grace(tmp_path):
    process = Process(
        "family", family("import signal; signal.signal(15, signal.SIG_IGN)"), log=tmp_path / "log"
    )
    process.start()
    found = pids(process.log)
    time.sleep(0.2)
    assert process.stop(grace=0.3) == 128 + signal.SIGKILL
    assert gone(found)


def test_what_a_program_leaves_when_it_ends_by_itself_is_ended_too(tmp_path):
    process = Process("family", family("sys.exit(7)"), log=tmp_path / "log").start()
    assert process.wait(10) == 7
    assert gone(pids(process.log))


def test_a_killed_parent_leaves_nothing(tmp_path):
    script = (
        "import sys, threading, time; from pathlib import Path; from testbed.process import Process\n"
        f"process = Process('family', {family()!r}, log=Path({str(tmp_path / 'log')!r}))\n"
        # Started in a thread that ends at once: the program must outlive that, and not the process.
        "thread = threading.Thread(target=process.start); thread.start(); thread.join()\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    found = pids(tmp_path / "log")
    time.sleep(0.2)
    assert all(alive(pid) for pid in found)
    parent.kill()
    parent.wait()
    eventually(lambda: gone(found))


def test_a_killed_guardian_leaves_no_program(tmp_path):
    process = Process("sleep", ["sleep", "600"], log=tmp_path / "log").start()
    pid = process.pid
    assert process._guardian is not None
    process._guardian.kill()
    eventually(lambda: not alive(pid))
    process.kill()


def test_a_program_that_is_not_there_says_so(tmp_path):
    process = Process("nothing", ["/no/such/program"], log=tmp_path / "log").start()
    assert process.wait(10) == 127
    assert "/no/such/program" in process.log_tail()
    with pytest.raises(PartError, match="/no/such/program"):
        process.wait_ready(lambda: False, timeout=5)


def test_signals_have_their_defaults_in_the_program(tmp_path):
    """A shell pipeline breaks when SIGPIPE is ignored, as it is in Python."""
    process = Process("pipe", ["sh", "-c", "kill -PIPE $$; echo ignored"], log=tmp_path / "log").start()
    assert process.wait(10) == 128 + signal.SIGPIPE
    assert "ignored" not in process.log_tail()


def test_not_ready_in_time_shows_the_end_of_the_log(tmp_path):
    process = Process("slow", ["sh", "-c", "echo still warming up; sleep 600"], log=tmp_path / "log").start()
    eventually(lambda: "warming" in process.log_tail())
    with pytest.raises(PartError, match="still warming up"):
        process.wait_ready(lambda: False, timeout=0.2)
    process.stop()


def test_a_step_is_given_up_when_cancelled(tmp_path):
    cancelled = threading.Event()
    process = Process("family", family(), log=tmp_path / "log")
    threading.Thread(target=lambda: (pids(tmp_path / "log"), cancelled.set())).start()
    with pytest.raises(CancelledError):
        run(process, cancelled=cancelled)
    assert gone(pids(process.log))


def test_a_process_can_be_started_again_with_the_same_log(tmp_path):
    process = Process("echo", ["echo", "hello"], log=tmp_path / "log")
    for _ in range(2):
        process.start()
        assert process.wait(10) == 0
    assert process.log.read_text() == "hello\nhello\n"


def test_pipes_carry_a_conversation(tmp_path):
    process = Process("cat", ["cat"], log=tmp_path / "log", pipes=True).start()
    process.stdin.write(b"a line\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"a line\n"
    process.stop()


def test_a_zombie_does_not_count_as_alive():
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not alive(child.pid)
    child.wait()
