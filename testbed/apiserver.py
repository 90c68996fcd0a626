"""Calls to an API server without kubectl: a tenth of the work, over connections that are kept."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from testbed.errors import MissingPrerequisiteError, PartError
from testbed.web import Answer, exchange, expect

Object = dict[str, Any]

_PLURALS = {
    "Namespace": "namespaces",
    "Secret": "secrets",
    "ConfigMap": "configmaps",
    "CatalogSource": "catalogsources",
    "TemplateBundle": "templatebundles",
}
_TIMEOUT = 30.0
_GONE = (http.client.RemoteDisconnected, http.client.CannotSendRequest, ConnectionError, ssl.SSLEOFError)
"""What a kept connection ends with when the server has closed it meanwhile."""


class ApiServer:
    """One API server as one user, for any number of threads; ``close`` ends the kept connections."""

    def __init__(self, url: str, *, tls: ssl.SSLContext, token: str | None = None) -> None:
        """``tls`` has the server's authority and, where there is no ``token``, the client's certificate."""
        self.url = url
        self._tls = tls
        self._token = token
        self._idle: deque[http.client.HTTPSConnection] = deque()

    @classmethod
    def of(cls, kubeconfig: Path) -> ApiServer:
        """The server and user of a kubeconfig's only context, with everything in it as data.

        Raises ``MissingPrerequisiteError`` when the user has neither a certificate nor a token there.
        """
        config = json.loads(kubeconfig.read_text(encoding="utf-8"))
        server, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        authority = server.get("certificate-authority-data")
        tls = ssl.create_default_context(cadata=base64.b64decode(authority).decode() if authority else None)
        if "client-certificate-data" in user:
            with tempfile.NamedTemporaryFile(suffix=".pem") as pair:
                for part in ("client-certificate-data", "client-key-data"):
                    pair.write(base64.b64decode(user[part]) + b"\n")
                pair.flush()
                tls.load_cert_chain(pair.name)
        elif "token" not in user:
            raise MissingPrerequisiteError(
                "The kubeconfig's user has neither a client certificate nor a token; use one that has, "
                "as kind's."
            )
        return cls(str(server["server"]), tls=tls, token=user.get("token"))

    def request(
        self,
        method: str,
        path: str,
        body: object | None = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Answer:
        """One call, whatever is answered; raises ``OSError`` when the server is away."""
        headers = {"Accept": accept} | ({"Content-Type": content_type} if body is not None else {})
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        payload = json.dumps(body).encode() if body is not None else None
        try:
            kept = self._idle.pop()
        except IndexError:
            pass
        else:
            try:
                return self._exchange(kept, method, path, payload, headers)
            except _GONE:
                pass
        parts = urlsplit(self.url)
        fresh = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=_TIMEOUT, context=self._tls
        )
        try:
            return self._exchange(fresh, method, path, payload, headers)
        except http.client.HTTPException as error:
            raise ConnectionError(f"the API server broke off: {error!r}") from error

    def close(self) -> None:
        """Close what is kept; further calls open anew."""
        while self._idle:
            self._idle.pop().close()

    def _exchange(
        self,
        connection: http.client.HTTPSConnection,
        method: str,
        path: str,
        payload: bytes | None,
        headers: Mapping[str, str],
    ) -> Answer:
        try:
            found = exchange(connection, method, path, payload, headers)
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return found

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object:
        """One object; raises ``PartError`` with the server's message when there is none."""
        answer = self.request("GET", path_of(kind, name, namespace))
        found: Object = expect(answer, 200, what=f"GET {kind} {name}").json()
        return found

    def exists(self, kind: str, name: str, namespace: str | None = None) -> bool:
        """Whether there is such an object."""
        answer = self.request("GET", path_of(kind, name, namespace))
        return expect(answer, 200, 404, what=f"GET {kind} {name}").status == 200

    def list(self, kind: str, namespace: str | None = None, *, selector: str = "") -> list[Object]:
        """The objects of a kind, in one namespace or in all; ``selector`` chooses by label."""
        query = f"?{urlencode({'labelSelector': selector})}" if selector else ""
        answer = self.request("GET", path_of(kind, None, namespace) + query)
        found: list[Object] = expect(answer, 200, what=f"The list of {kind}").json()["items"]
        return found

    def column(self, kind: str, namespace: str, name: str) -> tuple[str, ...]:
        """One column of ``kubectl get``: much less work for both sides than the objects are.

        Args:
            kind: of the objects.
            namespace: theirs.
            name: the column's, as the CRD spells it.
        """
        table = "application/json;as=Table;g=meta.k8s.io;v=v1"
        answer = self.request("GET", f"{path_of(kind, None, namespace)}?includeObject=None", accept=table)
        found = expect(answer, 200, what=f"The table of {kind}").json()
        place = [one["name"] for one in found["columnDefinitions"]].index(name)
        return tuple(str(row["cells"][place]) for row in found["rows"] or ())

    def apply(self, obj: Mapping[str, Any], *, manager: str = "kubectl") -> Object:
        """Server-side apply, as ``kubectl apply --server-side --force-conflicts``.

        Raises ``PartError`` with the server's message when the object is refused.
        """
        metadata = obj["metadata"]
        path = path_of(obj["kind"], metadata["name"], metadata.get("namespace"))
        query = urlencode({"fieldManager": manager, "force": "true", "fieldValidation": "Strict"})
        answer = self.request("PATCH", f"{path}?{query}", obj, content_type="application/apply-patch+yaml")
        return _accepted(answer, what=f"{obj['kind']} {metadata['name']}")

    def create(self, obj: Mapping[str, Any], *, dry_run: bool = False) -> Object:
        """Create an object; raises ``PartError`` with the server's message when it is refused."""
        metadata = obj["metadata"]
        query = {"fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})}
        path = f"{path_of(obj['kind'], None, metadata.get('namespace'))}?{urlencode(query)}"
        return _accepted(self.request("POST", path, obj), what=f"{obj['kind']} {metadata['name']}")

    def may(self, user: str, verb: str, resource: str, *, namespace: str, name: str = "") -> bool:
        """Whether a user may do something; ``resource`` is ``plural[.group][/subresource]``."""
        whole, _, part = resource.partition("/")
        plural, _, group = whole.partition(".")
        asked = {
            "verb": verb,
            "group": group,
            "resource": plural,
            "subresource": part,
            "namespace": namespace,
            "name": name,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "resourceAttributes": asked},
        }
        answer = self.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(_accepted(answer, what="The access review")["status"]["allowed"])

    def merge(self, kind: str, name: str, patch: Mapping[str, Any], namespace: str | None = None) -> Object:
        """JSON merge patch; raises ``PartError`` with the server's message when it is refused."""
        path = path_of(kind, name, namespace)
        answer = self.request("PATCH", path, patch, content_type="application/merge-patch+json")
        return _accepted(answer, what=f"{kind} {name}")

    def delete(self, kind: str, name: str | None, namespace: str | None = None) -> None:
        """Ask for the deletion of one object, or (``name`` is None) of all of a namespace; does not wait."""
        answer = self.request("DELETE", path_of(kind, name, namespace))
        expect(answer, 200, 202, 404, what=f"DELETE {kind} {name or 'all'}")

    def token(self, namespace: str, account: str, *, seconds: int = 24 * 3600) -> str:
        """A token of a service account that exists."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        answer = expect(self.request("POST", path, body), 201, what=f"The token of {account}")
        return str(answer.json()["status"]["token"])


def _accepted(answer: Answer, *, what: str) -> Object:
    """The stored object; raises ``PartError`` with the server's whole message when it was refused."""
    if answer.status not in {200, 201}:
        said = answer.json().get("message") if answer.body.startswith(b"{") else answer.text[:500]
        raise PartError(f"{what}: HTTP {answer.status}: {said}")
    stored: Object = answer.json()
    return stored


def path_of(kind: str, name: str | None, namespace: str | None) -> str:
    """The path of an object or of a list; raises ``KeyError`` for a kind that the tests do not use."""
    plural = _PLURALS[kind]
    group = "/apis/skillmeat.io/v1alpha1" if kind in {"CatalogSource", "TemplateBundle"} else "/api/v1"
    inside = f"/namespaces/{namespace}" if namespace is not None and kind != "Namespace" else ""
    return f"{group}{inside}/{plural}" + (f"/{name}" if name is not None else "")
