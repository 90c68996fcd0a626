"""Credentials and certificates out of Secrets and ConfigMaps: read by name at each use, never listed."""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NoReturn

from skillmeat_operator.adapters.http.credential import Credential
from skillmeat_operator.adapters.http.tls import CA_FIELD, CLIENT_FIELD, TlsMaterial
from skillmeat_operator.adapters.kubernetes.client import KubernetesClient
from skillmeat_operator.adapters.kubernetes.errors import ForbiddenError, KubernetesError
from skillmeat_operator.api.keys import ALLOWED_HOSTS
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.api.v1alpha1.references import (
    TLS,
    CAKind,
    CAReference,
    CertificateReference,
    SecretKeyReference,
)
from skillmeat_operator.domain.failure import FailedError, Failure, FailureKind, Side

logger = logging.getLogger(__name__)

TLS_CERTIFICATE: Final = "tls.crt"
TLS_KEY: Final = "tls.key"
"""Keys of a Secret of type ``kubernetes.io/tls``."""


class SecretReader:
    """Reads what references name, in the namespace of the object that holds the reference.

    Every method takes the side that the value is meant for and raises
    :class:`~skillmeat_operator.domain.failure.FailedError` of kind ``SECRET`` where the value is not there
    (``SecretNotFound``, ``SecretKeyNotFound``) or must not be read (``AccessDenied``), and of kind
    ``TRANSIENT`` (``SecretUnavailable``) where the API server does not answer for it.
    """

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client

    async def value(self, namespace: str, reference: SecretKeyReference, *, side: Side) -> Credential:
        """A token and the hosts it may be sent to.

        The annotation ``skillmeat.io/allowed-hosts`` of the Secret is a comma-separated list; present but
        empty, the token is sent nowhere.
        """
        data, annotations = await self._secret(namespace, reference.name, side)
        raw = _entry(data, reference.key, "Secret", reference.name, side)
        # Whether it can stand in a header is checked where it is sent.
        return Credential.of(raw.decode("utf-8", "surrogateescape"), allowed_hosts=_hosts(annotations))

    async def tls(self, namespace: str, tls: TLS | None, *, side: Side) -> TlsMaterial:
        """All that the ``tls`` of a spec names, PEM as stored, and the hosts that its Secrets are for."""
        if tls is None:
            return TlsMaterial()
        material = TlsMaterial()
        if tls.ca_ref is not None:
            material = await self._with_ca(material, namespace, tls.ca_ref, side)
        if tls.client_cert_secret_ref is not None:
            material = await self._with_client(material, namespace, tls.client_cert_secret_ref, side)
        return material

    async def _with_ca(
        self, material: TlsMaterial, namespace: str, reference: CAReference, side: Side
    ) -> TlsMaterial:
        annotations: Mapping[str, str] = {}
        if reference.kind is CAKind.CONFIG_MAP:
            data = await self._config_map(namespace, reference.name, side)
        else:
            data, annotations = await self._secret(namespace, reference.name, side)
        ca = _entry(data, reference.key, reference.kind, reference.name, side)
        return replace(material, ca=ca, bindings=(*material.bindings, *_binding(CA_FIELD, annotations)))

    async def _with_client(
        self, material: TlsMaterial, namespace: str, reference: CertificateReference, side: Side
    ) -> TlsMaterial:
        data, annotations = await self._secret(namespace, reference.name, side)
        return replace(
            material,
            certificate=_entry(data, TLS_CERTIFICATE, "Secret", reference.name, side),
            key=_entry(data, TLS_KEY, "Secret", reference.name, side),
            bindings=(*material.bindings, *_binding(CLIENT_FIELD, annotations)),
        )

    async def _secret(
        self, namespace: str, name: str, side: Side
    ) -> tuple[Mapping[str, bytes], Mapping[str, str]]:
        try:
            found = await self._client.get_secret(namespace, name)
        except ForbiddenError:
            _forbidden("Secret", namespace, name, side)
        except KubernetesError as error:
            _unavailable("Secret", namespace, name, side, error)
        if found is None:
            _missing("Secret", namespace, name, side)
        return found.data, found.annotations

    async def _config_map(self, namespace: str, name: str, side: Side) -> Mapping[str, bytes]:
        try:
            found = await self._client.get_config_map(namespace, name)
        except ForbiddenError:
            _forbidden("ConfigMap", namespace, name, side)
        except KubernetesError as error:
            _unavailable("ConfigMap", namespace, name, side, error)
        if found is None:
            _missing("ConfigMap", namespace, name, side)
        text = {key: value.encode() for key, value in (found.get("data") or {}).items()}
        return text | {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}


def _entry(data: Mapping[str, bytes], key: str, kind: str, name: str, side: Side) -> bytes:
    value = data.get(key)
    if not value:
        said = "is empty" if value is not None else "is missing"
        _fail(
            side,
            Reason.SECRET_KEY_NOT_FOUND,
            f"Key '{key}' of {kind} '{name}' {said}: add it, or correct the key in the reference.",
        )
    return value


def _hosts(annotations: Mapping[str, str]) -> tuple[str, ...] | None:
    stated = annotations.get(ALLOWED_HOSTS)
    if stated is None:
        return None
    return tuple(host.strip() for host in stated.split(",") if host.strip())


def _binding(field_name: str, annotations: Mapping[str, str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    hosts = _hosts(annotations)
    return ((field_name, hosts),) if hosts is not None else ()


def _missing(kind: str, namespace: str, name: str, side: Side) -> NoReturn:
    _fail(
        side,
        Reason.SECRET_NOT_FOUND,
        f"{kind} '{name}' does not exist in namespace '{namespace}': create it, or correct the reference.",
    )


def _forbidden(kind: str, namespace: str, name: str, side: Side) -> NoReturn:
    _fail(
        side,
        Reason.ACCESS_DENIED,
        f"The operator may not read {kind} '{name}': allow its ServiceAccount to get {kind}s in namespace "
        f"'{namespace}'.",
    )


def _unavailable(kind: str, namespace: str, name: str, side: Side, error: KubernetesError) -> NoReturn:
    logger.warning("%s %s/%s cannot be read: %s", kind, namespace, name, error)
    raise FailedError(
        Failure(
            side=side,
            kind=FailureKind.TRANSIENT,
            reason=Reason.SECRET_UNAVAILABLE,
            message=f"The API server does not answer for {kind} '{name}': see its log and the operator's.",
        )
    ) from None


def _fail(side: Side, reason: Reason, message: str) -> NoReturn:
    raise FailedError(Failure(side=side, kind=FailureKind.SECRET, reason=reason, message=message)) from None
