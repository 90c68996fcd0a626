"""The runbooks: every reason has its section, and every command in them is one that exists."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from skillmeat_operator.api import keys as names
from skillmeat_operator.api.crd.definitions import crds
from skillmeat_operator.api.v1alpha1.conditions import CONDITIONS, Reason
from skillmeat_operator.cli.main import command
from skillmeat_operator.cli.settings.settings import flag_fields

DOCS = Path(__file__).parents[3] / "docs"
RUNBOOKS = DOCS / "runbooks"
PAGES = sorted(RUNBOOKS.glob("*.md"))
EVERY_PAGE = sorted([*RUNBOOKS.glob("*.md"), *(DOCS / "adr").glob("*.md"), *DOCS.glob("*.md")])

# Reasons that cannot stand beside Ready=False: they are good, informational, of single problems or of Events.
NEVER_IN_THE_WAY = {
    Reason.SUCCEEDED,
    Reason.SUCCEEDED_WITH_PROBLEMS,
    Reason.NO_TEMPLATES,
    Reason.SERVING_LAST_GOOD,
    Reason.HELD_BACK,
    Reason.UP_TO_DATE,
    Reason.UPSTREAM_NEWER,
    Reason.STALENESS_UNKNOWN,
    Reason.OWNER_NOT_FOUND,
    Reason.ACTION_NOT_INSTALLED,
    Reason.DELETION_ABANDONED,
    Reason.LOCATION_LEFT_BEHIND,
}
LEADS = ("**Means.**", "**Meanwhile.**", "**Do.**", "**Over when.**")
ANNOTATIONS = {
    names.RECONCILE_REQUESTED_AT,
    names.FLUX_REQUESTED_AT,
    names.APPROVE_REMOVAL,
    names.MOVE_LOCATION,
    names.FORCE_DELETE,
}
KINDS_OF_KUBECTL = {"smsrc": names.CATALOG_SOURCE.kind, "smtb": names.TEMPLATE_BUNDLE.kind}


def sections(page: Path) -> dict[str, str]:
    """Text of each level-2 section by its heading."""
    parts = re.split(r"^## (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


SECTIONS = {title: text for page in PAGES for title, text in sections(page).items()}


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {anchor(one) for one in re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)}


def commands() -> Iterator[Any]:
    """Every line of every shell block, as words."""
    for page in EVERY_PAGE:
        for block in re.findall(
            r"^```sh\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        ):
            for number, line in enumerate(block.splitlines()):
                for part in re.split(r" \| (?=kubectl|jq|skillmeat)", line):
                    yield pytest.param(shlex.split(part), id=f"{page.name}-{number}-{part[:60]}")


COMMANDS_IN_DOCS = list(commands())


def schema(kind: str) -> dict[str, Any]:
    crd = next(one for one in crds() if one["spec"]["names"]["kind"] == kind)
    found: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def unknown(value: Any, declared: dict[str, Any], path: str = "") -> list[str]:
    """Paths of a value that the schema does not have."""
    if not isinstance(value, dict) or "properties" not in declared:
        return []
    known = declared["properties"]
    missing = [f"{path}.{key}" for key in value if key not in known]
    return missing + [
        one
        for key, inner in value.items()
        if key in known
        for one in unknown(inner, known[key], f"{path}.{key}")
    ]


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_one_section_and_a_line_in_the_index(reason: Reason) -> None:
    homes = [page for page in PAGES if reason.value in sections(page)]
    assert len(homes) == 1
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    assert f"| [{reason}]({homes[0].name}#{anchor(reason)}) |" in index


@pytest.mark.parametrize("reason", sorted(set(Reason) - NEVER_IN_THE_WAY))
def test_a_reason_that_stands_in_the_way_says_what_to_do(reason: Reason) -> None:
    text = SECTIONS[reason]
    places = [text.find(lead) for lead in LEADS]
    assert -1 not in places
    assert places == sorted(places)


def test_the_index_is_sorted_and_names_nothing_else() -> None:
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[(\w+)\]\(", index, re.MULTILINE)
    assert listed == sorted(listed, key=str.lower)
    assert set(listed) == {reason.value for reason in Reason}


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        file, _, place = target.partition("#")
        aim = (page.parent / file).resolve() if file else page
        assert aim.exists(), target
        assert not place or place in anchors(aim), target


@pytest.mark.parametrize(
    "words", [one for one in COMMANDS_IN_DOCS if one.values[0][0] == "skillmeat-operator"]
)
def test_a_command_of_ours_parses(words: list[str]) -> None:
    parsed = command(words[1]).make_context(words[1], words[2:]).params
    assert parsed["namespace"] == "team-a"


@pytest.mark.parametrize(
    "words", [one for one in COMMANDS_IN_DOCS if one.values[0][:2] == ["kubectl", "annotate"]]
)
def test_an_annotation_is_one_that_the_operator_reads(words: list[str]) -> None:
    assert "--overwrite" in words
    keys = {word.partition("=")[0] for word in words if re.match(r"[\w.-]+\.\w+/[\w-]+=", word)}
    assert len(keys) == 1
    assert keys <= ANNOTATIONS


@pytest.mark.parametrize(
    "words", [one for one in COMMANDS_IN_DOCS if one.values[0][:2] == ["kubectl", "patch"]]
)
def test_a_patch_is_json_and_names_fields_that_exist(words: list[str]) -> None:
    kind, _, _ = words[2].partition("/")
    patch = json.loads(words[words.index("-p") + 1])
    if "json" in words:
        assert [one["path"] for one in patch] == ["/spec/bundleRef"]
        patch = {"spec": {"bundleRef": patch[0]["value"]}}
    declared = schema(KINDS_OF_KUBECTL[kind])
    assert unknown({key: value for key, value in patch.items() if key != "metadata"}, declared) == []
    assert set(patch.get("metadata", {})) <= {"finalizers"}


@pytest.mark.parametrize("words", [one for one in COMMANDS_IN_DOCS if one.values[0][0] == "kubectl"])
def test_kubectl_never_asks_for_a_name_that_olm_owns(words: list[str]) -> None:
    olm = {"catalogsource", "catalogsources", "catsrc"}
    assert not {word.partition("/")[0].lower() for word in words} & olm


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_fields_flags_variables_and_conditions_in_the_text_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    flags = {flag.flag for flag in flag_fields()}
    assert set(re.findall(r"`(--[a-z][a-z-]+)`", text)) <= flags
    assert set(re.findall(r"SKILLMEAT_OPERATOR_[A-Z_]+", text)) <= {flag.variable for flag in flag_fields()}
    assert set(re.findall(r"--for=condition=(\w+)", text)) <= {condition.value for condition in CONDITIONS}
    ours = set(re.findall(r"skillmeat\.io/([a-z-]+)", text)) - {"v1alpha1"}
    known = {
        value.partition("/")[2] for value in vars(names).values() if isinstance(value, str) and "/" in value
    }
    assert ours <= known
    for path in set(re.findall(r"`((?:spec|status)(?:\.[a-zA-Z]+)+)`", text)):
        keys = path.split(".")
        value: Any = {}
        for key in reversed(keys):
            value = {key: value}
        assert any(unknown(value, schema(one.kind)) == [] for one in names.KINDS), path


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_yaml_and_json_blocks_can_be_read(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for kind, block in re.findall(r"^```(yaml|json)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        assert (yaml.safe_load if kind == "yaml" else json.loads)(block)
