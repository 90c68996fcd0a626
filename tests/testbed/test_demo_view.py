"""What the demo expects to see, waits for, watches, writes and prints."""

import io
import json
import time
from pathlib import Path

import pytest

from testbed.demo_files import ROOT, write_examples, write_install
from testbed.demo_play import NotShownError, until
from testbed.demo_screen import Screen
from testbed.demo_view import (
    Look,
    Template,
    bundle_has,
    bundle_says,
    counts,
    portal_has_version,
    portal_shows,
    source_is_silent_on,
    source_says,
)
from testbed.demo_watch import PortalWatch


def obj(*conditions, generation=2, **status):
    return {
        "metadata": {"generation": generation},
        "status": {
            "conditions": [
                dict(zip(("type", "status", "reason", "observedGeneration"), one, strict=True))
                for one in conditions
            ],
            **status,
        },
    }


def look(source=None, bundle=None, portal=(), **entities) -> Look:
    return Look(
        source=source or obj(entities=entities),
        bundle=bundle or obj(),
        portal={name: Template(name, name, version, "owner") for name, version in portal},
    )


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_waiting_ends_as_soon_as_all_expectations_hold():
    clock, looks = Clock(), iter([look(published=1), look(published=2), look(published=2, held=1)])
    seen = until(
        lambda: next(looks), [counts(published=2), counts(held=1)], clock=clock, sleep=clock.sleep, every=1.0
    )
    assert seen == look(published=2, held=1)
    assert clock.now == 2.0


def test_waiting_too_long_tells_all_that_is_wrong_at_the_end():
    clock = Clock()
    with pytest.raises(NotShownError, match=r"after 5 s of the counts, held is 0, not 1; the portal lacks a"):
        until(
            lambda: look(held=0),
            [counts(held=1), portal_shows("a")],
            within=5,
            clock=clock,
            sleep=clock.sleep,
        )


READY = obj(("Ready", "True", "Succeeded", 2), bundleVersion="1.0.0")


@pytest.mark.parametrize(
    ("expectation", "seen", "complaint"),
    [
        pytest.param(source_says("Ready", "True", "Succeeded"), look(READY), None, id="condition holds"),
        pytest.param(source_says("Ready", "True"), look(READY), None, id="any reason"),
        pytest.param(
            source_says("Ready", "False"),
            look(READY),
            "the CatalogSource has Ready True (Succeeded), not False",
            id="other status",
        ),
        pytest.param(
            bundle_says("Ready", "True", "Held"),
            look(bundle=READY),
            "the TemplateBundle has Ready True (Succeeded), not True (Held)",
            id="other reason",
        ),
        pytest.param(
            source_says("Ready", "True"),
            look(obj(("Ready", "True", "Succeeded", 1))),
            "the CatalogSource has no Ready for its present generation",
            id="condition of an older generation",
        ),
        pytest.param(
            source_says("Ready", "True"),
            look({"metadata": {"generation": 1}}),
            "the CatalogSource has no Ready for its present generation",
            id="no status",
        ),
        pytest.param(source_is_silent_on("RemovalHeld"), look(READY), None, id="condition absent"),
        pytest.param(
            source_is_silent_on("Ready"),
            look(READY),
            "the CatalogSource still has Ready",
            id="condition there",
        ),
        pytest.param(counts(held=0), look(held=0), None, id="count holds"),
        pytest.param(
            counts(held=0, published=2),
            look(published=1),
            "of the counts, held is None, not 0, published is 1, not 2",
            id="counts differ",
        ),
        pytest.param(bundle_has(bundleVersion="1.0.0"), look(bundle=READY), None, id="version published"),
        pytest.param(
            bundle_has(bundleVersion="2.0.0"),
            look(bundle=READY),
            "of the TemplateBundle, bundleVersion is 1.0.0, not 2.0.0",
            id="other version published",
        ),
        pytest.param(portal_shows("a"), look(portal=[("a", "1")]), None, id="portal as it should be"),
        pytest.param(
            portal_shows("a", "b"),
            look(portal=[("a", "1"), ("c", "1")]),
            "the portal lacks b and still shows c",
            id="portal lacks and has",
        ),
        pytest.param(
            portal_has_version("a", "1"), look(portal=[("a", "1")]), None, id="version in the portal"
        ),
        pytest.param(
            portal_has_version("a", "2"),
            look(portal=[("a", "1")]),
            "the portal has a 1, not 2",
            id="other version in the portal",
        ),
        pytest.param(portal_has_version("a", "2"), look(), "the portal lacks a", id="not in the portal"),
    ],
)
def test_expectation(expectation, seen, complaint):
    assert expectation(seen) == complaint


def watched(*answers) -> PortalWatch:
    """A watch that has read these answers, names or an error each."""
    left = list(answers)

    def read():
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    watch = PortalWatch(read, ["a", "b"], every=0.001).start()
    deadline = time.monotonic() + 10
    while watch.reads + watch.failures < len(answers) + 1:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    watch.stop()
    return watch


def test_a_full_portal_is_no_complaint():
    watch = watched(["a", "b"], ["a", "b", "c"])
    assert watch.complaint() is None
    assert watch.reads >= 2


def test_a_template_that_was_missing_once_is_told():
    assert watched(["a", "b"], ["a"], ["a", "b"]).complaint() == "for a while the portal lacked b."


def test_a_portal_that_did_not_answer_once_is_told():
    assert "reads of the portal failed" in watched(["a", "b"], OSError(), ["a", "b"]).complaint()


def test_a_watch_that_never_read_is_told():
    watch = PortalWatch(list, ["a"])
    watch.stop()
    assert watch.complaint() == "the portal was never read."


def test_overlays_lead_to_the_repository_by_relative_paths(tmp_path):
    write_install(tmp_path / "install")
    write_examples(tmp_path / "examples", skillmeat_url="http://s", backstage_url="http://b")
    for folder, target in (("install", "manifests/default"), ("examples", "examples")):
        written = json.loads((tmp_path / folder / "kustomization.yaml").read_text())
        (resource,) = written["resources"]
        assert not Path(resource).is_absolute()
        assert (tmp_path / folder / resource).resolve() == ROOT / target


@pytest.mark.parametrize(
    ("terminal", "environ", "coloured"),
    [
        pytest.param(True, {}, True, id="a terminal"),
        pytest.param(True, {"NO_COLOR": "1"}, False, id="NO_COLOR"),
        pytest.param(True, {"TERM": "dumb"}, False, id="a dumb terminal"),
        pytest.param(False, {}, False, id="a pipe"),
    ],
)
def test_colour_is_for_terminals(terminal, environ, coloured):
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    Screen.of_process(stream, environ).shown("it")
    assert ("\x1b[" in stream.getvalue()) is coloured


def test_tables_are_aligned_and_have_no_trailing_blanks():
    stream = io.StringIO()
    Screen(stream).table(("NAME", "VERSION"), [("a-long-name", "1"), ("b", "")])
    assert stream.getvalue() == "    NAME          VERSION\n    a-long-name   1\n    b\n"
