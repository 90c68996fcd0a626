"""Settings of the operator: the one source of the flags of `run`, their help, environment variables and
reference.

A flag is a field that carries a :class:`Flag`; its help is the field's docstring. Each can also be given as
the environment variable `SKILLMEAT_OPERATOR_<FLAG>`. Unknown variables of that prefix are no error:
Kubernetes itself sets some in every pod beside a Service named `skillmeat-operator`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Self, get_origin

from pydantic import AliasChoices, BeforeValidator, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from skillmeat_operator.cli.settings import flag_values as grammar
from skillmeat_operator.cli.settings.flag_values import ListenAddress
from skillmeat_operator.domain.template.document import canonical_public_url
from skillmeat_operator.domain.timings import Timings

MOST_WORKERS: Final = 500
POD_NAMESPACE: Final = "POD_NAMESPACE"
"""Set by the manifests to the namespace of the pod."""


class LogFormat(StrEnum):
    """How log lines are written."""

    JSON = "json"
    TEXT = "text"


class LogLevel(StrEnum):
    """The least important log lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Flag:
    """Marks a field as a flag of `run`."""

    metavar: str
    name: str | None = None
    """The flag without its dashes, where it is not the field's name with dashes."""
    default_text: str | None = None
    """What the reference shows as default, where it is not the field's default."""


ENVIRONMENT_PREFIX: Final = "SKILLMEAT_OPERATOR_"
"""In front of each flag's name in the environment."""


def _each(check: Any) -> BeforeValidator:
    def read(values: Any) -> Any:
        if values is None:
            return None
        written = [values] if isinstance(values, str) else values
        return tuple(check(value) for value in grammar.items(written))

    return BeforeValidator(read)


def _text(check: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: check(value) if isinstance(value, str) else value)


class OperatorSettings(BaseSettings):
    """What `run` was told, by its flags and the environment, checked. Immutable."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        env_prefix=ENVIRONMENT_PREFIX,
        # How a value is written is told by its field, not by its type.
        enable_decoding=False,
        populate_by_name=True,
    )

    namespaces: Annotated[
        tuple[str, ...],
        Field(validation_alias=AliasChoices("namespaces", f"{ENVIRONMENT_PREFIX}NAMESPACE")),
        _each(grammar.namespace),
        Flag("NAMESPACE", name="namespace", default_text="all"),
    ] = ()
    """Namespace whose CatalogSources and TemplateBundles are reconciled; may be repeated."""
    all_namespaces: Annotated[bool, _text(grammar.truth), Flag("")] = False
    """Reconcile all namespaces: the default, said aloud. It cannot stand together with --namespace."""
    operator_namespace: Annotated[
        str | None,
        Field(
            validation_alias=AliasChoices(
                "operator_namespace", f"{ENVIRONMENT_PREFIX}OPERATOR_NAMESPACE", POD_NAMESPACE
            )
        ),
        _text(grammar.namespace),
        Flag("NAMESPACE", default_text="`POD_NAMESPACE`, else the kubeconfig's namespace"),
    ] = None
    """Namespace in which the operator keeps its snapshots."""
    cluster_id: Annotated[
        str | None, _text(grammar.uuid), Flag("UID", default_text="read from the cluster")
    ] = None
    """UID of the namespace kube-system, where the operator is not granted to read it."""
    kubeconfig: Annotated[
        Path | None,
        Flag("FILE", default_text="`KUBECONFIG`, else the pod's service account, else `~/.kube/config`"),
    ] = None
    """Kubeconfig file for running outside the cluster."""
    context: Annotated[str | None, Flag("NAME", default_text="the kubeconfig's current context")] = None
    """Context of the kubeconfig."""

    serve_address: Annotated[ListenAddress, _text(ListenAddress.parse), Flag("HOST:PORT")] = ListenAddress(
        "0.0.0.0",  # noqa: S104  # Backstage reaches the documents from other pods
        8080,
    )
    """Address on which the documents are served to Backstage."""
    metrics_address: Annotated[ListenAddress, _text(ListenAddress.parse), Flag("HOST:PORT")] = ListenAddress(
        "0.0.0.0",  # noqa: S104  # the kubelet's probes come from outside the pod
        9090,
    )
    """Address on which `/healthz` and `/readyz` are served."""
    public_url: Annotated[str | None, _text(canonical_public_url), Flag("URL")] = None
    """Base URL under which Backstage reaches the documents. Without it a CatalogSource that publishes is
    Stalled and says so."""
    backstage_url: Annotated[str | None, _text(grammar.base_url), Flag("URL")] = None
    """Base URL of the portal's backend for CatalogSources that name none. Its host counts as allowed."""
    backstage_token_file: Annotated[Path | None, Flag("FILE")] = None
    """File with the token of the portal at --backstage-url. It is read again when it changes."""
    allowed_hosts: Annotated[tuple[str, ...] | None, _each(grammar.host_pattern), Flag("HOST")] = None
    """Host that CatalogSources may name: `host`, `*.suffix` or `*`, each with an optional `:port`; may be
    repeated. Without it, and without --namespace, every CatalogSource is Stalled with reason
    EgressNotAllowed."""
    allowed_catalog_namespaces: Annotated[tuple[str, ...], _each(grammar.namespace_glob), Flag("PATTERN")] = (
        "*",
    )
    """Pattern of catalog namespaces that CatalogSources may use, for example `team-*`; may be repeated."""
    workers: Annotated[
        int, BeforeValidator(partial(grammar.whole_number, least=1, most=MOST_WORKERS)), Flag("NUMBER")
    ] = 20
    """How many objects are reconciled at the same time."""
    log_format: Annotated[LogFormat, _text(partial(grammar.one_of, choices=LogFormat)), Flag("FORMAT")] = (
        LogFormat.JSON
    )
    """How log lines are written: `json`, or `text` for people."""
    log_level: Annotated[LogLevel, _text(partial(grammar.one_of, choices=LogLevel)), Flag("LEVEL")] = (
        LogLevel.INFO
    )
    """The least important log lines that are written: `debug`, `info`, `warning` or `error`."""

    timings: Annotated[Timings, _text(grammar.timings)] = Field(default_factory=Timings)
    """Fixed times of the protocol; only tests scale them, hence no flag."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take nothing but what is given: whoever reads the settings says of which environment."""
        return (init_settings,)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.namespaces and self.all_namespaces:
            raise ValueError("Give either --namespace or --all-namespaces, not both.")
        if self.backstage_token_file is not None and self.backstage_url is None:
            raise ValueError(
                "Give --backstage-url as well: --backstage-token-file is the token of that portal alone."
            )
        if self.serve_address == self.metrics_address and self.serve_address.port != 0:
            raise ValueError("Give --serve-address and --metrics-address different ports.")
        return self


@dataclass(frozen=True, slots=True)
class FlagField:
    """One flag of `run` as its field declares it."""

    field: str
    flag: str
    """With its dashes."""
    variable: str
    """Environment variable."""
    metavar: str | None
    """None for a switch."""
    help: str
    default_text: str
    repeatable: bool


def flag_fields() -> tuple[FlagField, ...]:
    """Return the flags in the order of their declaration."""
    found = []
    for field, info in OperatorSettings.model_fields.items():
        flag = next((mark for mark in info.metadata if isinstance(mark, Flag)), None)
        if flag is None:
            continue
        name = flag.name or field.replace("_", "-")
        is_switch = info.annotation is bool
        found.append(
            FlagField(
                field=field,
                flag=f"--{name}",
                variable=ENVIRONMENT_PREFIX + name.replace("-", "_").upper(),
                metavar=None if is_switch else flag.metavar,
                help=" ".join((info.description or "").split()),
                default_text=flag.default_text or _shown(info.default),
                repeatable=_is_tuple(info.annotation),
            )
        )
    return tuple(found)


def _is_tuple(annotation: Any) -> bool:
    return any(get_origin(member) is tuple for member in (annotation, *getattr(annotation, "__args__", ())))


def _shown(default: Any) -> str:
    if default is None or default == ():
        return "none"
    if isinstance(default, bool):
        return "off"
    return ",".join(f"`{value}`" for value in (default if isinstance(default, tuple) else (default,)))
