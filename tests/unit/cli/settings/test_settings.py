"""Settings of `run`: flags, environment variables, what wins, and what is refused in which words."""

from pathlib import Path
from typing import Any

import pytest

from skillmeat_operator.cli.commands import run
from skillmeat_operator.cli.errors import WrongUseError
from skillmeat_operator.cli.settings.flag_values import ListenAddress
from skillmeat_operator.cli.settings.settings import LogFormat, LogLevel, OperatorSettings, flag_fields
from skillmeat_operator.cli.settings.sources import read_settings
from skillmeat_operator.domain.timings import Timings

UID = "0a1b2c3d-1111-2222-3333-444455556666"


def read(*flags: str, **environ: str) -> OperatorSettings:
    arguments = run.COMMAND.make_context("run", list(flags)).params
    variables = {
        name if name == "POD_NAMESPACE" else f"SKILLMEAT_OPERATOR_{name}": value
        for name, value in environ.items()
    }
    return read_settings(arguments, variables)


def test_defaults() -> None:
    settings = read()
    assert settings == OperatorSettings()
    assert settings.operator_namespace is None
    assert str(settings.serve_address) == "0.0.0.0:8080"
    assert str(settings.metrics_address) == "0.0.0.0:9090"
    assert settings.allowed_hosts is None
    assert settings.allowed_catalog_namespaces == ("*",)
    assert (settings.workers, settings.log_format, settings.log_level) == (20, LogFormat.JSON, LogLevel.INFO)


# One value for each flag: as written, and as read.
VALUES: dict[str, tuple[str, Any]] = {
    "--namespace": ("team-a,team-b", ("team-a", "team-b")),
    "--operator-namespace": ("skillmeat-system", "skillmeat-system"),
    "--cluster-id": (UID, UID),
    "--kubeconfig": ("/some/config", Path("/some/config")),
    "--context": ("prod", "prod"),
    "--serve-address": ("[::1]:8081", ListenAddress("::1", 8081)),
    "--metrics-address": ("127.0.0.1:0", ListenAddress("127.0.0.1", 0)),
    "--public-url": ("HTTP://Docs.Example.org:80/base/", "http://docs.example.org/base"),
    "--backstage-url": ("https://Portal:443/", "https://portal"),
    "--backstage-token-file": ("/run/token", Path("/run/token")),
    "--allowed-hosts": ("*.Example.org, localhost:8080,*", ("*.example.org", "localhost:8080", "*")),
    "--allowed-catalog-namespaces": ("team-*,skillmeat", ("team-*", "skillmeat")),
    "--workers": ("3", 3),
    "--log-format": ("text", LogFormat.TEXT),
    "--log-level": ("debug", LogLevel.DEBUG),
}
SWITCHES = {"--all-namespaces"}


def needed(flag: str) -> dict[str, str]:
    return {"BACKSTAGE_URL": "http://portal"} if flag == "--backstage-token-file" else {}


def test_every_flag_is_tried_below() -> None:
    assert {flag.flag for flag in flag_fields()} == VALUES.keys() | SWITCHES


@pytest.mark.parametrize("flag", VALUES)
def test_a_flag_and_its_variable_read_the_same(flag: str) -> None:
    written, value = VALUES[flag]
    declared = next(field for field in flag_fields() if field.flag == flag)
    by_flag = read(flag, written, **needed(flag))
    by_variable = read(**{declared.variable.removeprefix("SKILLMEAT_OPERATOR_"): written}, **needed(flag))
    assert getattr(by_flag, declared.field) == value
    assert by_variable == by_flag


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("1", True), ("False", False), ("0", False), ("", False)]
)
def test_a_switch_by_variable(text: str, value: bool) -> None:
    assert read(ALL_NAMESPACES=text).all_namespaces is value


def test_a_flag_wins_over_its_variable() -> None:
    assert read("--workers", "3", WORKERS="7").workers == 3


def test_a_wrong_variable_does_not_matter_under_its_flag() -> None:
    assert read("--workers", "3", WORKERS="many").workers == 3


def test_a_repeated_flag_adds_up_and_replaces_the_variable() -> None:
    settings = read("--namespace", "a,b", "--namespace", "c", "--namespace", "a", NAMESPACE="z")
    assert settings.namespaces == ("a", "b", "c")


@pytest.mark.parametrize(
    ("flags", "environ", "namespaces", "everywhere"),
    [
        (["--all-namespaces"], {"NAMESPACE": "a"}, (), True),
        (["--namespace", "a"], {"ALL_NAMESPACES": "true"}, ("a",), False),
    ],
)
def test_a_scope_flag_silences_the_other_scope_variable(
    flags: list[str], environ: dict[str, str], namespaces: tuple[str, ...], everywhere: bool
) -> None:
    settings = read(*flags, **environ)
    assert (settings.namespaces, settings.all_namespaces) == (namespaces, everywhere)


@pytest.mark.parametrize(
    ("flags", "environ", "namespace"),
    [
        (["--operator-namespace", "a"], {"OPERATOR_NAMESPACE": "b", "POD_NAMESPACE": "c"}, "a"),
        ([], {"OPERATOR_NAMESPACE": "b", "POD_NAMESPACE": "c"}, "b"),
        ([], {"POD_NAMESPACE": "c"}, "c"),
        ([], {"POD_NAMESPACE": ""}, None),
    ],
)
def test_the_operators_own_namespace(
    flags: list[str], environ: dict[str, str], namespace: str | None
) -> None:
    assert read(*flags, **environ).operator_namespace == namespace


REFUSED = {
    "workers 0": ("--workers", "0", "--workers: must be a whole number from 1 to 500, not '0'."),
    "workers in words": ("--workers", "many", "--workers: must be a whole number from 1 to 500, not 'many'."),
    "workers with other digits": (
        "--workers",
        "٣",
        "--workers: must be a whole number from 1 to 500, not '٣'.",
    ),
    "address without port": (
        "--serve-address",
        "operator.example.com",
        "--serve-address: must be written as host:port, for example 0.0.0.0:8080, not "
        "'operator.example.com'.",
    ),
    "port too high": (
        "--serve-address",
        "a:65536",
        "--serve-address: must be written as host:port, for example 0.0.0.0:8080, not 'a:65536'.",
    ),
    "IPv6 without brackets": (
        "--metrics-address",
        "::1:80",
        "--metrics-address: must be written as host:port, for example 0.0.0.0:8080, not '::1:80'.",
    ),
    "public URL of another scheme": ("--public-url", "ftp://a", "http:// or https://"),
    "public URL with a query": ("--public-url", "http://a/?x", "no query"),
    "public URL with a fragment": ("--public-url", "http://a/#x", "no fragment"),
    "public URL with a user": ("--public-url", "http://me:hunter2@a", "no user name or password"),
    "public URL without host": ("--public-url", "http:///x", "host"),
    "portal URL of another scheme": ("--backstage-url", "portal:7007", "must be an http:// or https:// URL"),
    "portal URL with a user": ("--backstage-url", "http://me:hunter2@a", "no user name or password"),
    "portal URL with a query": ("--backstage-url", "http://a?", "neither query nor fragment"),
    "portal URL with a fragment": ("--backstage-url", "http://a#", "neither query nor fragment"),
    "portal URL with a wrong port": ("--backstage-url", "http://a:x", "a port, if any, from 1 to 65535"),
    "portal URL with an address that is none": ("--backstage-url", "http://[1.2]", "must name the host"),
    "portal URL with a name that is no A-label": ("--backstage-url", "http://xn--0", "must name the host"),
    "portal URL with dots": ("--backstage-url", "http://a/../b", "without empty, `.` and `..` segments"),
    "portal URL with white space": ("--backstage-url", "http://a/ b", "must be an http:// or https:// URL"),
    "a star in the middle": ("--allowed-hosts", "a.*.org", "'a.*.org'"),
    "a host with a wrong port": ("--allowed-hosts", "a:0", "'a:0'"),
    "a URL for a host": ("--allowed-hosts", "http://a", "'http://a'"),
    "an empty item": ("--allowed-hosts", "a,,b", "--allowed-hosts: must have no empty item."),
    "a namespace in capitals": (
        "--namespace",
        "Team",
        "--namespace: must be the name of a Kubernetes namespace, not 'Team'.",
    ),
    "an empty namespace": ("--namespace", "", "--namespace: must have no empty item."),
    "a catalog namespace with a slash": (
        "--allowed-catalog-namespaces",
        "a/b",
        "patterns such as team-*, not 'a/b'.",
    ),
    "a cluster id that is no UID": (
        "--cluster-id",
        "prod",
        "--cluster-id: must be the UID that `kubectl get",
    ),
    "an unknown log level": (
        "--log-level",
        "loud",
        "--log-level: must be debug or info or warning or error, not 'loud'.",
    ),
    "an unknown log format": ("--log-format", "xml", "--log-format: must be json or text, not 'xml'."),
    "a wrong namespace of the operator": (
        "--operator-namespace",
        "A",
        "--operator-namespace: must be the name",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_names_flag_or_variable_and_remedy(case: str) -> None:
    flag, written, sentence = REFUSED[case]
    with pytest.raises(WrongUseError) as by_flag:
        read(flag, written)
    assert sentence in str(by_flag.value)
    assert str(by_flag.value).startswith(f"{flag}: ")
    assert "hunter2" not in str(by_flag.value)
    if not written:
        return
    variable = next(field.variable for field in flag_fields() if field.flag == flag)
    with pytest.raises(WrongUseError) as by_variable:
        read(**{variable.removeprefix("SKILLMEAT_OPERATOR_"): written})
    assert str(by_variable.value) == str(by_flag.value).replace(flag, variable, 1)


TOGETHER = {
    "both scopes": (
        ["--namespace", "a", "--all-namespaces"],
        "Give either --namespace or --all-namespaces, not both.",
    ),
    "a token without its portal": (
        ["--backstage-token-file", "/t"],
        "Give --backstage-url as well: --backstage-token-file is the token of that portal alone.",
    ),
    "one port twice": (
        ["--serve-address", "a:1", "--metrics-address", "a:1"],
        "Give --serve-address and --metrics-address different ports.",
    ),
}


@pytest.mark.parametrize("case", TOGETHER)
def test_what_does_not_fit_together(case: str) -> None:
    flags, sentence = TOGETHER[case]
    with pytest.raises(WrongUseError) as error:
        read(*flags)
    assert str(error.value) == sentence


def test_several_mistakes_are_a_line_each() -> None:
    with pytest.raises(WrongUseError) as error:
        read("--workers", "0", LOG_LEVEL="loud")
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == [
        "--workers",
        "SKILLMEAT_OPERATOR_LOG_LEVEL",
    ]


def test_two_free_ports_may_both_be_asked_for() -> None:
    assert read("--serve-address", "a:0", "--metrics-address", "a:0").serve_address.port == 0


def test_variables_that_kubernetes_sets_beside_a_service_do_no_harm() -> None:
    environ = {
        "PORT": "tcp://10.0.0.1:8080",
        "SERVICE_HOST": "10.0.0.1",
        "PORT_8080_TCP": "tcp://10.0.0.1:8080",
    }
    assert read(**environ) == read()


def test_fixed_times_can_be_scaled_by_tests() -> None:
    assert read(TIMINGS='{"verify_every": 0.5, "refresh_at": [1, 2]}').timings == Timings(
        verify_every=0.5, refresh_at=(1, 2)
    )


@pytest.mark.parametrize("text", ["[]", "{", '{"what": 1}'])
def test_wrong_fixed_times_are_refused(text: str) -> None:
    with pytest.raises(WrongUseError, match=r"^SKILLMEAT_OPERATOR_TIMINGS: "):
        read(TIMINGS=text)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read().workers = 2  # type: ignore[misc]


def test_flags_of_later_versions_are_not_offered() -> None:
    offered = {flag.flag for flag in flag_fields()}
    later = {"--leader-elect", "--webhook-address", "--instances", "--watch-label-selector"}
    assert not offered & later
