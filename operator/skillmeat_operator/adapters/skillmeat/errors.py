"""What an answer of SkillMeat that is no success means; the only place that decides it."""

from __future__ import annotations

from skillmeat_operator.adapters.http.client import Answer
from skillmeat_operator.adapters.http.remote import Remote
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.domain.failure import FailedError, FailureKind, Side

URL_FIELD = "spec.source.skillmeat.url"
TLS_FIELD = "spec.source.skillmeat.tls"
BEARER_FIELD = "spec.source.skillmeat.auth.bearerTokenSecretRef"
SERVICE_FIELD = "spec.source.skillmeat.auth.serviceTokenSecretRef"

_REDIRECTS = range(300, 400)
_LATER = frozenset({408, 425, 502, 503, 504})


def source_at(url: str) -> Remote:
    """The source at a base URL.

    Raises:
        FailedError: it is no http or https URL (``InvalidSpec``).
    """
    return Remote.of(
        url,
        side=Side.SOURCE,
        product="SkillMeat",
        url_field=URL_FIELD,
        tls_field=TLS_FIELD,
        unreachable=Reason.SOURCE_UNREACHABLE,
    )


def refusal(source: Remote, answer: Answer, *, has_bearer: bool, what: str) -> FailedError:
    """The failure that an answer other than 200 stands for.

    Statuses are those of ``facts/skillmeat.md``, 1.3 and 2: 401 and 403 as the server's providers give
    them, 404 from another server or a wrong path, 501 from the enterprise edition, 429 with ``Retry-After``
    from its rate limit.

    Args:
        source: the server.
        answer: its answer.
        has_bearer: whether a bearer token was sent.
        what: what was asked for, as a noun: "list of templates".
    """
    status = answer.status
    if status in _NEEDS_A_PERSON:
        kind, reason, message = _NEEDS_A_PERSON[status]
        if status == 401 and not has_bearer:
            message = "{source} asks for a token: set " + BEARER_FIELD + "."
        return source.failed(kind, reason, message.format(source=source, what=what))
    if status == 429 or status in _LATER or status >= 500:
        message = _unavailable(source, status, has_bearer=has_bearer)
        return source.not_reachable(message, retry_after=answer.retry_after, whole_server=status == 429)
    return source.invalid("a redirect, which is not followed" if status in _REDIRECTS else f"HTTP {status}")


def _unavailable(source: Remote, status: int, *, has_bearer: bool) -> str:
    if status == 429:
        return f"{source} limits how often it is asked (HTTP 429): raise its limit or lengthen spec.interval."
    if status in _LATER:
        return f"{source} is not available (HTTP {status}): check that it and what stands before it run."
    # With some auth providers a missing token shows as a 500 (facts/skillmeat.md, section 2).
    hint = "" if has_bearer else f" and, if it asks for a token, set {BEARER_FIELD}"
    return f"{source} failed (HTTP {status}): look at its log{hint}."


_NO_SUCH_ENDPOINT = (
    FailureKind.CONFIGURATION,
    Reason.ENDPOINT_NOT_FOUND,
    f"{{source}} has no {{what}}: {URL_FIELD} must be its base URL, without /api/v1.",
)
_NEEDS_A_PERSON = {
    401: (
        FailureKind.CREDENTIAL,
        Reason.AUTHENTICATION_FAILED,
        f"{{source}} does not accept the token of {BEARER_FIELD}: put a valid one into that Secret.",
    ),
    403: (
        FailureKind.CREDENTIAL,
        Reason.ACCESS_DENIED,
        f"{{source}} does not let the token of {BEARER_FIELD} read the {{what}}: allow it there.",
    ),
    404: _NO_SUCH_ENDPOINT,
    405: _NO_SUCH_ENDPOINT,
    410: _NO_SUCH_ENDPOINT,
    501: (
        FailureKind.CONFIGURATION,
        Reason.EDITION_UNSUPPORTED,
        f"The edition of {{source}} offers no {{what}}: point {URL_FIELD} to a server that does.",
    ),
}
