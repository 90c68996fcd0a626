"""The CustomResourceDefinitions, made from the models.

`python -m skillmeat_operator.api.crd [--check] [DIR]` writes them as files, or checks that the files are what
it would write. `crds()` needs no file and no repository.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from skillmeat_operator.api.crd.schema import structural_schema
from skillmeat_operator.api.keys import CATALOG_SOURCE, CATEGORY, GROUP, TEMPLATE_BUNDLE, VERSION, KindNames
from skillmeat_operator.api.model import ApiModel, Rule
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSourceSpec
from skillmeat_operator.api.v1alpha1.catalog_source_status import CatalogSourceStatus
from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundleSpec, TemplateBundleStatus

_HEADER: Final = "# Generated from the models in skillmeat_operator.api by `make generate`; do not edit.\n"

# With `prune: true`, Flux deletes CRDs that leave its source, and with them every object of their kind.
_ANNOTATIONS: Final = {"kustomize.toolkit.fluxcd.io/prune": "disabled"}


class _PlainDumper(yaml.SafeDumper):
    """Writes repeated parts in full: readers of a CRD should not have to follow anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  named so by PyYAML
        """Never make an anchor."""
        return True


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; wide ones are shown with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False

    def as_schema(self) -> dict[str, Any]:
        """Return the column as it stands in a CRD."""
        column: dict[str, Any] = {"name": self.name, "type": self.type, "jsonPath": self.path}
        return column | {"priority": 1} if self.wide else column


@dataclass(frozen=True, slots=True)
class KindDeclaration:
    """All that a CRD says about a kind beyond its spec and status."""

    names: KindNames
    help: str
    spec: type[ApiModel]
    spec_help: str
    status: type[ApiModel]
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = ()
    selectable: tuple[str, ...] = ()


def _of_ready(field: str) -> str:
    return f'.status.conditions[?(@.type=="Ready")].{field}'


_READY: Final = (Column("Ready", _of_ready("status")), Column("Reason", _of_ready("reason")))
_AGE: Final = Column("Age", ".metadata.creationTimestamp", "date")

KIND_DECLARATIONS: Final = (
    KindDeclaration(
        names=CATALOG_SOURCE,
        help=(
            "CatalogSource brings the templates of one SkillMeat server into one Backstage catalog, checks "
            "that they arrived, and tells in status what is there, what is not, and why. Use the short name "
            "smsrc: the bare name may mean another operator's kind."
        ),
        spec=CatalogSourceSpec,
        spec_help="What is read, where it is published, and by which rules.",
        status=CatalogSourceStatus,
        columns=(
            *_READY,
            Column("Published", ".status.entities.published", "integer"),
            Column("In-Catalog", ".status.entities.inCatalog", "integer"),
            Column("Stale", ".status.entities.stale", "integer"),
            Column("Invalid", ".status.entities.invalid", "integer"),
            _AGE,
            Column("Held", ".status.entities.held", "integer", wide=True),
            Column("URL", ".spec.source.skillmeat.url", wide=True),
            Column("Message", _of_ready("message"), wide=True),
            Column("Suspended", ".spec.suspend", "boolean", wide=True),
        ),
        # The name is part of the document's URL, of which the portal indexes only so much.
        rules=(Rule("size(self.metadata.name) <= 63", "choose a name of at most 63 characters"),),
    ),
    KindDeclaration(
        names=TEMPLATE_BUNDLE,
        help=(
            "TemplateBundle declares one bundle of a CatalogSource: that it may be published, in which "
            "versions and with which overrides; its status is the health of this one template."
        ),
        spec=TemplateBundleSpec,
        spec_help="Which bundle is meant, and what is decided about it.",
        status=TemplateBundleStatus,
        columns=(
            *_READY,
            Column("Version", ".status.bundleVersion"),
            Column("Stale", ".status.stale", "boolean"),
            Column("In-Catalog", ".status.catalog.present", "boolean"),
            _AGE,
            Column("Entity", ".status.entityRef", wide=True),
            Column("Source", ".spec.sourceRef.name", wide=True),
            Column("Available", ".status.availableVersion", wide=True),
            Column("Components", ".status.components.total", "integer", wide=True),
            Column("Publish", ".spec.publish", "boolean", wide=True),
            Column("Suspended", ".spec.suspend", "boolean", wide=True),
            Column("Message", _of_ready("message"), wide=True),
        ),
        selectable=(".spec.sourceRef.name",),
    ),
)


def crds() -> list[dict[str, Any]]:
    """Return the CustomResourceDefinitions of both kinds."""
    return [_crd(kind) for kind in KIND_DECLARATIONS]


def to_yaml(crd: dict[str, Any]) -> str:
    """Return a CRD as YAML: keys sorted, so that the same models give the same bytes."""
    return yaml.dump(crd, Dumper=_PlainDumper, sort_keys=True, allow_unicode=True, width=100)


def files() -> dict[str, str]:
    """Return name and content of the generated files."""
    return {f"{GROUP}_{crd['spec']['names']['plural']}.yaml": _HEADER + to_yaml(crd) for crd in crds()}


def _crd(kind: KindDeclaration) -> dict[str, Any]:
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [column.as_schema() for column in kind.columns],
        "schema": {"openAPIV3Schema": _root_schema(kind)},
    }
    if kind.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.names.crd, "annotations": dict(_ANNOTATIONS)},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.names.kind,
                "listKind": f"{kind.names.kind}List",
                "plural": kind.names.plural,
                "singular": kind.names.singular,
                "shortNames": [kind.names.short],
                "categories": [CATEGORY],
            },
            "versions": [version],
        },
    }


def _root_schema(kind: KindDeclaration) -> dict[str, Any]:
    status = structural_schema(kind.status, keep_defaults=frozenset({"observedGeneration"}))
    # Both defaults are needed. kstatus takes an object without observedGeneration for finished: a default of
    # the inner field alone is not applied while status is absent, one of the whole status is lost once a
    # writer leaves `status: {}`.
    status |= {"default": {}, "description": "What was last observed; written by the operator only."}
    spec = structural_schema(kind.spec) | {"description": kind.spec_help}
    schema: dict[str, Any] = {
        "type": "object",
        "description": kind.help,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}."},
            "kind": {"type": "string", "description": f"{kind.names.kind}."},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
    }
    if kind.rules:
        schema["x-kubernetes-validations"] = [rule.as_schema() for rule in kind.rules]
    return schema


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or with --check compare; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m skillmeat_operator.api.crd", description=crds.__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=Path("crds"), help="default: crds")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    options = parser.parse_args(arguments)
    directory: Path = options.directory
    outdated = 0
    for name, content in files().items():
        path = directory / name
        if path.is_file() and path.read_text(encoding="utf-8") == content:
            continue
        if options.check:
            outdated += 1
            sys.stderr.write(f"{path} is not what the models say; run `make generate`\n")
        else:
            directory.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    return 1 if outdated else 0
