"""The generated pages."""

import re
from pathlib import Path

import pytest

from skillmeat_operator.api.v1alpha1.conditions import CONDITIONS, REASONS
from skillmeat_operator.cli import reference
from skillmeat_operator.cli.main import COMMANDS
from skillmeat_operator.cli.settings.settings import flag_fields

COMMITTED = Path(__file__).parents[3] / "docs" / "reference"


def test_the_committed_pages_are_up_to_date() -> None:
    assert reference.outdated(COMMITTED) == []


def test_every_flag_variable_and_command_is_on_the_page() -> None:
    page = reference.command_line_page()
    assert all(f"`{flag.variable}`" in page and flag.flag in page for flag in flag_fields())
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == list(COMMANDS)
    assert "TIMINGS" not in page


def test_every_condition_and_reason_is_on_the_page() -> None:
    page = reference.conditions_page()
    assert all(f"| `{condition.value}` |" in page for condition in CONDITIONS)
    assert re.findall(r"^### (.+)$", page, re.MULTILINE) == [reason.value for reason in REASONS]


def test_rows_of_a_table_have_as_many_cells_as_its_head() -> None:
    for page in reference.pages().values():
        for block in re.findall(r"(?:^\|.*\|\n)+", page, re.MULTILINE):
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(widths) == 1, block


def test_writing_then_checking(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "reference"
    assert reference.main([str(directory), "--check"]) == 1
    assert capsys.readouterr().err.count("is out of date: run `make generate`") == 2
    assert reference.main([str(directory)]) == 0
    assert reference.main(["--check", str(directory)]) == 0
    (directory / "cli.md").write_text("changed by hand")
    assert reference.main(["--check", str(directory)]) == 1
    assert "cli.md" in capsys.readouterr().err


def test_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert reference.main(["--what"]) == 2
    assert capsys.readouterr().err.startswith("error: ")
