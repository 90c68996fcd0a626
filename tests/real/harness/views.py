"""What a test looks at again and again: a TemplateBundle's verdicts, and a template in the portal."""

from __future__ import annotations

from contextlib import suppress

from tests.real.harness.tenant import Object, Tenant, eventually


def bundle_ready(
    tenant: Tenant, status: str, reason: str, *, name: str = "t0", stalled: bool = False, within: float = 20.0
) -> Object:
    """Wait for Ready of a TemplateBundle, with Stalled or without; returns the object."""

    def look() -> Object | None:
        right = tenant.ready(name, "smtb") == (status, reason)
        return (
            tenant.get(name, "smtb")
            if right and (tenant.stalled(name, "smtb") is not None) == stalled
            else None
        )

    try:
        return eventually(look, within=within)
    except AssertionError:
        seen = tenant.get(name, "smtb").get("status")
        wanted = f"smtb/{name} Ready={status}/{reason}, Stalled {stalled}"
        raise AssertionError(f"not within {within:g} s: {wanted}; its status: {seen}") from None


def verdicts(found: Object) -> dict[str, str]:
    """Status by type of condition, those of another generation left out."""
    generation = found["metadata"]["generation"]
    return {
        one["type"]: one["status"]
        for one in found["status"]["conditions"]
        if one["observedGeneration"] == generation
    }


def message(found: Object, kind: str = "Ready") -> str:
    """Message of a condition."""
    return next(str(one["message"]) for one in found["status"]["conditions"] if one["type"] == kind)


def counts(tenant: Tenant, *names: str, source: str = "main") -> tuple[int, ...]:
    """Some of ``status.entities``, in the order of the names."""
    entities = tenant.entities(source)
    return tuple(entities[name] for name in names)


def wait_counts(tenant: Tenant, expected: tuple[int, ...], *names: str, source: str = "main") -> None:
    """Wait for ``counts``: a TemplateBundle's status is written a moment before that of its CatalogSource."""
    with suppress(AssertionError):
        eventually(lambda: counts(tenant, *names, source=source) == expected)
    assert counts(tenant, *names, source=source) == expected


def title(tenant: Tenant, name: str = "t0") -> str | None:
    """Title of a template in the portal."""
    found = tenant.entity(name)
    return str(found["metadata"]["title"]) if found is not None else None


def version(tenant: Tenant, name: str = "t0") -> str | None:
    """Bundle version of a template in the portal."""
    found = tenant.entity(name)
    return str(found["metadata"]["annotations"]["skillmeat.io/bundle-version"]) if found is not None else None
