"""Events of the core group, for people who run ``kubectl describe``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from skillmeat_operator.adapters.kubernetes.client import FIELD_MANAGER, KubernetesClient
from skillmeat_operator.adapters.kubernetes.errors import KubernetesError
from skillmeat_operator.adapters.kubernetes.object_ref import ObjectRef
from skillmeat_operator.api.keys import API_VERSION
from skillmeat_operator.api.model import format_timestamp

log = logging.getLogger(__name__)

MAX_MESSAGE: Final = 1024
"""Longest message that the API server takes, in characters."""


class EventType(StrEnum):
    """Whether somebody should look."""

    NORMAL = "Normal"
    WARNING = "Warning"


class EventRecorder:
    """Sends Events; one that cannot be sent is logged and counted, and disturbs nobody."""

    def __init__(
        self,
        client: KubernetesClient,
        *,
        instance: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        timeout: float = 5.0,
    ) -> None:
        """Prepare a recorder.

        Args:
            client: towards the API server.
            instance: name of this process, the pod's for instance.
            now: the present, in UTC.
            timeout: seconds for one Event.
        """
        self._client = client
        self._instance = instance
        self._now = now
        self._timeout = timeout
        self.lost = 0
        """How many Events could not be sent (a terminating namespace refuses them)."""

    async def emit(self, ref: ObjectRef, event_type: EventType, reason: str, message: str) -> bool:
        """Send one Event about an object; False if the API server did not take it.

        Args:
            ref: the object.
            event_type: whether somebody should look.
            reason: CamelCase.
            message: one sentence, cut at :data:`MAX_MESSAGE`.
        """
        moment = format_timestamp(self._now())
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            # The API server cuts the prefix where the name would become too long.
            "metadata": {"generateName": f"{ref.name}.", "namespace": ref.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": ref.names.kind,
                "namespace": ref.namespace,
                "name": ref.name,
                "uid": ref.uid,
            },
            "type": event_type,
            "reason": reason,
            "message": message[:MAX_MESSAGE],
            "source": {"component": FIELD_MANAGER},
            "reportingComponent": FIELD_MANAGER,
            "reportingInstance": self._instance,
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
        }
        try:
            await self._client.create_event(ref.namespace, event, within=self._timeout)
        except KubernetesError as error:
            self.lost += 1
            log.warning("Event %s about %s was not sent: %s: %s", reason, ref, error, message)
            return False
        return True
