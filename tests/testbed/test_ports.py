# ruff: noqa: S603 - starting programs is what is tested
"""Ports are ours from the moment they are handed out."""

import socket
import subprocess
import sys
from pathlib import Path

from testbed.backstage import expand_hosts
from testbed.ports import Ports

ROOT = Path(__file__).parents[2]


def test_ports_differ_within_and_between_processes(tmp_path):
    ports = Ports(tmp_path)
    taken = [ports.take() for _ in range(50)]
    assert len(set(taken)) == 50
    script = f"from testbed.ports import Ports; from pathlib import Path; p = Ports(Path({str(tmp_path)!r}));"
    script += f"print(any(p._reserve(port) for port in {taken}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "False"
    ports.release(taken[0])
    assert ports._reserve(taken[0])
    ports.close()


def test_a_port_that_somebody_listens_on_is_not_handed_out(tmp_path):
    ports = Ports(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert not ports._reserve(taken.getsockname()[1])
    ports.close()


def test_a_range_is_of_neighbours_and_reads_as_single_hosts(tmp_path):
    ports = Ports(tmp_path)
    taken = ports.take_range(4)
    assert len(taken) == 4
    assert not Ports(tmp_path)._reserve(taken[2])
    hosts = expand_hosts([f"127.0.0.1:{taken[0]}-{taken[-1]}", "docs.example.com"])
    assert hosts == [*(f"127.0.0.1:{port}" for port in taken), "docs.example.com"]
    ports.close()
