"""A location that an earlier public URL left registered, and its move to the present one."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from skillmeat_operator.adapters.backstage.client import BackstageClient
from skillmeat_operator.api.keys import MOVE_LOCATION
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.controller.visit.catalog.missing import cannot_read
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.domain.failure import FailedError
from skillmeat_operator.domain.observation import PortalView, RegisteredLocation
from skillmeat_operator.domain.template.document import document_path
from skillmeat_operator.domain.verify.diagnosis import Finding

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Moved:
    """A location under a former target, and what is said of it."""

    location: RegisteredLocation
    finding: Finding


def moved(visit: Visit, view: PortalView, target: str, *, cluster_uid: str) -> Moved | None:
    """The location that an earlier public URL left registered, if the present one is not."""
    if target in view.locations:
        return None
    path = document_path(cluster_uid, visit.source.namespace, visit.source.name)
    former = sorted(one for one in view.locations if one.endswith(path))
    if not former:
        return None
    return Moved(
        location=view.locations[former[0]],
        finding=Finding(
            Reason.LOCATION_MOVED,
            f"the portal reads {former[0][:253]}, and --public-url now makes it {target}: go back to "
            "the former --public-url, or move it with: kubectl annotate --overwrite "
            f"smsrc/{visit.source.name} -n {visit.source.namespace} {MOVE_LOCATION}={target}",
        ),
    )


async def move(
    visit: Visit,
    client: BackstageClient,
    view: PortalView,
    former: RegisteredLocation,
    target: str,
) -> Finding | None:
    """Let the portal read the document under its new target.

    Returns:
        Why it was not moved: a dry run of the new target has to succeed first.
    """
    dry_run = await client.dry_run(target)
    if not dry_run.ok:
        return Finding(
            Reason.LOCATION_MOVED,
            f"the location was not moved: a dry run of {target} fails in the portal; check that it can "
            "be read there, or go back to the former --public-url; "
            f"{former.target[:253]} stays registered",
        )
    visit.ensure_current()
    if not await client.move(former.id, target):
        if not view.reads_entities:
            raise FailedError(cannot_read("catalog.entity.read"))
        # The templates are away for a moment, about 2 s per 100.
        await client.unregister(former.id)
        await client.register(target)
    logger.info("moved the location of %s/%s", visit.source.namespace, visit.source.name)
    return None
