"""The generated pages."""

import re
from pathlib import Path

from click.testing import CliRunner

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


def test_writing_then_checking(tmp_path: Path) -> None:
    directory, run = str(tmp_path / "reference"), CliRunner().invoke
    first = run(reference.main, [directory, "--check"])
    assert (first.exit_code, first.stderr.count("is out of date: run `make generate`")) == (1, 2)
    assert run(reference.main, [directory]).exit_code == 0
    assert run(reference.main, ["--check", directory]).exit_code == 0
    (tmp_path / "reference" / "cli.md").write_text("changed by hand")
    second = run(reference.main, ["--check", directory])
    assert (second.exit_code, "cli.md" in second.stderr) == (1, True)


def test_wrong_use() -> None:
    assert CliRunner().invoke(reference.main, ["--what"]).exit_code == 2
