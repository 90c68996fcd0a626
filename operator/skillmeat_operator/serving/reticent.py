"""Answers to requests that are no HTTP, without a word of theirs (design, section 3, law 12)."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web


class ReticentHandler(web.RequestHandler):
    """aiohttp's protocol, which repeats the line it could not read, a token in it, in its answer."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - what the client sent stands in it
    ) -> web.StreamResponse:
        """Answer with the status's own phrase.

        Raises:
            ConnectionError: an answer is under way already.
        """
        return super().handle_error(request, status, exc, HTTPStatus(status).phrase)
