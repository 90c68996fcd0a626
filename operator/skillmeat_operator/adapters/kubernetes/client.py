"""What the operator does with objects of the API server: raw JSON objects in and out."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Self
from urllib.parse import quote

from skillmeat_operator.adapters.kubernetes.configuration import ClusterAccess
from skillmeat_operator.adapters.kubernetes.errors import KubernetesError, NotFoundError, UnavailableError
from skillmeat_operator.adapters.kubernetes.object_ref import ObjectList, SecretContent
from skillmeat_operator.adapters.kubernetes.transport import JSON, MERGE_PATCH, METADATA_LIST, Transport
from skillmeat_operator.api.keys import API_VERSION, KINDS
from skillmeat_operator.domain.observation import Json

FIELD_MANAGER: Final = "skillmeat-operator"
"""Name under which the API server notes which fields we wrote."""

_CUSTOM: Final = frozenset(names.plural for names in KINDS)
_GROUPS: Final = {"leases": "/apis/coordination.k8s.io/v1"}
_PAGE: Final = 200
"""Objects of a list read at a time: with managed fields each has up to 24 KiB; decoding holds the loop."""
_MAX_PAGES: Final = 1_000
_LIST_TRIES: Final = 3


class KubernetesClient:
    """Client for one API server.

    Every method raises a :class:`~skillmeat_operator.adapters.kubernetes.errors.KubernetesError`. ``plural``
    is that of one of our kinds (``catalogsources``), ``leases``, or of the core group (``configmaps``).
    """

    def __init__(
        self,
        access: ClusterAccess,
        *,
        timeout: float = 10.0,
        field_manager: str = FIELD_MANAGER,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Prepare a client; it connects with its first call.

        Args:
            access: see :func:`~skillmeat_operator.adapters.kubernetes.configuration.find_access`.
            timeout: seconds for each call that names no other.
            field_manager: under this name the API server notes what we write; also our user agent.
            clock: monotonic seconds.
            sleep: waits for some seconds.
        """
        self.namespace = access.namespace
        """Namespace of the pod, or of the kubeconfig's context."""
        self._transport = Transport(
            access.configuration,
            access=access,
            timeout=timeout,
            user_agent=field_manager,
            clock=clock,
            sleep=sleep,
        )
        self._managed = {"fieldManager": field_manager}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def list_all(
        self,
        plural: str,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        metadata_only: bool = False,
        keep: Callable[[Json], Json] = lambda item: item,
        within: float | None = None,
    ) -> ObjectList:
        """All objects of a kind, as they were at one moment.

        Args:
            plural: of the kind.
            namespace: None for all namespaces.
            label_selector: as ``kubectl -l`` takes it.
            metadata_only: leave out everything but ``metadata``.
            keep: what is kept of an item: no more than a page of them is in memory whole.
            within: seconds for each page.
        """
        for _ in range(_LIST_TRIES):
            found = await self._pages(
                _collection(plural, namespace),
                label_selector,
                metadata_only=metadata_only,
                keep=keep,
                within=within,
            )
            if found is not None:
                return found
        raise UnavailableError(f"GET {plural}: the list expired again and again while it was read")

    async def newest_version(
        self, plural: str, namespace: str | None = None, *, within: float | None = None
    ) -> str:
        """The resourceVersion of a kind's list as it is now, which costs the API server next to nothing.

        Args:
            plural: of the kind.
            namespace: None for all namespaces.
            within: seconds for the call.
        """
        found = await self._object("GET", _collection(plural, namespace), query={"limit": "1"}, within=within)
        return str((found.get("metadata") or {}).get("resourceVersion") or "")

    async def _pages(
        self,
        path: str,
        label_selector: str | None,
        *,
        metadata_only: bool,
        keep: Callable[[Json], Json],
        within: float | None,
    ) -> ObjectList | None:
        """All pages, or None if the API server forgot the moment of the first one (410) before the last."""
        query = {"limit": str(_PAGE)} | ({"labelSelector": label_selector} if label_selector else {})
        accept = METADATA_LIST if metadata_only else JSON
        items: list[Json] = []
        for _ in range(_MAX_PAGES):
            try:
                page = await self._transport.request("GET", path, query=query, accept=accept, within=within)
            except UnavailableError as error:
                if error.status == 410 and "continue" in query:
                    return None
                raise
            items.extend(map(keep, page.get("items") or ()))
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return ObjectList(items=tuple(items), resource_version=metadata.get("resourceVersion") or "")
            query["continue"] = metadata["continue"]
        raise UnavailableError(f"GET {path}: more than {_PAGE * _MAX_PAGES} objects")

    async def get(
        self, plural: str, namespace: str | None, name: str, *, within: float | None = None
    ) -> dict[str, Json]:
        """One object; ``NotFoundError`` only where the API server knows the kind and lacks the object."""
        return await self._object("GET", _path(plural, namespace, name), within=within)

    async def create(self, plural: str, namespace: str, body: Mapping[str, Json]) -> dict[str, Json]:
        """Create an object and return it as stored."""
        return await self._object(
            "POST", _collection(plural, namespace), body=dict(body), query=self._managed
        )

    async def replace(
        self, plural: str, namespace: str, name: str, body: Mapping[str, Json]
    ) -> dict[str, Json]:
        """Replace an object; ``metadata.resourceVersion`` in the body is the precondition."""
        return await self._object("PUT", _path(plural, namespace, name), body=dict(body), query=self._managed)

    async def delete(
        self,
        plural: str,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> bool:
        """Delete an object, if it still has this UID and resourceVersion; False where there is none."""
        conditions = {
            key: value
            for key, value in (("uid", uid), ("resourceVersion", resource_version))
            if value is not None
        }
        body: dict[str, Json] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if conditions:
            body["preconditions"] = conditions
        try:
            await self._transport.request("DELETE", _path(plural, namespace, name), body=body)
        except NotFoundError:
            return False
        return True

    async def patch(
        self,
        plural: str,
        namespace: str,
        name: str,
        patch: Mapping[str, Json],
        *,
        resource_version: str | None,
        subresource: str | None = None,
    ) -> dict[str, Json]:
        """Apply a merge patch (RFC 7396) and return the object as stored.

        Args:
            plural: of the kind.
            namespace: of the object.
            name: of the object.
            patch: what changes; None as a value removes a field.
            resource_version: the patch applies to this version alone; None: to whatever is there.
            subresource: ``status``, which the main resource does not let through.
        """
        body = dict(patch)
        if resource_version is not None:
            body["metadata"] = {**body.get("metadata", {}), "resourceVersion": resource_version}
        path = _path(plural, namespace, name) + (f"/{subresource}" if subresource else "")
        return await self._object("PATCH", path, body=body, content_type=MERGE_PATCH, query=self._managed)

    async def patch_status(
        self, plural: str, namespace: str, name: str, patch: Mapping[str, Json], resource_version: str
    ) -> dict[str, Json]:
        """Apply a merge patch to ``status`` alone; ``patch`` is what comes under that key."""
        body = {"status": patch}
        return await self.patch(
            plural, namespace, name, body, resource_version=resource_version, subresource="status"
        )

    async def patch_finalizers(
        self, plural: str, namespace: str, name: str, finalizers: Sequence[str], resource_version: str
    ) -> dict[str, Json]:
        """Set the whole list of finalizers, which is why the version it was computed from has to be given."""
        body = {"metadata": {"finalizers": list(finalizers)}}
        return await self.patch(plural, namespace, name, body, resource_version=resource_version)

    async def get_secret(self, namespace: str, name: str) -> SecretContent | None:
        """A Secret, or None where there is none."""
        try:
            found = await self.get("secrets", namespace, name)
        except NotFoundError:
            return None
        metadata = found.get("metadata") or {}
        return SecretContent(
            data={key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()},
            annotations=metadata.get("annotations") or {},
            resource_version=metadata.get("resourceVersion") or "",
        )

    async def get_config_map(
        self, namespace: str, name: str, *, within: float | None = None
    ) -> dict[str, Json] | None:
        """A ConfigMap, or None where there is none."""
        try:
            return await self.get("configmaps", namespace, name, within=within)
        except NotFoundError:
            return None

    async def create_event(
        self, namespace: str, event: Mapping[str, Json], *, within: float | None = None
    ) -> None:
        """Create an Event of the core group."""
        path = _collection("events", namespace)
        await self._transport.request("POST", path, body=dict(event), query=self._managed, within=within)

    async def cluster_uid(self) -> str:
        """UID of the namespace kube-system, which stands for the cluster."""
        found = await self.get("namespaces", None, "kube-system")
        uid = (found.get("metadata") or {}).get("uid")
        if not isinstance(uid, str) or not uid:
            raise UnavailableError("the API server's answer names no UID of kube-system")
        return uid

    async def _object(self, method: str, path: str, **arguments: Any) -> dict[str, Json]:
        answer = await self._transport.request(method, path, **arguments)
        if not isinstance(answer, dict):
            raise KubernetesError(f"{method} {path}: the answer is no object")
        return answer


def _collection(plural: str, namespace: str | None) -> str:
    group = f"/apis/{API_VERSION}" if plural in _CUSTOM else _GROUPS.get(plural, "/api/v1")
    inside = f"/namespaces/{quote(namespace, safe='')}" if namespace is not None else ""
    return f"{group}{inside}/{plural}"


def _path(plural: str, namespace: str | None, name: str) -> str:
    return f"{_collection(plural, namespace)}/{quote(name, safe='')}"
