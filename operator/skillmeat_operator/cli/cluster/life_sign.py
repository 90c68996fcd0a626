"""The operator's life sign: the Lease it renews, if it holds one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from skillmeat_operator.cli.cluster.resources import plain
from skillmeat_operator.cli.errors import CommandError
from skillmeat_operator.cli.pages.ages import age

if TYPE_CHECKING:
    from skillmeat_operator.cli.context import Cluster

LEASE_NAME: Final = "skillmeat-operator"
"""Name of the operator's Lease."""
_DEFAULT_SECONDS: Final = 15


@dataclass(frozen=True, slots=True)
class LifeSign:
    """What is known of whether the operator runs."""

    alive: bool | None
    """None where it cannot be told."""
    sentence: str
    renewed: datetime | None = None


async def read_life_sign(cluster: Cluster, namespace: str, now: datetime) -> LifeSign:
    """Return what the Lease in the operator's namespace tells; a Lease that cannot be read is no error."""
    try:
        lease = await cluster.lease(namespace, LEASE_NAME)
    except CommandError as error:
        return LifeSign(None, f"No life sign can be told, since the operator's Lease cannot be read. {error}")
    return life_sign(lease, namespace, now)


def life_sign(lease: Any | None, namespace: str, now: datetime) -> LifeSign:
    """Return what a Lease (None: there is none) tells."""
    if lease is None:
        return LifeSign(
            None,
            f"No life sign can be told: there is no Lease {LEASE_NAME} in namespace {namespace} (name the "
            "operator's namespace by --operator-namespace; an operator that runs alone may hold none).",
        )
    spec = lease.get("spec") or {}
    if not spec.get("renewTime"):
        return LifeSign(
            False, f"The Lease in namespace {namespace} is held by nobody: no operator is at work."
        )
    try:
        renewed = datetime.fromisoformat(spec["renewTime"])
        lasts = timedelta(seconds=spec.get("leaseDurationSeconds") or _DEFAULT_SECONDS)
    except (TypeError, ValueError, OverflowError):
        renewed = None
    if renewed is None or renewed.tzinfo is None:
        return LifeSign(
            None,
            f"No life sign can be told: the Lease {LEASE_NAME} in namespace {namespace} has a renewTime or "
            "leaseDurationSeconds that cannot be read. Delete it; an operator at work writes it anew.",
        )
    holder = plain(spec.get("holderIdentity") or "nobody")
    if now - renewed > lasts:
        return LifeSign(
            False,
            f"The last life sign is {age(renewed, now)} old (by {holder}): no operator is at work, so what "
            f"is shown here may be out of date. Look at its pods in namespace {namespace}.",
            renewed,
        )
    return LifeSign(True, f"At work: life sign of {holder} {age(renewed, now)} ago.", renewed)
