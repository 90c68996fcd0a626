"""Names, ages, tables and colour: how things are spelled."""

import io
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmeat_operator.api.keys import CATALOG_SOURCE, TEMPLATE_BUNDLE
from skillmeat_operator.cli.cluster.object_names import Target
from skillmeat_operator.cli.cluster.resources import plain
from skillmeat_operator.cli.command import leading_command
from skillmeat_operator.cli.errors import WrongUseError
from skillmeat_operator.cli.output.console import Console, Style
from skillmeat_operator.cli.output.table import Cell, render_table
from skillmeat_operator.cli.pages.ages import age

SPELLINGS = {
    "source/main": (CATALOG_SOURCE, "main"),
    "smsrc/main": (CATALOG_SOURCE, "main"),
    "catalogsource/main": (CATALOG_SOURCE, "main"),
    "CatalogSource/main": (CATALOG_SOURCE, "main"),
    "catalogsources/main": (CATALOG_SOURCE, "main"),
    "catalogsources.skillmeat.io/main": (CATALOG_SOURCE, "main"),
    "bundle/fin-serv": (TEMPLATE_BUNDLE, "fin-serv"),
    "smtb/fin-serv": (TEMPLATE_BUNDLE, "fin-serv"),
    "templatebundle/fin.serv": (TEMPLATE_BUNDLE, "fin.serv"),
    "templatebundle.skillmeat.io/x": (TEMPLATE_BUNDLE, "x"),
}


@pytest.mark.parametrize("text", SPELLINGS)
def test_names_of_objects(text: str) -> None:
    target = Target.parse(text)
    assert (target.kind, target.name) == SPELLINGS[text]


@pytest.mark.parametrize(
    "text",
    ["main", "source/", "/main", "source", "catsrc/main", "pod/x", "source/A", "source/a/b", "source/-a", ""],
)
def test_what_is_no_name_says_how_to_write_one(text: str) -> None:
    with pytest.raises(WrongUseError, match=r"source/NAME or bundle/NAME|source/NAME"):
        Target.parse(text)


def test_a_command_on_sources_refuses_bundles() -> None:
    with pytest.raises(WrongUseError, match=r"^Write source/NAME, not 'bundle/x'\.$"):
        Target.parse("bundle/x", only=CATALOG_SOURCE)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"), (0, "0s"), (59, "59s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (600, "10m"),
        (10_799, "179m"), (10_800, "3h"), (12_000, "3h20m"), (28_800, "8h"), (172_799, "47h"),
        (172_800, "2d"), (180_000, "2d2h"), (691_200, "8d"), (40_000_000, "462d"),
    ],
)  # fmt: skip
def test_ages(make, seconds: int, text: str) -> None:
    assert age(make.now - timedelta(seconds=seconds), make.now) == text


def test_no_moment_has_no_age(make) -> None:
    assert age(None, make.now) == "-"


def table(colour: bool) -> str:
    console = Console(io.StringIO(), io.StringIO(), colour)
    rows = [(Cell("a"), Cell("False", Style.BAD), Cell("")), (Cell("longer"), Cell("True"), Cell("x"))]
    return render_table(("NAME", "READY", "MORE"), rows, console)


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert table(colour=False) == "NAME     READY   MORE\na        False\nlonger   True    x"


def test_colour_does_not_move_columns() -> None:
    plain_lines = table(colour=False).splitlines()
    coloured = table(colour=True)
    assert "\x1b[31mFalse\x1b[0m" in coloured
    for sequence in ("\x1b[31m", "\x1b[1m", "\x1b[0m"):
        coloured = coloured.replace(sequence, "")
    assert [line.rstrip() for line in coloured.splitlines()] == plain_lines


def test_a_row_with_a_cell_too_few_is_a_defect() -> None:
    with pytest.raises(ValueError, match="one cell for each heading"):
        render_table(("A", "B"), [(Cell("a"),)], Console(io.StringIO(), io.StringIO()))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


COLOUR = {
    "terminal": (Terminal, {}, True),
    "NO_COLOR empty counts as unset": (Terminal, {"NO_COLOR": ""}, True),
    "NO_COLOR": (Terminal, {"NO_COLOR": "1"}, False),
    "dumb terminal": (Terminal, {"TERM": "dumb"}, False),
    "pipe": (io.StringIO, {}, False),
}


@pytest.mark.parametrize("case", COLOUR)
def test_colour_only_where_a_person_looks(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, environ, colour = COLOUR[case]
    monkeypatch.setattr("sys.stdout", stream())
    assert Console.of_process(environ).colour is colour


@given(st.text())
def test_text_of_objects_cannot_command_the_terminal(text: str) -> None:
    shown = plain(text)
    assert shown.isprintable()
    assert len(shown) == len(text)


LEADING = {
    "command first": (["status", "-n", "x"], ["status", "-n", "x"]),
    "flag first": (["-n", "x", "status"], ["status", "-n", "x"]),
    "joined flag first": (["--namespace=x", "-A", "status", "y"], ["status", "--namespace=x", "-A", "y"]),
    "a flag's value looks like a command": (["-n", "status", "sync", "y"], ["sync", "-n", "status", "y"]),
    "no command": (["-n", "x"], ["-n", "x"]),
    "unknown": (["-A", "what"], ["-A", "what"]),
    "nothing": ([], []),
}


@pytest.mark.parametrize("case", LEADING)
def test_flags_may_stand_before_the_command(case: str) -> None:
    given_arguments, ordered = LEADING[case]
    assert leading_command(given_arguments, ("status", "sync"), takes_value=("-n", "--namespace")) == ordered
