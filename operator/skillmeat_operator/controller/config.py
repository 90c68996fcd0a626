"""What the controller needs of the operator's settings; the command line's settings model fits it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from skillmeat_operator.domain.timings import Timings


class Address(Protocol):
    """A listening address."""

    @property
    def host(self) -> str:
        """Host or IP address."""

    @property
    def port(self) -> int:
        """Port; 0 for any free one."""


class OperatorConfig(Protocol):
    """Settings of ``run``; each is described where the flags are declared."""

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Watched namespaces; empty for all."""

    @property
    def operator_namespace(self) -> str | None:
        """Namespace of the snapshots; None for that of the way to the API server."""

    @property
    def cluster_id(self) -> str | None:
        """UID of the cluster, where it may not be read."""

    @property
    def kubeconfig(self) -> Path | None:
        """Kubeconfig file outside of a cluster."""

    @property
    def context(self) -> str | None:
        """Context of the kubeconfig."""

    @property
    def serve_address(self) -> Address:
        """Where documents are served."""

    @property
    def metrics_address(self) -> Address:
        """Where probes are served."""

    @property
    def public_url(self) -> str | None:
        """Base URL under which the portal reaches the documents."""

    @property
    def backstage_url(self) -> str | None:
        """Portal of CatalogSources that name none."""

    @property
    def backstage_token_file(self) -> Path | None:
        """Token for that portal."""

    @property
    def allowed_hosts(self) -> tuple[str, ...] | None:
        """Hosts that CatalogSources may name."""

    @property
    def allowed_catalog_namespaces(self) -> tuple[str, ...]:
        """Globs of catalog namespaces."""

    @property
    def workers(self) -> int:
        """Objects reconciled at the same time."""

    @property
    def timings(self) -> Timings:
        """Fixed times."""
