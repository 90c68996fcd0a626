"""The CRDs: complete, bounded, and equal to the files of the repository."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from skillmeat_operator.api.crd import definitions as crd_module
from skillmeat_operator.api.crd.definitions import crds, files, main

REPOSITORY = Path(__file__).parents[4]
CRDS = {crd["spec"]["names"]["kind"]: crd for crd in crds()}


def schema_of(kind: str) -> dict[str, Any]:
    return CRDS[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def fields(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield path and schema of the node and everything below it."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from fields(child, f"{path}.{name}")
    if "items" in node:
        yield from fields(node["items"], f"{path}[]")
    if isinstance(node.get("additionalProperties"), dict):
        yield from fields(node["additionalProperties"], f"{path}{{}}")


ALL = [(kind + path, node) for kind in CRDS for path, node in fields(schema_of(kind))]
OURS = [(path, node) for path, node in ALL if not path.endswith(".metadata")]


def test_the_committed_files_are_what_the_models_say() -> None:
    for name, content in files().items():
        assert (REPOSITORY / "crds" / name).read_text(encoding="utf-8") == content, "run `make generate`"


def test_generation_gives_the_same_bytes_again() -> None:
    assert files() == files()
    assert [yaml.safe_load(text) for text in files().values()] == crds()


def test_check_fails_on_a_difference_and_generation_repairs_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check", str(tmp_path)]) == 1
    assert "make generate" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert main([str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0
    next(tmp_path.iterdir()).write_text("changed", encoding="utf-8")
    assert main(["--check", str(tmp_path)]) == 1


def test_crds_need_no_file_of_the_repository() -> None:
    assert crd_module.__file__ is not None
    assert sorted(crd["metadata"]["name"] for crd in crds()) == [
        "catalogsources.skillmeat.io",
        "templatebundles.skillmeat.io",
    ]


def test_every_field_has_a_description() -> None:
    undescribed = [
        path
        for path, node in OURS
        if not path.endswith(("[]", "{}")) and not str(node.get("description", "")).rstrip().endswith(".")
    ]
    assert undescribed == []


def test_everything_has_a_type_and_nothing_refers_elsewhere() -> None:
    for path, node in ALL:
        assert node["type"] in {"object", "array", "string", "integer", "boolean"}, path
        assert not node.keys() & {"$ref", "anyOf", "allOf", "oneOf", "title", "const", "nullable"}, path


def test_every_text_list_and_map_is_bounded() -> None:
    """Bounds keep objects small and let the API server estimate what the CEL rules cost."""
    for path, node in OURS:
        if path.endswith((".apiVersion", ".kind")) and path.count(".") == 1:
            continue
        match node["type"]:
            case "array":
                assert "maxItems" in node, path
            case "string":
                assert node.keys() & {"maxLength", "enum"} or node.get("format") == "date-time", path
            case "object" if "additionalProperties" in node:
                assert "maxProperties" in node, path
            case "integer":
                assert "minimum" in node, path


def test_every_rule_has_a_message() -> None:
    rules = [rule for _, node in ALL for rule in node.get("x-kubernetes-validations", [])]
    assert len(rules) > 20
    for rule in rules:
        assert rule["message"]
        assert len(rule["message"]) <= 2048


@pytest.mark.parametrize("kind", CRDS)
def test_status_defaults_survive_an_emptied_status(kind: str) -> None:
    status = schema_of(kind)["properties"]["status"]
    assert status["default"] == {}
    assert status["properties"]["observedGeneration"]["default"] == -1
    others = [
        path for path, node in fields(status) if "default" in node and path not in {"", ".observedGeneration"}
    ]
    assert others == []


@pytest.mark.parametrize("kind", CRDS)
def test_conditions_are_a_map_by_type(kind: str) -> None:
    conditions = schema_of(kind)["properties"]["status"]["properties"]["conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]


def test_no_reference_has_a_namespace() -> None:
    assert [path for path, _ in OURS if path.endswith("Ref.namespace")] == []


@pytest.mark.parametrize(
    ("kind", "narrow", "wide"),
    [
        (
            "CatalogSource",
            "READY REASON PUBLISHED IN-CATALOG STALE INVALID AGE",
            "HELD URL MESSAGE SUSPENDED",
        ),
        (
            "TemplateBundle",
            "READY REASON VERSION STALE IN-CATALOG AGE",
            "ENTITY SOURCE AVAILABLE COMPONENTS PUBLISH SUSPENDED MESSAGE",
        ),
    ],
)
def test_print_columns_are_those_of_the_design(kind: str, narrow: str, wide: str) -> None:
    columns = CRDS[kind]["spec"]["versions"][0]["additionalPrinterColumns"]
    assert [column["name"].upper() for column in columns if not column.get("priority")] == narrow.split()
    assert [column["name"].upper() for column in columns if column.get("priority")] == wide.split()


def test_names_are_not_those_of_other_operators() -> None:
    names = {kind: crd["spec"]["names"] for kind, crd in CRDS.items()}
    assert names["CatalogSource"]["shortNames"] == ["smsrc"]
    assert names["TemplateBundle"]["shortNames"] == ["smtb"]
    assert all(name["categories"] == ["skillmeat"] for name in names.values())


def test_bundles_can_be_selected_by_their_source() -> None:
    version = CRDS["TemplateBundle"]["spec"]["versions"][0]
    assert version["selectableFields"] == [{"jsonPath": ".spec.sourceRef.name"}]


@pytest.mark.parametrize("name", ["catalogsource.yaml", "templatebundle.yaml"])
def test_examples_have_only_fields_the_schema_knows(name: str) -> None:
    example = yaml.safe_load((REPOSITORY / "examples" / name).read_text(encoding="utf-8"))
    known = {path for path, _ in fields(schema_of(example["kind"]))}

    def used(value: Any, path: str) -> Iterator[str]:
        if isinstance(value, dict):
            for key, child in value.items():
                yield f"{path}.{key}"
                yield from used(child, f"{path}.{key}")
        elif isinstance(value, list):
            for child in value:
                yield from used(child, f"{path}[]")

    assert [path for path in used(example["spec"], ".spec") if path not in known] == []


def defaults_inside_atomic(node: dict[str, Any], path: str = "", *, inside: bool = False) -> list[str]:
    found = [path] if inside and "default" in node else []
    is_list = node.get("type") == "array"
    atomic = (
        node.get("x-kubernetes-map-type") == "atomic"
        or (is_list and node.get("x-kubernetes-list-type", "atomic") == "atomic")
    )  # fmt: skip
    children = {f"{path}.{name}": child for name, child in node.get("properties", {}).items()}
    children |= {
        f"{path}[]": node[key] for key in ("items", "additionalProperties") if isinstance(node.get(key), dict)
    }
    for name, child in children.items():
        found += defaults_inside_atomic(child, name, inside=inside or atomic)
    return found


@pytest.mark.parametrize("crd", crds(), ids=lambda crd: str(crd["spec"]["names"]["kind"]))
def test_nothing_is_filled_into_what_belongs_to_who_applied_it(crd: dict[str, Any]) -> None:
    assert defaults_inside_atomic(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]) == []
