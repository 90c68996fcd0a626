from __future__ import annotations

import pytest

from skillmeat_operator.adapters.kubernetes.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    KubernetesError,
    NotFoundError,
    RejectedError,
    UnavailableError,
    error_of,
)


@pytest.mark.parametrize(
    ("status", "reason", "details", "kind"),
    [
        (409, "Conflict", {"name": "main"}, ConflictError),
        (409, "AlreadyExists", {"name": "main"}, AlreadyExistsError),
        (404, "NotFound", {"name": "main", "kind": "catalogsources"}, NotFoundError),
        (404, "NotFound", {}, UnavailableError),
        (404, None, None, UnavailableError),
        (403, "Forbidden", {"name": "main"}, ForbiddenError),
        (401, "Unauthorized", {}, UnavailableError),
        (400, "BadRequest", {}, RejectedError),
        (413, "RequestEntityTooLarge", {}, RejectedError),
        (415, "UnsupportedMediaType", {}, RejectedError),
        (422, "Invalid", {"name": "main"}, RejectedError),
        (410, "Expired", {}, UnavailableError),
        (429, "TooManyRequests", {}, UnavailableError),
        (500, "InternalError", {}, UnavailableError),
        (503, None, None, UnavailableError),
        (302, None, None, UnavailableError),
    ],
)
def test_answer_is_an(status, reason, details, kind, refusal):
    body = refusal(status, reason, **details) if details is not None else None

    assert type(error_of("GET /x", status, body)) is kind


@pytest.mark.parametrize(
    "kind", [ConflictError, NotFoundError, ForbiddenError, RejectedError, UnavailableError]
)
def test_every_kind_is_a_kubernetes_error(kind):
    assert issubclass(kind, KubernetesError)


def test_already_exists_is_a_conflict():
    assert issubclass(AlreadyExistsError, ConflictError)


def test_message_names_call_reason_and_fields_and_nothing_the_server_wrote(refusal):
    causes = [
        {"field": "status.conditions[0].reason", "message": "value-of-a-field"},
        {"field": "a b; value-of-a-field"},
        {"field": 7},
        "x",
        {"field": "spec.url"},
        {"field": "spec.b"},
        {"field": "spec.c"},
    ]

    said = str(error_of("PATCH /x/status", 422, refusal(422, "Invalid", name="main", causes=causes)))

    assert said == "PATCH /x/status: HTTP 422 (Invalid) at status.conditions[0].reason, spec.url, spec.b"


@pytest.mark.parametrize(
    "body",
    [
        None,
        "free text",
        [],
        {"kind": "Status", "reason": "two words"},
        {"kind": "Status", "reason": 7, "details": 7},
        {"kind": "Status", "details": {"causes": 7}},
    ],
    ids=repr,
)
def test_answer_of_somebody_else_is_told_by_its_status(body):
    assert str(error_of("GET /x", 502, body)) == "GET /x: HTTP 502"


def test_unavailable_says_when_to_come_again():
    error = error_of("GET /x", 429, None, retry_after=3.0)

    assert isinstance(error, UnavailableError)
    assert (error.status, error.retry_after) == (429, 3.0)
