"""The cache folder is safe to fill twice, at once, and with interruptions."""

import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from testbed.cache import Cache, default_folder, digest
from testbed.errors import CancelledError


def test_the_folder_is_that_of_the_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("SKILLMEAT_TESTBED_CACHE", str(tmp_path / "there"))
    assert default_folder() == tmp_path / "there"
    monkeypatch.delenv("SKILLMEAT_TESTBED_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder() == tmp_path / ".cache" / "skillmeat-testbed"


def test_a_digest_changes_with_every_pin_and_with_where_one_ends(tmp_path):
    pins = tmp_path / "go.sum"
    pins.write_text("a")
    first = digest(pins)
    pins.write_text("b")
    assert digest(pins) != first
    assert digest("ab", "c") != digest("a", "bc")


def test_a_failed_fill_leaves_nothing_that_looks_complete(tmp_path):
    cache = Cache(tmp_path)

    def fails(target):
        (target / "half").write_text("x")
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        cache.fill("part", fails)
    assert not cache.complete("part", ["half"])
    assert [path.name for path in tmp_path.iterdir()] == []

    cache.fill("part", lambda target: (target / "all").write_text("x"))
    assert cache.complete("part", ["all"])


def test_what_a_killed_fill_left_is_replaced(tmp_path):
    cache = Cache(tmp_path)
    (tmp_path / "part.partial").mkdir()
    (tmp_path / "part.partial" / "old").write_text("x")
    cache.fill("part", lambda target: (target / "new").write_text("x"))
    assert [path.name for path in (tmp_path / "part").iterdir()] == ["new"]


def test_single_files_come_one_by_one_and_whole(tmp_path):
    cache = Cache(tmp_path)
    cache.fill_file("programs", "etcd", lambda target: target.write_text("1"))
    with pytest.raises(FileNotFoundError):
        cache.fill_file("programs", "kubectl", lambda _target: None)
    assert [path.name for path in (tmp_path / "programs").iterdir()] == ["etcd"]


def _fill_once(folder):
    cache = Cache(folder)
    with cache.lock("part"):
        if cache.complete("part", ["done"]):
            return 0

        def slowly(target):
            time.sleep(0.2)
            (target / "done").write_text("x")

        cache.fill("part", slowly)
        return 1


def test_of_four_processes_at_once_one_fills_and_the_others_find_it(tmp_path):
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        filled = list(pool.map(_fill_once, [tmp_path] * 4))
    assert sum(filled) == 1


def test_a_wait_for_a_lock_is_told_once_and_ends_when_cancelled(tmp_path):
    cache, told, cancelled = Cache(tmp_path), [], threading.Event()

    def waiting():
        told.append(True)
        cancelled.set()

    with (
        cache.lock("part"),
        pytest.raises(CancelledError),
        cache.lock("part", waiting=waiting, cancelled=cancelled),
    ):
        pass
    assert told == [True]
    with cache.lock("part"):  # and it is free again
        pass
