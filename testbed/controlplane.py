"""A genuine Kubernetes control plane on loopback: etcd, kube-apiserver, perhaps kube-controller-manager."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed import audit
from testbed.certificates import Authority, kubeconfig
from testbed.cluster import Cluster
from testbed.ports import LOOPBACK, ports
from testbed.process import Process, plain_environment
from testbed.web import answers

ADMIN = "testbed-admin"
"""User name of the admin kubeconfig, as the audit log shows it."""

_CONTROLLERS = ("namespace-controller", "garbage-collector-controller", "serviceaccount-controller")
"""All that the tests need of the controller manager's forty, each of which watches and costs time."""

_START_SECONDS = 90.0  # etcd and the API server need about 3 s on an idle machine


class ControlPlane(Cluster):
    """The control plane, with its own CA, an admin kubeconfig and an audit log of every write.

    Without a controller manager there is no garbage collection, namespaces stay in Terminating, and service
    accounts have to be created by hand; it starts in 3 s instead of 8.
    """

    def __init__(
        self, folder: Path, *, programs: Mapping[str, Path], controller_manager: bool = False
    ) -> None:
        """Prepare one in ``folder``; nothing runs yet.

        ``programs`` are the paths of ``etcd``, ``kube-apiserver``, ``kubectl`` and, if asked for,
        ``kube-controller-manager`` (see ``testbed.programs.find_control_plane``).
        """
        super().__init__(folder=folder, kubeconfig=folder / "admin.kubeconfig", kubectl=programs["kubectl"])
        self._programs = programs
        self.audit_log = folder / "audit.log"
        self._port = ports.take()
        self._etcd_ports = (ports.take(), ports.take())
        self._authority = Authority(folder / "certificates")
        self._server_certificate = self._authority.server()
        self._signing_key = self._authority.signing_key()
        self._write_admin()
        self.etcd = self._describe_etcd()
        self.apiserver = self._describe_apiserver(service_accounts=controller_manager)
        self.controller_manager = self._describe_controller_manager() if controller_manager else None

    @property
    def url(self) -> str:
        """The API server's address; the same after a restart."""
        return f"https://{LOOPBACK}:{self._port}"

    def start(self) -> ControlPlane:
        """Start everything and return when the API server is ready.

        Raises ``PartError`` when a program does not get ready; what had started is stopped then.
        """
        try:
            self.etcd.start()
            self.start_apiserver()
            if self.controller_manager is not None:
                account = "/api/v1/namespaces/default/serviceaccounts/default"
                self.controller_manager.start().wait_ready(
                    lambda: self.api.request("GET", account).status == 200, timeout=_START_SECONDS
                )
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop everything; also safe when nothing runs."""
        self.api.close()
        for process in (self.controller_manager, self.apiserver, self.etcd):
            if process is not None:
                process.stop()

    def start_apiserver(self) -> None:
        """Start the API server alone, after ``stop_apiserver``; the data are in etcd."""
        health = f"http://{LOOPBACK}:{self._etcd_ports[0]}/health"
        self.etcd.wait_ready(lambda: answers(health), timeout=_START_SECONDS)
        self.apiserver.start().wait_ready(
            lambda: answers(f"{self.url}/readyz", tls=self._tls) and self._has_namespaces(),
            timeout=_START_SECONDS,
        )

    def stop_apiserver(self, *, kill: bool = False) -> None:
        """Take the API server away (an outage), politely or with SIGKILL."""
        if kill:
            self.apiserver.kill()
        else:
            self.apiserver.stop()

    def restart_apiserver(self) -> None:
        """Stop and start the API server; clients lose their watches."""
        self.stop_apiserver()
        self.start_apiserver()

    def writes(self, *, since: datetime | None = None, user: str | None = None) -> list[audit.Write]:
        """The writes that the API server received, from the audit log.

        ``user`` selects one (``system:serviceaccount:NAMESPACE:NAME``, say). An idle control plane with a
        controller manager writes a little of its own.
        """
        return audit.read(self.audit_log, since=since, user=user)

    def user_kubeconfig(self, name: str, *, group: str | None = None) -> Path:
        """A kubeconfig for a user with a client certificate, who has no rights until bound to a role."""
        certificate, key = self._authority.user(name, group)
        path = self.folder / f"{name.replace(':', '-')}.kubeconfig"
        self._write(path, certificate, key)
        return path

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _has_namespaces(self) -> bool:
        return self.api.request("GET", "/api/v1/namespaces/default").status == 200

    def _write(self, path: Path, certificate: Path, key: Path) -> None:
        user = {
            "client-certificate-data": base64.b64encode(certificate.read_bytes()).decode(),
            "client-key-data": base64.b64encode(key.read_bytes()).decode(),
        }
        authority = self._authority.certificate.read_bytes()
        path.touch(mode=0o600)
        path.write_text(kubeconfig(server=self.url, authority=authority, user=user), encoding="utf-8")

    def _write_admin(self) -> None:
        certificate, key = self._authority.user(ADMIN, "system:masters")
        self._write(self.kubeconfig, certificate, key)
        self._tls = ssl.create_default_context(cafile=str(self._authority.certificate))
        self._tls.load_cert_chain(certificate, key)

    def _describe_etcd(self) -> Process:
        client, peer = (f"http://{LOOPBACK}:{port}" for port in self._etcd_ports)
        return self._describe(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",  # the data need not survive the machine
            "--backend-batch-interval=1s",  # nor be written ten times a second
            "--log-level=warn",
        )

    def _describe_apiserver(self, *, service_accounts: bool) -> Process:
        certificate, key = self._server_certificate
        policy = self.folder / "audit-policy.json"
        policy.write_text(json.dumps(audit.POLICY), encoding="utf-8")
        flags = [
            f"--etcd-servers=http://{LOOPBACK}:{self._etcd_ports[0]}",
            f"--bind-address={LOOPBACK}",
            f"--advertise-address={LOOPBACK}",
            "--endpoint-reconciler-type=none",  # a loopback address is no valid endpoint
            f"--secure-port={self._port}",
            f"--cert-dir={self.folder / 'apiserver'}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            f"--client-ca-file={self._authority.certificate}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={self._signing_key}",
            f"--service-account-signing-key-file={self._signing_key}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--authorization-mode=RBAC",
            "--allow-privileged=true",
            f"--audit-policy-file={policy}",
            f"--audit-log-path={self.audit_log}",
            "--audit-log-mode=blocking",  # a write is in the log before its caller hears of it
        ]
        if not service_accounts:
            flags.append("--disable-admission-plugins=ServiceAccount")
        return self._describe("kube-apiserver", *flags)

    def _describe_controller_manager(self) -> Process:
        return self._describe(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--authentication-kubeconfig={self.kubeconfig}",
            f"--authorization-kubeconfig={self.kubeconfig}",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={ports.take()}",
            f"--cert-dir={self.folder / 'controller-manager'}",
            f"--root-ca-file={self._authority.certificate}",
            f"--service-account-private-key-file={self._signing_key}",
            f"--cluster-signing-cert-file={self._authority.certificate}",
            f"--cluster-signing-key-file={self._authority.key}",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            f"--controllers={','.join(_CONTROLLERS)}",
        )

    def _describe(self, program: str, *flags: str) -> Process:
        return Process(
            program,
            [self._programs[program], *flags],
            log=self.folder / "logs" / f"{program}.log",
            # Memory for time: a sixth of the API server's work would go into looking for garbage.
            env=plain_environment(HOME=str(self.folder), GOGC="400"),
            cwd=self.folder,
        )
