"""A model of the API server as far as the operator uses it, with faults.

Made from ``facts/controlplane.md`` and ``facts/operators.md``: resourceVersions of one counter, merge patches
with a precondition, ``status`` apart from the rest, generation that moves with the spec, finalizers, immutable
ConfigMaps, 404 for a kind that is not served, restores from a backup. It answers what the operator's own
transport would return or raise; a watch gets the events of its kind in order.
"""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import unquote

from skillmeat_operator.adapters.kubernetes.errors import UnavailableError, error_of
from skillmeat_operator.adapters.kubernetes.merge_patch import merge_patch

Obj = dict[str, Any]
Key = tuple[str, str, str]
"""Plural, namespace, name."""
CUSTOM = ("catalogsources", "templatebundles")
KINDS = {"catalogsources": "CatalogSource", "templatebundles": "TemplateBundle"}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

FaultKind = Literal["lost", "answer lost", "forbidden", "quota", "broken", "unauthorized", "unprocessable"]
"""``lost``: it times out and nothing is done; ``answer lost``: it is done, and times out."""


@dataclass
class Fault:
    """What goes wrong with calls that match, while it lasts."""

    kind: FaultKind
    method: str | None = None
    plural: str | None = None
    namespace: str | None = None
    name: str | None = None
    status: bool | None = None
    """Whether the status is written."""
    times: int | None = None
    """How often; None: for as long as it is there."""
    until: float | None = None

    def meets(self, method: str, key: tuple[str, str | None, str | None], status: bool, now: float) -> bool:
        """Whether a call meets it."""
        if self.until is not None and now >= self.until:
            return False
        if self.times is not None and self.times <= 0:
            return False
        wanted = (self.method, self.plural, self.namespace, self.name)
        there = (method, *key)
        same = all(want is None or want == have for want, have in zip(wanted, there, strict=True))
        return same and (self.status is None or self.status == status)


@dataclass
class Call:
    """One call that was made, as an audit log has it."""

    at: float
    method: str
    plural: str
    namespace: str | None
    name: str | None
    status: bool


@dataclass
class ApiServer:
    """One cluster."""

    clock: Callable[[], float]
    rng: random.Random
    objects: dict[Key, Obj] = field(default_factory=dict)
    version: int = 100
    made: int = 0
    faults: list[Fault] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    served: set[str] = field(
        default_factory=lambda: {*CUSTOM, "configmaps", "secrets", "events", "namespaces"}
    )
    watchers: dict[str, list[asyncio.Queue[tuple[str, Obj] | None]]] = field(default_factory=dict)
    crashes: Callable[[], None] = lambda: None
    """Called at each call: the place where a crash may be planned."""
    latency: float = 0.004
    """Seconds that a call takes, about."""

    def __post_init__(self) -> None:
        self._put("ADDED", ("namespaces", "", "kube-system"), {"metadata": {"name": "kube-system"}})

    # What users do

    def now(self) -> datetime:
        """The wall clock of the cluster."""
        return NOON + timedelta(seconds=self.clock() - 1_000.0)

    def apply(
        self, plural: str, namespace: str, name: str, spec: Mapping[str, Any], **annotations: str
    ) -> Obj:
        """Create an object or change its spec."""
        key = (plural, namespace, name)
        there = self.objects.get(key)
        if there is None:
            body = {
                "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
                "spec": spec,
            }
            return self._put("ADDED", key, body)
        changed = copy.deepcopy(there)
        changed["spec"] = copy.deepcopy(dict(spec))
        if changed["spec"] != there["spec"]:
            changed["metadata"]["generation"] += 1
        changed["metadata"].setdefault("annotations", {}).update(annotations)
        return self._put("MODIFIED", key, changed)

    def spoil(self, plural: str, namespace: str, name: str, data: Mapping[str, str]) -> None:
        """Replace the data of a ConfigMap or Secret."""
        changed = copy.deepcopy(self.objects[plural, namespace, name])
        changed["data"] = dict(data)
        self._put("MODIFIED", (plural, namespace, name), changed)

    def annotate(self, plural: str, namespace: str, name: str, key: str, value: str) -> None:
        """Set an annotation."""
        there = self.objects.get((plural, namespace, name))
        if there is not None:
            changed = copy.deepcopy(there)
            changed["metadata"].setdefault("annotations", {})[key] = value
            self._put("MODIFIED", (plural, namespace, name), changed)

    def delete(self, plural: str, namespace: str, name: str) -> None:
        """Delete an object; one with finalizers is marked."""
        key = (plural, namespace, name)
        there = self.objects.get(key)
        if there is None:
            return
        if not there["metadata"].get("finalizers"):
            self._remove(key)
        elif there["metadata"].get("deletionTimestamp") is None:
            changed = copy.deepcopy(there)
            changed["metadata"]["deletionTimestamp"] = _stamp(self.now())
            changed["metadata"]["generation"] = changed["metadata"].get("generation", 1) + 1
            self._put("MODIFIED", key, changed)

    def put_config(self, plural: str, namespace: str, name: str, data: Mapping[str, Any]) -> None:
        """Create or replace a Secret or ConfigMap (``data`` as it is stored)."""
        key = (plural, namespace, name)
        body = {"metadata": {"name": name, "namespace": namespace}, "data": dict(data)}
        self._put("MODIFIED" if key in self.objects else "ADDED", key, body)

    def get(self, plural: str, namespace: str, name: str) -> Obj | None:
        """An object as it is now."""
        return self.objects.get((plural, namespace, name))

    def backup(self) -> tuple[dict[Key, Obj], int]:
        """What :meth:`restore` puts back."""
        return copy.deepcopy(self.objects), self.version

    def restore(self, backup: tuple[dict[Key, Obj], int], *, versions_go_back: bool = True) -> None:
        """Put a backup of etcd back; all watches break."""
        objects, version = copy.deepcopy(backup)
        self.objects = objects
        self.version = version if versions_go_back else self.version + 1
        self.break_watches()

    def break_watches(self) -> None:
        """End all watches."""
        for queues in self.watchers.values():
            for queue in queues:
                queue.put_nowait(None)
        self.watchers.clear()

    # What the operator calls

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "",
        accept: str = "",
        within: float | None = None,
    ) -> Any:
        """One call, as the operator's transport makes it."""
        plural, namespace, name, status = _parse(path)
        self.crashes()
        await asyncio.sleep(self.latency * (0.5 + self.rng.random()))
        self.calls.append(Call(self.clock(), method, plural, namespace, name, status))
        call = f"{method} {path}"
        fault = self._fault(method, (plural, namespace, name), status)
        if fault == "lost":
            await asyncio.sleep(10.0 if within is None else within)
            raise UnavailableError(f"{call}: timed out")
        if fault is not None and fault != "answer lost":
            code, reason = _CODES[fault]
            raise error_of(call, code, {"kind": "Status", "reason": reason, "code": code})
        answer = self._answer(call, method, plural, namespace, name, status, query or {}, body)
        if fault == "answer lost":
            await asyncio.sleep(10.0 if within is None else within)
            raise UnavailableError(f"{call}: timed out")
        self.crashes()
        return answer

    async def close(self) -> None:
        """Nothing to close."""

    def watch(self, plural: str) -> tuple[list[Obj], asyncio.Queue[tuple[str, Obj] | None]]:
        """The objects of a kind now, and a queue that gets every event after it; None: the watch broke."""
        queue: asyncio.Queue[tuple[str, Obj] | None] = asyncio.Queue()
        self.watchers.setdefault(plural, []).append(queue)
        return [copy.deepcopy(obj) for key, obj in sorted(self.objects.items()) if key[0] == plural], queue

    def _fault(self, method: str, key: tuple[str, str | None, str | None], status: bool) -> FaultKind | None:
        for fault in self.faults:
            if fault.meets(method, key, status, self.clock()):
                if fault.times is not None:
                    fault.times -= 1
                return fault.kind
        return None

    def _answer(
        self,
        call: str,
        method: str,
        plural: str,
        namespace: str | None,
        name: str | None,
        status: bool,
        query: Mapping[str, str],
        body: Any,
    ) -> Any:
        if plural not in self.served:
            # For a kind that it does not serve it names no object.
            raise _error(call, 404, "NotFound")
        if method == "GET" and name is None:
            return self._list(plural, namespace, query)
        key = (plural, namespace or "", name or "")
        if method == "POST":
            if plural == "events":
                return body
            return self._create(call, plural, namespace or "", body)
        there = self.objects.get(key)
        if there is None:
            raise _error(call, 404, "NotFound", name=key[2], kind=plural)
        if method == "GET":
            return copy.deepcopy(there)
        if method == "DELETE":
            self.delete(*key)
            return {"kind": "Status", "status": "Success"}
        expected = ((body or {}).get("metadata") or {}).get("resourceVersion")
        if expected is not None and expected != there["metadata"]["resourceVersion"]:
            raise _error(call, 409, "Conflict")
        if there.get("immutable"):
            raise _error(call, 422, "Invalid")
        changed = copy.deepcopy(dict(body)) if method == "PUT" else _merge(there, body)
        return self._change(key, there, changed, status=status, replaced=method == "PUT")

    def _create(self, call: str, plural: str, namespace: str, body: Obj) -> Obj:
        key = (plural, namespace, body["metadata"]["name"])
        if key in self.objects:
            raise _error(call, 409, "AlreadyExists")
        return copy.deepcopy(self._put("ADDED", key, body))

    def _change(self, key: Key, there: Obj, changed: Obj, *, status: bool, replaced: bool) -> Obj:
        metadata = {**there["metadata"], **(changed["metadata"] if replaced else {})}
        metadata["uid"], metadata["generation"] = (
            there["metadata"]["uid"],
            there["metadata"].get("generation"),
        )
        if status:
            result = {**there, "status": changed.get("status", {})}
        else:
            result = {**changed, "metadata": metadata}
            if not replaced:
                result["metadata"] = {**changed["metadata"], "uid": metadata["uid"]}
            if "status" in there:
                result["status"] = there["status"]
            if key[0] in CUSTOM and result.get("spec") != there.get("spec"):
                result["metadata"]["generation"] = there["metadata"]["generation"] + 1
        if not merge_patch(_bare(there), _bare(result)):
            return copy.deepcopy(there)
        if result["metadata"].get("deletionTimestamp") and not result["metadata"].get("finalizers"):
            self.objects[key] = copy.deepcopy(result)
            return self._remove(key)
        return copy.deepcopy(self._put("MODIFIED", key, result))

    def _list(self, plural: str, namespace: str | None, query: Mapping[str, str]) -> Obj:
        wanted = dict(part.split("=", 1) for part in query.get("labelSelector", "").split(",") if part)
        items = [
            copy.deepcopy(obj)
            for key, obj in sorted(self.objects.items())
            if key[0] == plural
            and (namespace is None or key[1] == namespace)
            and wanted.items() <= (obj["metadata"].get("labels") or {}).items()
        ]
        return {"metadata": {"resourceVersion": str(self.version)}, "items": items}

    def _put(self, event: str, key: Key, obj: Obj) -> Obj:
        self.version += 1
        stored = copy.deepcopy(dict(obj))
        metadata = stored["metadata"]
        if event == "ADDED":
            self.made += 1
            metadata["uid"] = f"00000000-0000-4000-8000-{self.made:012x}"
            metadata["creationTimestamp"] = _stamp(self.now())
            metadata["generation"] = 1
            if key[0] in CUSTOM:
                stored.setdefault("status", {"observedGeneration": -1})
                stored["kind"], stored["apiVersion"] = KINDS[key[0]], "skillmeat.io/v1alpha1"
        metadata["resourceVersion"] = str(self.version)
        self.objects[key] = stored
        self._tell(event, key[0], stored)
        return stored

    def _remove(self, key: Key) -> Obj:
        self.version += 1
        gone = self.objects.pop(key)
        gone["metadata"]["resourceVersion"] = str(self.version)
        self._tell("DELETED", key[0], gone)
        return copy.deepcopy(gone)

    def _tell(self, event: str, plural: str, obj: Obj) -> None:
        for queue in self.watchers.get(plural, ()):
            queue.put_nowait((event, copy.deepcopy(obj)))


_CODES: dict[str, tuple[int, str]] = {
    "forbidden": (403, "Forbidden"),
    "quota": (403, "Forbidden"),
    "broken": (500, "InternalError"),
    "unauthorized": (401, "Unauthorized"),
    "unprocessable": (422, "Invalid"),
}


def _error(call: str, code: int, reason: str, **details: str) -> Exception:
    return error_of(call, code, {"kind": "Status", "reason": reason, "code": code, "details": details})


def _parse(path: str) -> tuple[str, str | None, str | None, bool]:
    parts = [unquote(part) for part in path.strip("/").split("/")]
    parts = parts[3:] if parts[0] == "apis" else parts[2:]
    status = parts[-1] == "status" and len(parts) > 3
    if status:
        parts = parts[:-1]
    namespace = None
    if parts[0] == "namespaces" and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    return parts[0], namespace, parts[1] if len(parts) > 1 else None, status


def _merge(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    result = copy.deepcopy(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), value)
    return result


def _bare(obj: Obj) -> Obj:
    return {**obj, "metadata": {key: one for key, one in obj["metadata"].items() if key != "resourceVersion"}}


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
