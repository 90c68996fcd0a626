"""How a call to the API server can fail, told apart by what the caller does about it.

Messages name the call and the API server's own CamelCase reason; its free text stays out, since it repeats
values of the object that was sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_REASON: Final = re.compile(r"[A-Za-z]{1,60}")
_FIELD: Final = re.compile(r"[A-Za-z0-9_.\[\]-]{1,120}")
_SHOWN_FIELDS: Final = 3


class KubernetesError(Exception):
    """A call to the API server failed."""


class AccessError(KubernetesError):
    """There is no usable way to the API server; one sentence that says what is wrong."""


class ConflictError(KubernetesError):
    """Somebody else changed the object first (HTTP 409): read it again and decide again."""


class AlreadyExistsError(ConflictError):
    """An object of this name exists already."""


class NotFoundError(KubernetesError):
    """The API server says that this object, or the namespace it would lie in, does not exist.

    Not raised where the API server does not serve the kind at all: a missing CRD says nothing about its
    objects.
    """


class ForbiddenError(KubernetesError):
    """The operator's role does not allow the call, or admission refuses it (HTTP 403)."""


class RejectedError(KubernetesError):
    """The API server does not accept what was sent (HTTP 400, 413, 422): trying again does not help."""


class ObjectSupersededError(KubernetesError):
    """The object was replaced, or its spec changed, while its status was being worked out."""


class UnavailableError(KubernetesError):
    """The API server cannot be reached or cannot answer now: try again later."""

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        """HTTP status, if there was an answer."""
        self.retry_after = retry_after
        """Seconds that the API server asks to wait, if it does."""


def error_of(call: str, status: int, answer: Any, *, retry_after: float | None = None) -> KubernetesError:
    """The error of an answer other than 2xx.

    Args:
        call: method and path.
        status: HTTP status.
        answer: the decoded body; a ``Status`` object where the API server itself answered.
        retry_after: seconds of the header ``Retry-After``.
    """
    stated = answer if isinstance(answer, Mapping) and answer.get("kind") == "Status" else {}
    reason = stated.get("reason")
    reason = reason if isinstance(reason, str) and _REASON.fullmatch(reason) else None
    details = stated.get("details")
    details = details if isinstance(details, Mapping) else {}
    said = f"{call}: HTTP {status}" + (f" ({reason})" if reason else "") + _fields(details)
    match status:
        case 409 if reason == "AlreadyExists":
            return AlreadyExistsError(said)
        case 409:
            return ConflictError(said)
        case 404 if reason == "NotFound" and details.get("name"):
            return NotFoundError(said)
        case 403:
            return ForbiddenError(said)
        case 400 | 405 | 406 | 413 | 415 | 422:
            return RejectedError(said)
        case _:
            # 401 among them: a projected token that was just rotated, or an authenticator that is away.
            return UnavailableError(said, status=status, retry_after=retry_after)


def _fields(details: Mapping[str, Any]) -> str:
    """The paths of the fields that were refused, without their values."""
    causes = details.get("causes")
    listed = causes if isinstance(causes, list) else []
    found = [cause.get("field") for cause in listed if isinstance(cause, Mapping)]
    paths = [path for path in found if isinstance(path, str) and _FIELD.fullmatch(path)]
    return f" at {', '.join(paths[:_SHOWN_FIELDS])}" if paths else ""
