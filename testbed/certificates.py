"""The control plane's own certificate authority, made fresh for each run."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from testbed.errors import PartError
from testbed.ports import LOOPBACK

try:
    import trustme
except ModuleNotFoundError:  # told where it is needed: installing does without
    trustme = None  # type: ignore[assignment]


class Authority:
    """A CA that issues the API server's certificate and those of its users."""

    def __init__(self, folder: Path) -> None:
        """Make the CA and write its certificate and key into ``folder``.

        Raises ``PartError`` outside the project's virtual environment, which has the package for it.
        """
        if trustme is None:
            raise PartError(
                "The package trustme is missing; run this with the project's environment, .venv/bin/python "
                "(make test-unit makes it)."
            )
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._ca = trustme.CA(organization_name="SkillMeat testbed")
        self.certificate = folder / "ca.crt"
        self.key = folder / "ca.key"
        self._ca.cert_pem.write_to_path(str(self.certificate))
        self._ca.private_key_pem.write_to_path(str(self.key))

    def server(self) -> tuple[Path, Path]:
        """Certificate and key for a server on loopback."""
        return self._issue("server", "kube-apiserver", None, LOOPBACK, "localhost", "kubernetes.default.svc")

    def signing_key(self) -> Path:
        """A key to sign service account tokens with."""
        return self._issue("service-account", "service-account", None, "service-account.local")[1]

    def user(self, name: str, group: str | None) -> tuple[Path, Path]:
        """Client certificate and key of a user; Kubernetes takes the organisation for the group."""
        return self._issue(name.replace(":", "-"), name, group, "client.local")

    def _issue(self, file: str, name: str, group: str | None, *identities: str) -> tuple[Path, Path]:
        leaf = self._ca.issue_cert(*identities, common_name=name, organization_name=group)
        certificate, key = self._folder / f"{file}.crt", self._folder / f"{file}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        key.touch(mode=0o600)
        key.write_bytes(leaf.private_key_pem.bytes())
        return certificate, key


def kubeconfig(*, server: str, authority: bytes, user: dict[str, Any]) -> str:
    """The text of a kubeconfig with one cluster, one user and one context, all called ``testbed``."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "testbed",
        "clusters": [
            {
                "name": "testbed",
                "cluster": {
                    "server": server,
                    "certificate-authority-data": base64.b64encode(authority).decode(),
                },
            }
        ],
        "users": [{"name": "testbed", "user": user}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "testbed"}}],
    }
    return json.dumps(document, indent=2) + "\n"
