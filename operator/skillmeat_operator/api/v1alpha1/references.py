"""References to other objects. None has a namespace: credentials are read in the object's own namespace."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from skillmeat_operator.api.model import ApiModel
from skillmeat_operator.api.v1alpha1.fields import DataKey, ObjectName

# A reference is one value: half of one manager's and half of another's would name what neither meant.
_ATOMIC = ConfigDict(json_schema_extra={"x-kubernetes-map-type": "atomic"})


class SecretKeyReference(ApiModel):
    """One key of a Secret in the same namespace."""

    model_config = _ATOMIC

    name: ObjectName
    """Name of the Secret in the namespace of this object."""
    key: DataKey = "token"
    """Key in the Secret's data whose value is used; where it is absent, token."""


class CertificateReference(ApiModel):
    """A Secret of type kubernetes.io/tls in the same namespace, with tls.crt and tls.key."""

    model_config = _ATOMIC

    name: ObjectName
    """Name of the Secret of type kubernetes.io/tls in the namespace of this object."""


class CAKind(StrEnum):
    """Kind of the object that holds CA certificates."""

    SECRET = "Secret"  # noqa: S105  a kind
    CONFIG_MAP = "ConfigMap"


class CAReference(ApiModel):
    """CA certificates in a Secret or ConfigMap of the same namespace."""

    model_config = _ATOMIC

    kind: CAKind
    """Kind of the object that holds the certificates: Secret or ConfigMap."""
    name: ObjectName
    """Name of that object in the namespace of this object."""
    key: DataKey = "ca.crt"
    """Key in its data whose value is one or more PEM certificates; where it is absent, ca.crt."""


class SourceReference(ApiModel):
    """A CatalogSource in the same namespace."""

    model_config = _ATOMIC

    name: Annotated[ObjectName, Field(max_length=63)]
    """Name of the CatalogSource in the namespace of this object."""


class TLS(ApiModel):
    """How a TLS connection is verified and, for mutual TLS, with which certificate it is made."""

    ca_ref: CAReference | None = None
    """CA certificates that the server's certificate is checked against, instead of the public ones.
    The check cannot be switched off.
    """
    client_cert_secret_ref: CertificateReference | None = None
    """Client certificate and key for mutual TLS, in a Secret of type kubernetes.io/tls."""
