"""A namespace of the cluster, a catalog namespace and a platform of SkillMeat for one test alone."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from testbed.backstage import Backstage
from testbed.cluster import Cluster
from testbed.errors import PartError
from testbed.skillmeat import SkillMeat
from tests.real.harness.fault_proxy import FaultProxy
from tests.real.harness.operator_process import OperatorProcess

API = "skillmeat.io/v1alpha1"
_KINDS = {"smsrc": "CatalogSource", "smtb": "TemplateBundle"}
_numbers = itertools.count(1)

T = TypeVar("T")
Object = dict[str, Any]


def eventually(
    look: Callable[[], T | None], *, within: float = 20.0, what: str = "", every: float = 0.15
) -> T:
    """The first truthy value, looked for ``every`` so many seconds; fails with the last one after ``within``."""
    end = time.monotonic() + within
    last: T | None = None
    while time.monotonic() < end:
        last = look()
        if last:
            return last
        time.sleep(every)
    raise AssertionError(f"not within {within:g} s: {what or 'what was waited for'}; last seen: {last!r}")


@dataclass
class Tenant:
    """Everything a test of one team needs. All names are its own, so that tests do not meet."""

    cluster: Cluster
    skillmeat: SkillMeat
    backstage: Backstage
    proxy: FaultProxy
    namespace: str
    bundles: dict[str, str] = field(default_factory=dict)
    """Bundle id by name."""
    templates: dict[str, str] = field(default_factory=dict)
    """Scaffold template id by name."""
    opened: ClassVar[set[str]] = set()
    """Namespaces of the tenants that are not closed."""

    @classmethod
    def make(cls, cluster: Cluster, skillmeat: SkillMeat, backstage: Backstage) -> Tenant:
        """A fresh namespace."""
        name = f"team-{next(_numbers)}"
        cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        cls.opened.add(name)
        return cls(
            cluster=cluster,
            skillmeat=skillmeat,
            backstage=backstage,
            proxy=FaultProxy(skillmeat.url).up(),
            namespace=name,
        )

    # --- SkillMeat -----------------------------------------------------------------------------------------------

    def add_template(self, name: str, version: str = "1.0.0", **config: Any) -> str:
        """Add a bundle with a template that only this tenant's sources list; returns the bundle id."""
        tags = config.pop("backstage_tags", [])
        unique = f"{self.namespace}-{name}"
        config.setdefault("required_variables", ["name"])
        bundle, template = self.skillmeat.add_template(
            unique, version, f"Template {name}", ["python"], backstage_tags=[self.namespace, *tags], **config
        )
        self.bundles[name], self.templates[name] = bundle, template
        return bundle

    def add_templates(self, count: int) -> list[str]:
        """Add t0, t1, …, which differ in their names alone; returns their names."""
        names = [f"t{number}" for number in range(count)]
        self.add_template(names[0])
        first = (self.bundles[names[0]], self.templates[names[0]])
        others = {f"{self.namespace}-{name}": f"Template {name}" for name in names[1:]}
        for name, made in zip(names[1:], self.skillmeat.copy_template(*first, others), strict=True):
            self.bundles[name], self.templates[name] = made
        return names

    def remove(self, *names: str) -> None:
        """Delete bundles."""
        for name in names:
            self.skillmeat.delete_bundle(self.bundles.pop(name))
            self.templates.pop(name)

    def ref(self, name: str) -> str:
        """Ref of a template as it is published."""
        return f"template:{self.namespace}/skillmeat-bundle-{self.namespace}-{name}"

    # --- the cluster ---------------------------------------------------------------------------------------------

    def source(self, name: str = "main", **spec: Any) -> Object:
        """A CatalogSource as it would be applied; ``backstage`` is merged, other fields are set."""
        backstage = {"catalogNamespace": self.namespace, **spec.pop("backstage", {})}
        skillmeat = {"url": self.proxy.url, "platform": self.namespace, **spec.pop("skillmeat", {})}
        body = {"source": {"skillmeat": skillmeat}, "backstage": backstage, "interval": "10s", **spec}
        return self.object("CatalogSource", name, body)

    def bundle(self, name: str, source: str = "main", **spec: Any) -> Object:
        """A TemplateBundle; ``bundleRef`` defaults to the bundle that ``add_template(name)`` made."""
        reference = (
            {"id": self.bundles[name]} if name in self.bundles else {"name": f"{self.namespace}-{name}"}
        )
        return self.object(
            "TemplateBundle", name, {"sourceRef": {"name": source}, "bundleRef": reference, **spec}
        )

    def object(self, kind: str, name: str, spec: Mapping[str, Any]) -> Object:
        """An object of ours in this namespace."""
        metadata = {"name": name, "namespace": self.namespace}
        return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": _without_none(spec)}

    def apply(self, *objects: Object) -> None:
        """Create or change objects, as ``kubectl apply --server-side`` does."""
        for one in objects:
            self.cluster.api.apply(one)

    def secret(self, name: str, value: str, key: str = "token") -> None:
        """Create or replace a Secret."""
        metadata = {"name": name, "namespace": self.namespace}
        self.cluster.api.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {key: value}}
        )

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl in the namespace; raises with kubectl's message."""
        return self.cluster.run(*arguments, "-n", self.namespace)

    def get(self, name: str = "main", kind: str = "smsrc") -> Object:
        """The object as stored."""
        # Waiting looks often, and kubectl takes a tenth of a second of a core each time.
        try:
            return self.cluster.api.get(_KINDS[kind], name, self.namespace)
        except OSError as error:
            raise PartError(f"the API server does not answer: {error}") from error

    def annotate(self, key: str, value: str, name: str = "main") -> None:
        """Annotate the CatalogSource."""
        note = {"metadata": {"annotations": {key: value}}}
        self.cluster.api.merge("CatalogSource", name, note, self.namespace)

    def patch(self, name: str, spec: Mapping[str, Any], kind: str = "smsrc") -> None:
        """Merge patch of the spec."""
        self.cluster.api.merge(_KINDS[kind], name, {"spec": dict(spec)}, self.namespace)

    def condition(self, kind_of: str, name: str = "main", kind: str = "smsrc") -> Object | None:
        """One condition, of the present generation only."""
        found = self.get(name, kind)
        conditions = found.get("status", {}).get("conditions", [])
        return next(
            (
                one
                for one in conditions
                if one["type"] == kind_of and one["observedGeneration"] == found["metadata"]["generation"]
            ),
            None,
        )

    def ready(self, name: str = "main", kind: str = "smsrc") -> tuple[str, str] | None:
        """Status and reason of Ready for the present generation."""
        found = self.condition("Ready", name, kind)
        return (found["status"], found["reason"]) if found is not None else None

    def wait_ready(
        self,
        status: str = "True",
        reason: str | None = None,
        *,
        name: str = "main",
        kind: str = "smsrc",
        within: float = 20.0,
    ) -> Object:
        """Wait for Ready; returns the object."""

        def look() -> Object | None:
            seen = self.ready(name, kind)
            good = seen is not None and seen[0] == status and reason in {None, seen[1]}
            return self.get(name, kind) if good else None

        try:
            return eventually(look, within=within)
        except AssertionError:
            conditions = self.get(name, kind).get("status", {}).get("conditions")
            raise AssertionError(
                f"{kind}/{name} is not Ready={status}/{reason} within {within:g} s: {json.dumps(conditions, indent=1)}"
            ) from None

    def wait_stale_known(self, *names: str) -> None:
        """Wait until the portal shows whether templates are stale, for ten seconds: that is read after the list, and
        may come with a second publication.
        """

        def look() -> bool:
            shown = [self.entity(name) or {"metadata": {}} for name in names]
            return all(
                "skillmeat.io/template-stale" in one["metadata"].get("annotations", {}) for one in shown
            )

        with suppress(AssertionError):
            eventually(look, within=10.0)

    def entities(self, name: str = "main") -> dict[str, int]:
        """``status.entities``."""
        found: dict[str, int] = self.get(name)["status"].get("entities", {})
        return found

    def sync(self, name: str = "main", *, within: float = 20.0) -> Object:
        """Request a reconcile and wait for its echo."""
        token = f"token-{time.monotonic_ns()}"
        self.annotate("skillmeat.io/reconcile-requested-at", token, name)

        def look() -> Object | None:
            found = self.get(name)
            echoed = found.get("status", {}).get("handledRequests", {}).get("skillmeat") == token
            return found if echoed else None

        return eventually(look, within=within, what=f"the echo of a requested reconcile of {name}")

    def stalled(self, name: str = "main", kind: str = "smsrc") -> str | None:
        """Reason of Stalled for the present generation."""
        found = self.condition("Stalled", name, kind)
        return found["reason"] if found is not None else None

    def columns(self, kind: str, *arguments: str) -> list[dict[str, str]]:
        """The rows of ``kubectl get``, by column; an empty cell is ``""``."""
        lines = self.kubectl("get", kind, *arguments).splitlines()
        starts = [match.start() for match in re.finditer(r"\S+", lines[0])]
        ends = [*starts[1:], None]
        cells = [[line[a:b].strip() for a, b in zip(starts, ends, strict=True)] for line in lines]
        return [dict(zip(cells[0], row, strict=True)) for row in cells[1:]]

    # --- the portal ----------------------------------------------------------------------------------------------

    def portal(self) -> set[str]:
        """Refs of the templates that the portal shows in this tenant's catalog namespace."""
        return {
            f"template:{self.namespace}/{name}".lower()
            for name in self.backstage.catalog.names(self.namespace)
        }

    def entity(self, name: str) -> Object | None:
        """The portal's entity of a template, by the name that ``ref`` gives it."""
        return self.backstage.catalog.entity("template", self.namespace, self.ref(name).partition("/")[2])

    def marked(self, name: str = "main") -> list[Object]:
        """The templates that the portal's ``by-query`` finds under the marker of a CatalogSource."""
        cluster_uid = self.cluster.api.get("Namespace", "kube-system")["metadata"]["uid"]
        marker = f"{cluster_uid}/{self.get(name)['metadata']['uid']}"
        wanted = f"kind=template,metadata.annotations.skillmeat.io/managed-by={marker}"
        return self.backstage.catalog.by_query(wanted)

    def shows(self, *names: str) -> bool:
        """Whether the portal shows exactly these templates."""
        return self.portal() == {self.ref(name) for name in names}

    def wait_portal(self, *names: str, within: float = 20.0) -> None:
        """Wait until the portal shows exactly these templates."""
        wanted, seen = {self.ref(name) for name in names}, set[str]()

        def look() -> bool:
            seen.clear()
            seen.update(self.portal())
            return seen == wanted

        try:
            eventually(look, within=within, every=0.3)  # each look is 7 ms of work for the portal
        except AssertionError:
            raise AssertionError(
                f"not within {within:g} s: the portal shows {names}; it has {seen}"
            ) from None

    def document(self, operator_url: str, name: str = "main") -> tuple[int, bytes]:
        """Status and bytes of the document as the portal would read it."""
        from testbed.web import call  # noqa: PLC0415

        answer = call("GET", self.document_url(operator_url, name), timeout=5)
        return answer.status, answer.body

    def document_url(self, operator_url: str, name: str = "main") -> str:
        """Where an operator serves the document of a CatalogSource that was visited at least once."""
        target: str = self.get(name)["status"]["catalog"]["target"]
        return f"{operator_url}/catalogs/{target.split('/catalogs/', 1)[1]}"

    def close(self) -> None:
        """Remove what the test made: bundles, objects (finalizers too) and the proxy."""
        api = self.cluster.api
        for kind in ("TemplateBundle", "CatalogSource"):
            api.delete(kind, None, self.namespace)
        self.proxy.fault = None
        self.skillmeat.delete_bundles(self.bundles.values())
        # Where no operator runs nobody else takes the finalizers off.
        for name in self._left(within=1.0 if OperatorProcess.running else 0.0):
            with suppress(PartError):  # it may have gone meanwhile
                api.merge("CatalogSource", name, {"metadata": {"finalizers": None}}, self.namespace)
        self.proxy.down()
        self.opened.discard(self.namespace)

    def _left(self, *, within: float) -> list[str]:
        """CatalogSources that are still there after a moment in which an operator may let them go."""
        end = time.monotonic() + within
        while True:
            left = [one["metadata"]["name"] for one in self.cluster.api.list("CatalogSource", self.namespace)]
            if not left or time.monotonic() > end:
                return left
            time.sleep(0.1)


def _without_none(value: Any) -> Any:
    """Fields that are None are left out: that is how a test takes a default of ``source`` away."""
    if not isinstance(value, Mapping):
        return value
    return {key: _without_none(one) for key, one in value.items() if one is not None}
