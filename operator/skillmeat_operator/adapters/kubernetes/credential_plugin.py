"""Credential plugins of kubeconfigs: programs that print a token or a client certificate.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from skillmeat_operator.adapters.kubernetes.errors import AccessError
from skillmeat_operator.adapters.kubernetes.kubeconfig import KubeconfigContext, KubeconfigError

LOGIN_SECONDS: Final = 120.0
"""How long a plugin may take; it may ask its user to log in."""
_EARLY: Final = timedelta(minutes=1)
_OWN_CONFIG: Final = "client.authentication.k8s.io/exec"
_CLUSTER_FIELDS: Final = (
    "server",
    "tls-server-name",
    "insecure-skip-tls-verify",
    "certificate-authority-data",
    "proxy-url",
)


class PluginError(AccessError):
    """A plugin gave no credential; what it says itself stands on standard error already."""


@dataclass(frozen=True, slots=True)
class PluginCredential:
    """What a plugin printed."""

    token: str | None = field(default=None, repr=False)
    certificate: str | None = field(default=None, repr=False)
    """PEM, with its key."""
    key: str | None = field(default=None, repr=False)
    expires: datetime | None = None
    """Aware; None: it holds until it is refused."""

    def is_over(self, now: datetime) -> bool:
        """Whether it has to be asked for anew."""
        return self.expires is not None and now >= self.expires - _EARLY


async def run_plugin(
    context: KubeconfigContext, environ: Mapping[str, str], *, within: float = LOGIN_SECONDS
) -> PluginCredential:
    """Run the plugin of a context's user. Its standard error is ours, so that its user reads what it says.

    Args:
        context: whose user has ``exec``.
        environ: the plugin's environment, but for what it is told beside.
        within: seconds.

    Raises:
        KubeconfigError: the kubeconfig does not describe a plugin.
        PluginError: it is not there, fails, takes too long or prints no credential.
    """
    described = context.user["exec"]
    if not isinstance(described, dict) or not described.get("command") or not described.get("apiVersion"):
        raise KubeconfigError("The kubeconfig's user has an exec without command or apiVersion.")
    command = str(described["command"])
    failed = PluginError(
        f"The credential plugin {command} gave no credential: run it by hand to see why, or log in with it "
        "again."
    )
    interactive = _interactive(described, command)
    try:
        process = await asyncio.create_subprocess_exec(
            command,
            *(str(argument) for argument in described.get("args") or ()),
            env=_environment(described, context, environ, interactive=interactive),
            stdin=None if interactive else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
    except (OSError, ValueError):
        raise PluginError(_absent(command, described)) from None
    try:
        async with asyncio.timeout(within):
            printed, _ = await process.communicate()
    except TimeoutError:
        raise failed from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    found = _credential(printed, str(described["apiVersion"])) if process.returncode == 0 else None
    if found is None:
        raise failed
    return found


def _interactive(described: Mapping[str, Any], command: str) -> bool:
    mode = described.get("interactiveMode") or "IfAvailable"
    terminal = sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()
    if mode == "Always" and not terminal:
        raise PluginError(f"The credential plugin {command} asks for a terminal: run the command in one.")
    return terminal and mode != "Never"


def _environment(
    described: Mapping[str, Any],
    context: KubeconfigContext,
    environ: Mapping[str, str],
    *,
    interactive: bool,
) -> dict[str, str]:
    spec: dict[str, Any] = {"interactive": interactive}
    if described.get("provideClusterInfo"):
        spec["cluster"] = _cluster(context)
    told = {"apiVersion": described["apiVersion"], "kind": "ExecCredential", "spec": spec}
    own = {
        str(each["name"]): str(each.get("value") or "")
        for each in described.get("env") or ()
        if isinstance(each, dict) and each.get("name")
    }
    return {**environ, **own, "KUBERNETES_EXEC_INFO": json.dumps(told)}


def _cluster(context: KubeconfigContext) -> dict[str, Any]:
    cluster = context.cluster
    told = {key: cluster[key] for key in _CLUSTER_FIELDS if key in cluster}
    if "certificate-authority" in cluster and "certificate-authority-data" not in cluster:
        try:
            content = Path(cluster["certificate-authority"]).read_bytes()
        except OSError as error:
            raise AccessError(
                f"The kubeconfig's file {cluster['certificate-authority']} cannot be read: {error.strerror}."
            ) from None
        told["certificate-authority-data"] = base64.b64encode(content).decode()
    for extension in cluster.get("extensions") or ():
        if isinstance(extension, dict) and extension.get("name") == _OWN_CONFIG:
            told["config"] = extension.get("extension")
    return told


def _credential(printed: bytes, api_version: str) -> PluginCredential | None:
    try:
        answer = json.loads(printed)
    except ValueError:
        return None
    status = answer.get("status") if isinstance(answer, dict) else None
    if not isinstance(status, dict) or answer.get("apiVersion") != api_version:
        return None
    token, certificate, key = (
        str(status[name]) if status.get(name) else None
        for name in ("token", "clientCertificateData", "clientKeyData")
    )
    if (certificate is None) != (key is None) or (token is None and certificate is None):
        return None
    try:
        ends = status.get("expirationTimestamp")
        expires = datetime.fromisoformat(str(ends)) if ends else None
    except ValueError:
        return None
    if expires is not None and expires.tzinfo is None:
        return None
    return PluginCredential(token=token, certificate=certificate, key=key, expires=expires)


def _absent(command: str, described: Mapping[str, Any]) -> str:
    hint = " ".join(str(described.get("installHint") or "").split())
    printable = "".join(sign for sign in hint if sign.isprintable())
    told = f" ({printable})" if printable else ""
    return (
        f"The credential plugin {command} gave no credential, since it cannot be started: install it, or "
        f"correct the kubeconfig's exec.command{told}."
    )
