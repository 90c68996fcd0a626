"""`portal-config`: app-config lines, as YAML that a portal reads."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from skillmeat_operator.cli.pages.portal_lines import allowed_host, catalogs_prefix

TARGET = "http://operator.skillmeat-system:8080/catalogs/0a1b2c3d/team-a/main.yaml"
READ = ["catalog.entity.read"]
SERVED = [
    "catalog.entity.read",
    "catalog.entity.refresh",
    "catalog.entity.delete",
    "catalog.entity.validate",
    "catalog.location.read",
    "catalog.location.create",
]


def access(permissions: list[str]) -> list:
    return [
        {
            "type": "static",
            "options": {"token": "${SKILLMEAT_OPERATOR_TOKEN}", "subject": "skillmeat-operator"},
            "accessRestrictions": [{"plugin": "catalog", "permission": permissions}],
        }
    ]


ALLOW = {"allow": [{"host": "operator.skillmeat-system:8080", "paths": ["/catalogs/0a1b2c3d/"]}]}
EXPECTED = {
    "Location": {
        "backend": {
            "reading": ALLOW,
            "auth": {"externalAccess": access([*SERVED, "catalog.location.delete"])},
        },
        "catalog": {
            "rules": [
                {"allow": ["Component", "API", "Location"]},
                {"allow": ["Template"], "locations": [{"type": "url", "exact": TARGET}]},
            ]
        },
    },
    "StaticLocation": {
        "backend": {"reading": ALLOW, "auth": {"externalAccess": access(SERVED)}},
        "catalog": {"locations": [{"type": "url", "target": TARGET, "rules": [{"allow": ["Template"]}]}]},
    },
    "External": {"backend": {"auth": {"externalAccess": access(READ)}}},
}


@pytest.mark.parametrize("ingestion", EXPECTED)
def test_lines_by_ingestion(commands, make, ingestion: str) -> None:
    commands.cluster.add(
        make.sources, make.source(spec={"backstage": {"ingestion": ingestion}}, catalog={"target": TARGET})
    )
    assert commands.run("portal-config", "source/main") == 0
    assert yaml.safe_load(commands.printed) == EXPECTED[ingestion]


def test_before_the_first_sync_the_public_url_tells_the_target(commands, make) -> None:
    commands.cluster.add(make.sources, make.source())
    flags = ("--public-url", "http://operator.skillmeat-system:8080/")
    assert commands.run("portal-config", "source/main", *flags) == 0
    assert yaml.safe_load(commands.printed) == EXPECTED["Location"]


def test_the_cluster_id_can_be_given(commands, make) -> None:
    commands.cluster.add(make.sources, make.source())
    flags = ("--public-url", "http://op", "--cluster-id", "ffffffff-1111-2222-3333-444455556666")
    assert commands.run("portal-config", "source/main", *flags) == 0
    assert "http://op/catalogs/ffffffff/team-a/main.yaml" in commands.printed


def test_status_wins_over_the_public_url_and_says_so(commands, make) -> None:
    commands.cluster.add(make.sources, make.source(catalog={"target": TARGET}))
    assert commands.run("portal-config", "source/main", "--public-url", "http://new") == 0
    assert yaml.safe_load(commands.printed) == EXPECTED["Location"]
    assert commands.said == f"note: source/main is published at {TARGET}, so --public-url is not used.\n"


WRONG = {
    "no target": (
        [],
        "error: The status of source/main does not tell its document's URL yet: give --public-url",
    ),
    "a wrong URL": (
        ["--public-url", "op:8080"],
        "error: --public-url or --cluster-id: the public URL must begin",
    ),
    "a wrong cluster id": (
        ["--public-url", "http://op", "--cluster-id", "x"],
        "error: --public-url or --cluster-id: the cluster's UID must have",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_has_to_be_given(commands, make, case: str) -> None:
    flags, said = WRONG[case]
    commands.cluster.add(make.sources, make.source())
    assert commands.run("portal-config", "source/main", *flags) == 2
    assert commands.said.startswith(said)
    assert commands.said.count("\n") == 1


def test_the_rule_for_all_sources_of_the_cluster_is_there_to_uncomment(commands, make) -> None:
    commands.cluster.add(make.sources, make.source(catalog={"target": TARGET}))
    commands.run("portal-config", "source/main")
    kept = [
        line.replace("# - type", "- type").replace("#   pattern", "  pattern")
        for line in commands.printed.splitlines()
        if "exact:" not in line and line.strip() != "- type: url"
    ]
    rule = yaml.safe_load("\n".join(kept))["catalog"]["rules"][1]
    pattern = "http://operator.skillmeat-system:8080/catalogs/0a1b2c3d/**"
    assert rule == {"allow": ["Template"], "locations": [{"type": "url", "pattern": pattern}]}


def test_an_address_in_brackets_has_no_pattern(commands, make) -> None:
    commands.cluster.add(
        make.sources, make.source(catalog={"target": "http://[fd00::1]:8080/catalogs/0a1b2c3d/a/b.yaml"})
    )
    commands.run("portal-config", "source/main")
    assert "pattern" not in commands.printed
    assert yaml.safe_load(commands.printed)["backend"]["reading"]["allow"][0]["host"] == "[fd00::1]:8080"


SECRETS = {
    "named in the spec": (
        {"backstage": {"auth": {"bearerTokenSecretRef": {"name": "portal", "key": "t"}}}},
        "create secret generic portal --namespace team-a --from-file=t=/dev/stdin",
        False,
    ),
    "key by default": (
        {"backstage": {"auth": {"bearerTokenSecretRef": {"name": "portal"}}}},
        "create secret generic portal --namespace team-a --from-file=token=/dev/stdin",
        False,
    ),
    "not named": (
        {},
        "create secret generic backstage-token --namespace team-a --from-file=token=/dev/stdin",
        True,
    ),
}


@pytest.mark.parametrize("case", SECRETS)
def test_the_line_that_makes_the_secret(commands, make, case: str) -> None:
    spec, line, patch = SECRETS[case]
    commands.cluster.add(make.sources, make.source(spec=spec, catalog={"target": TARGET}))
    commands.run("portal-config", "source/main")
    assert f'#   printf %s "$SKILLMEAT_OPERATOR_TOKEN" | kubectl {line}\n' in commands.printed
    assert ("kubectl patch catalogsources.skillmeat.io/main --namespace team-a" in commands.printed) is patch


@pytest.mark.parametrize(
    ("target", "host", "prefix"),
    [
        ("http://op/catalogs/u/n/x.yaml", "op", "http://op/catalogs/u/"),
        ("https://op/base/catalogs/u/n/x.yaml", "op", "https://op/base/catalogs/u/"),
        ("http://op:443/catalogs/u/n/x.yaml", "op:443", "http://op:443/catalogs/u/"),
        ("https://op:8443/catalogs/u/n/x.yaml", "op:8443", "https://op:8443/catalogs/u/"),
    ],
)
def test_hosts_are_written_as_backstage_compares_them(target: str, host: str, prefix: str) -> None:
    assert (allowed_host(target), catalogs_prefix(target)) == (host, prefix)


def test_what_is_no_source(commands) -> None:
    assert commands.run("portal-config", "bundle/x") == 2
    assert commands.run("portal-config", "source/none") == 1


UID = "0a1b2c3d-1111-2222-3333-444455556666"


def manifest(tmp_path: Path, *documents: Any) -> str:
    path = tmp_path / "source.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    return str(path)


def declared(name: str = "main", namespace: str | None = "team-a", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {
        "apiVersion": "skillmeat.io/v1alpha1",
        "kind": "CatalogSource",
        "metadata": metadata,
        "spec": {"source": {"skillmeat": {"url": "http://skillmeat:8000"}}, **spec},
    }


def test_a_manifest_that_no_cluster_has_yet(commands, tmp_path: Path) -> None:
    path = manifest(tmp_path, {"kind": "Secret"}, declared())
    flags = ("--public-url", "http://operator.skillmeat-system:8080", "--cluster-id", UID)
    assert commands.run("portal-config", "-f", path, *flags) == 0, commands.said
    assert yaml.safe_load(commands.printed) == EXPECTED["Location"]
    assert commands.cluster.choices == [], "no cluster is needed"


def test_the_cluster_tells_its_own_id_and_the_contexts_namespace(commands, tmp_path: Path) -> None:
    path = manifest(tmp_path, declared(namespace=None))
    flags = ("--public-url", "http://operator.skillmeat-system:8080")
    assert commands.run("portal-config", "-f", path, *flags) == 0, commands.said
    assert yaml.safe_load(commands.printed) == EXPECTED["Location"]


def test_a_manifest_of_external_ingestion_needs_nothing_else(commands, tmp_path: Path) -> None:
    path = manifest(tmp_path, declared(backstage={"ingestion": "External"}))
    assert commands.run("portal-config", "-f", path) == 0, commands.said
    assert yaml.safe_load(commands.printed) == EXPECTED["External"]
    assert commands.cluster.choices == []


def test_of_several_the_named_one(commands, tmp_path: Path) -> None:
    path = manifest(tmp_path, {"kind": "List", "items": [declared("a"), declared("main")]})
    flags = ("-f", path, "--public-url", "http://operator.skillmeat-system:8080", "--cluster-id", UID)
    assert commands.run("portal-config", "source/main", *flags) == 0
    assert yaml.safe_load(commands.printed) == EXPECTED["Location"]
    assert commands.run("portal-config", *flags) == 2
    assert commands.said.endswith("has 2 of kind CatalogSource: name the one you mean.\n")


FILES = {
    "no file": ("/nonexistent/x.yaml", [], "The file /nonexistent/x.yaml cannot be read: No such file"),
    "neither file nor name": (None, [], "Name a CatalogSource as source/NAME, or give its manifest"),
    "another kind": ({"kind": "Secret"}, [], "has no CatalogSource of skillmeat.io/v1alpha1."),
    "another name": (declared(), ["source/other"], "has no CatalogSource 'other' of"),
    "another namespace": (declared(), ["-n", "x"], "is of namespace 'team-a', and --namespace says 'x'."),
    "no public URL": (declared(), ["--cluster-id", UID], "give --public-url as the operator gets it."),
}


@pytest.mark.parametrize("case", FILES)
def test_a_manifest_that_does_not_do_is_one_sentence(commands, tmp_path: Path, case: str) -> None:
    content, flags, sentence = FILES[case]
    path = content if isinstance(content, str) or content is None else manifest(tmp_path, content)
    assert commands.run("portal-config", *(["-f", path] if path else []), *flags) == 2
    assert sentence in commands.said
    assert commands.said.count("\n") == 1


def test_a_file_that_is_not_yaml_is_one_sentence(commands, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("a: [")
    assert commands.run("portal-config", "-f", str(tmp_path / "x")) == 1
    assert commands.said == f"error: The file {tmp_path}/x is not YAML.\n"


def test_an_ingestion_of_another_version_is_one_sentence(commands, make) -> None:
    commands.cluster.add(make.sources, make.source(spec={"backstage": {"ingestion": "Push"}}))
    assert commands.run("portal-config", "source/main") == 1
    assert commands.said == (
        "error: This version knows no ingestion 'Push', only Location, StaticLocation, External: use a "
        "skillmeat-operator of the cluster's version.\n"
    )


def test_a_target_that_is_no_url_is_one_sentence(commands, make) -> None:
    commands.cluster.add(make.sources, make.source(catalog={"target": "somewhere"}))
    assert commands.run("portal-config", "source/main") == 1
    assert "names a document whose URL cannot be read." in commands.said
