"""What an answer of Backstage that is no success means; the only place that decides it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skillmeat_operator.adapters.http.client import Answer
from skillmeat_operator.adapters.http.json_body import InvalidJsonError, parse
from skillmeat_operator.adapters.http.remote import Remote
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.domain.failure import FailedError, FailureKind, Side

URL_FIELD = "spec.backstage.url"
TLS_FIELD = "spec.backstage.tls"
TOKEN_FIELD = "spec.backstage.auth.bearerTokenSecretRef"  # noqa: S105 - the name of a field

_REDIRECTS = range(300, 400)
_READ_ONLY = "This operation not allowed in readonly mode"


def portal_at(url: str, *, url_field: str = URL_FIELD) -> Remote:
    """The portal at a base URL.

    Raises:
        FailedError: it is no http or https URL (``InvalidSpec``).
    """
    return Remote.of(
        url,
        side=Side.CATALOG,
        product="Backstage",
        url_field=url_field,
        tls_field=TLS_FIELD,
        unreachable=Reason.CATALOG_UNREACHABLE,
    )


def error_of(answer: Answer) -> tuple[str, str]:
    """Name and message of an error as Backstage writes it; empty where the body is no such error.

    The message is for comparisons: it is the portal's text and goes nowhere else.
    """
    try:
        value: Any = parse(answer.body) if answer.body else None
    except InvalidJsonError:
        return "", ""
    error = value.get("error") if isinstance(value, Mapping) else None
    if not isinstance(error, Mapping):
        return "", ""
    name, message = error.get("name"), error.get("message")
    return name if isinstance(name, str) else "", message if isinstance(message, str) else ""


def is_not_found(answer: Answer) -> bool:
    """Whether the catalog itself says that something does not exist.

    While Backstage starts, and for an endpoint that it does not have, the answer is a 404 with an empty body
    (``facts/backstage.md``, section 2); a 404 of what stands before it is none of the catalog's either.
    """
    return answer.status == 404 and error_of(answer)[0] == "NotFoundError"


def refusal(
    portal: Remote, answer: Answer, *, permission: str, is_write: bool, token_field: str, has_token: bool
) -> FailedError:
    """The failure that an answer stands for which the call did not expect.

    Args:
        portal: the portal.
        answer: its answer.
        permission: Catalog permission that the call needs.
        is_write: whether the call changes something, or tries to in a dry run.
        token_field: field of the spec, or flag, that the token comes from.
        has_token: whether one was sent.
    """
    status = answer.status
    name, text = error_of(answer)
    # An expired token of the legacy kind comes back as a 500 with the error of the JWT library.
    if status == 401 or (status == 500 and name.startswith(("JWT", "JWS"))):
        message = (
            f"{portal} does not accept the token of {token_field}: put a valid one there."
            if has_token
            else f"{portal} asks for a token: set {token_field}."
        )
        return portal.failed(FailureKind.CREDENTIAL, Reason.AUTHENTICATION_FAILED, message)
    if status == 403:
        return _forbidden(portal, text, permission=permission, is_write=is_write, token_field=token_field)
    if status in {404, 429} or status >= 500:
        return portal.not_reachable(_unavailable(portal, answer, name), retry_after=answer.retry_after)
    return portal.invalid("a redirect, which is not followed" if status in _REDIRECTS else f"HTTP {status}")


def _forbidden(
    portal: Remote, text: str, *, permission: str, is_write: bool, token_field: str
) -> FailedError:
    if text == _READ_ONLY:
        message = (
            f"The catalog of {portal} is read-only: unset catalog.readonly there, or list the document in its"
            " catalog.locations and set spec.backstage.ingestion to StaticLocation."
        )
        return portal.failed(FailureKind.CONFIGURATION, Reason.TOKEN_FORBIDDEN, message)
    reason = Reason.TOKEN_FORBIDDEN if is_write else Reason.ACCESS_DENIED
    message = (
        f"{portal} does not let the token of {token_field} use plugin catalog with permission {permission}:"
        " add both to the token's accessRestrictions."
    )
    return portal.failed(FailureKind.CREDENTIAL, reason, message)


def _unavailable(portal: Remote, answer: Answer, name: str) -> str:
    status = answer.status
    if status == 404 and not answer.body:
        return f"{portal} is starting, or has no catalog: wait, or check {portal.url_field}."
    if status == 404 and name != "NotFoundError":
        return (
            f"{portal} has no catalog there (HTTP 404): check that {portal.url_field} leads to its backend."
        )
    if status == 429:
        return f"{portal} limits how often it is asked (HTTP 429): raise backend.rateLimit there."
    return f"{portal} is not available (HTTP {status}): check that its backend runs, and look at its log."
