"""Names, ages, tables and colour: how things are spelled."""

import io
import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmeat_operator.api.keys import CATALOG_SOURCE, TEMPLATE_BUNDLE
from skillmeat_operator.cli.cluster.object_names import Target
from skillmeat_operator.cli.cluster.resources import plain
from skillmeat_operator.cli.errors import WrongUseError
from skillmeat_operator.cli.output.console import Console
from skillmeat_operator.cli.output.table import Sentence, Style, cell, table
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
    target = Target.parse([text])
    assert (target.kind, target.name) == SPELLINGS[text]
    assert Target.parse(text.split("/")) == target


@pytest.mark.parametrize(
    "text",
    ["main", "source/", "/main", "source", "catsrc/main", "pod/x", "source/A", "source/a/b", "source/-a", ""],
)
def test_what_is_no_name_says_how_to_write_one(text: str) -> None:
    with pytest.raises(WrongUseError, match=r"source/NAME or bundle/NAME|source/NAME"):
        Target.parse([text])


def test_a_command_on_sources_refuses_bundles() -> None:
    with pytest.raises(WrongUseError, match=r"^Write source/NAME, not 'bundle/x'\.$"):
        Target.parse(["bundle/x"], only=CATALOG_SOURCE)


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


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


ROWS = [(cell("a"), cell("False", Style.BAD), cell("")), (cell("longer"), cell("True"), cell("x"))]


def shown(page: Any, stream: io.StringIO, **environ: str) -> str:
    Console(stream, io.StringIO(), {"TERM": "xterm", **environ}).show(page)
    return stream.getvalue()


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    text = shown(table(("NAME", "READY", "MORE"), ROWS), io.StringIO())
    assert text == "NAME     READY   MORE\na        False\nlonger   True    x\n"


def test_colour_does_not_move_columns() -> None:
    plain_lines = shown(table(("NAME", "READY", "MORE"), ROWS), io.StringIO()).splitlines()
    coloured = shown(table(("NAME", "READY", "MORE"), ROWS), Terminal())
    assert "\x1b[31mFalse\x1b[0m" in coloured
    assert [line.rstrip() for line in re.sub(r"\x1b\[[0-9]+m", "", coloured).splitlines()] == plain_lines


def test_what_is_marked_up_is_shown_as_it_is() -> None:
    assert shown(table(("A",), [(cell("[red]x[/red] :smile:"),)]), Terminal()).endswith(
        "[red]x[/red] :smile:\n"
    )
    assert shown(Sentence("[bold]x[/bold] 1.2"), io.StringIO()) == "  [bold]x[/bold] 1.2\n"


def test_a_sentence_has_the_terminals_width_and_long_words_stay_whole() -> None:
    words = Sentence("one two three http://host/a-path-that-is-longer-than-the-line")
    assert shown(words, Terminal(), COLUMNS="14") == (
        "  one two\n  three\n  http://host/a-path-that-is-longer-than-the-line\n"
    )
    assert shown(words, io.StringIO(), COLUMNS="14").count("\n") == 1


COLOUR = {
    "terminal": (Terminal, {}, True),
    "NO_COLOR empty counts as unset": (Terminal, {"NO_COLOR": ""}, True),
    "NO_COLOR": (Terminal, {"NO_COLOR": "1"}, False),
    "dumb terminal": (Terminal, {"TERM": "dumb"}, False),
    "pipe": (io.StringIO, {}, False),
    "pipe, whatever others think of FORCE_COLOR": (io.StringIO, {"FORCE_COLOR": "1"}, False),
}


@pytest.mark.parametrize("case", COLOUR)
def test_colour_only_where_a_person_looks(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, environ, colour = COLOUR[case]
    monkeypatch.setattr("sys.stdout", stream())
    console = Console.of_process({"TERM": "xterm", **environ})
    console.show(cell("x", Style.BAD))
    assert ("\x1b" in console.out.getvalue()) is colour  # type: ignore[attr-defined]


@given(st.text())
def test_text_of_objects_cannot_command_the_terminal(text: str) -> None:
    shown = plain(text)
    assert shown.isprintable()
    assert len(shown) == len(text)
