"""Every command of ours that a page or a manifest shows is run, against a cluster that has what it names."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from skillmeat_operator.api.keys import KindNames
from skillmeat_operator.cli.main import COMMANDS, command

REPOSITORY = Path(__file__).parents[3]
PAGES = [
    REPOSITORY / "README.md",
    *sorted((REPOSITORY / "docs").rglob("*.md")),
    *sorted((REPOSITORY / "examples").glob("*.yaml")),
    *sorted((REPOSITORY / "manifests").rglob("*.yaml")),
]
_CALL = re.compile(r"(?:^[ #]*(?:\$ )?|`)((?:skillmeat-operator|kubectl skillmeat) [^`\n]*)", re.MULTILINE)
# Not ended by an operator that runs on: it is started by the tests of the process.
_ENDLESS = "run"


def calls() -> Iterator[Any]:
    for page in PAGES:
        text = re.sub(r"\\\n[ #]*", "", page.read_text(encoding="utf-8"))
        for at, call in enumerate(_CALL.findall(text)):
            line = call.replace("NAME", "name").strip()
            words = shlex.split(re.split(r" [|>] ", line)[0], comments=True)
            words = words[2:] if words[0] == "kubectl" else words[1:]
            if words and (words[0] in COMMANDS or words[0].startswith("-")):
                yield pytest.param(words, id=f"{page.relative_to(REPOSITORY)}-{at}-{line[:50]}")


CALLS = list(calls())


class Everything:
    """A cluster that has an object of every name."""

    def __init__(self, make: Any) -> None:
        self.namespace = "team-a"
        self._make = make
        self._annotations: dict[str, str] = {}

    def _object(self, kind: KindNames, namespace: str, name: str) -> Any:
        if kind is self._make.bundles:
            return self._make.bundle(name, namespace, source="skillmeat")
        target = f"http://operator:8080/catalogs/0a1b2c3d/{namespace}/{name}.yaml"
        return self._make.source(name, namespace, catalog={"target": target})

    async def list(self, kind: KindNames, namespace: str | None) -> list[Any]:
        return [self._object(kind, namespace or "team-a", "skillmeat")]

    async def get(self, kind: KindNames, namespace: str, name: str) -> Any:
        found = self._object(kind, namespace, name)
        found["metadata"]["annotations"] = self._annotations
        found["status"]["handledRequests"] = {
            "skillmeat": self._annotations.get("skillmeat.io/reconcile-requested-at", "before")
        }
        return found

    async def patch(self, kind: KindNames, namespace: str, name: str, body: Any) -> Any:
        self._annotations = body.get("metadata", {}).get("annotations", {})
        return self._object(kind, namespace, name)

    async def lease(self, namespace: str, name: str) -> None:
        return None

    async def cluster_uid(self) -> str:
        return str(self._make.cluster_uid)


@pytest.mark.parametrize("words", CALLS)
def test_it_runs(commands, make, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    if words[0] == _ENDLESS:
        command(_ENDLESS).make_context(_ENDLESS, words[1:])
        return
    if len(words) == 1 and words[0] in {"portal-config", "sync", "suspend", "resume"}:
        return  # the name of a command in a sentence
    assert commands.with_cluster(Everything(make)).run(*words) == 0, commands.said


def test_they_are_found() -> None:
    assert len(CALLS) > 25
    assert {call.values[0][0] for call in CALLS} >= {*COMMANDS}


def test_the_example_names_its_bundle_by_what_stays() -> None:
    example = yaml.safe_load((REPOSITORY / "examples" / "templatebundle.yaml").read_text(encoding="utf-8"))
    assert list(example["spec"]["bundleRef"]) == ["id"]
