"""Why a call got no complete answer, in words of ours; what that means is decided per side."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Iterator
from enum import StrEnum

import httpx


class CallProblem(StrEnum):
    """What kept a call from a complete answer."""

    EGRESS_REFUSED = "egress refused"
    """Our own rules do not let the request go there."""
    CREDENTIAL_BOUND = "credential bound elsewhere"
    """The Secret's annotation does not let the credential go there."""
    CREDENTIAL_MALFORMED = "credential malformed"
    """The credential cannot stand in a header: empty, several lines, not ASCII."""
    TLS_MATERIAL = "TLS material"
    """The CA or the client certificate cannot be used."""
    NAME_NOT_RESOLVED = "name not resolved"
    CONNECTION_REFUSED = "connection refused"
    HOST_UNREACHABLE = "host unreachable"
    UNTRUSTED = "certificate not trusted"
    TLS_FAILED = "TLS handshake failed"
    TIMED_OUT = "timed out"
    CONNECTION_LOST = "connection lost"
    """Closed or reset before an answer began."""
    CUT_SHORT = "answer cut short"
    """Closed or reset inside the answer."""
    TOO_LARGE = "answer too large"
    MALFORMED = "answer malformed"
    """No HTTP."""
    ENCODING = "answer encoded otherwise"
    """An encoding that was not asked for, or a broken one."""
    THROTTLED = "held back by our own limits"


class CallError(Exception):
    """A call that got no complete answer.

    ``detail`` is a sentence part of ours or empty; nothing the remote side sent is in it.
    """

    def __init__(self, problem: CallProblem, detail: str = "") -> None:
        super().__init__(f"{problem}: {detail}" if detail else str(problem))
        self.problem = problem
        self.detail = detail


_BEFORE_ANSWER: tuple[tuple[type[BaseException], CallProblem], ...] = (
    (ssl.SSLCertVerificationError, CallProblem.UNTRUSTED),
    (ssl.SSLError, CallProblem.TLS_FAILED),
    (ConnectionRefusedError, CallProblem.CONNECTION_REFUSED),
    (httpx.PoolTimeout, CallProblem.THROTTLED),
    (httpx.TimeoutException, CallProblem.TIMED_OUT),
    (TimeoutError, CallProblem.TIMED_OUT),
    (ConnectionError, CallProblem.CONNECTION_LOST),
)
_UNREACHABLE = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM}
)
_LONGEST_CHAIN = 20


def before_answer(error: Exception) -> CallError:
    """The problem behind an exception of the transport that came before the answer's head was read."""
    chain = tuple(_causes(error))
    for kind, problem in _BEFORE_ANSWER:
        if any(isinstance(cause, kind) for cause in chain):
            return CallError(problem)
    if any(isinstance(cause, OSError) and cause.errno in _UNREACHABLE for cause in chain):
        return CallError(CallProblem.HOST_UNREACHABLE)
    if isinstance(error, httpx.RemoteProtocolError):
        closed = any("disconnected" in str(cause) for cause in chain)
        return CallError(CallProblem.CONNECTION_LOST if closed else CallProblem.MALFORMED)
    if isinstance(error, httpx.ConnectError):
        return CallError(CallProblem.HOST_UNREACHABLE)
    return CallError(CallProblem.CONNECTION_LOST)


def inside_answer(error: Exception) -> CallError:
    """The problem behind an exception of the transport that came while the body was read."""
    if any(isinstance(cause, httpx.TimeoutException | TimeoutError) for cause in _causes(error)):
        return CallError(CallProblem.TIMED_OUT)
    return CallError(CallProblem.CUT_SHORT)


def errnos(error: BaseException) -> tuple[str, ...]:
    """The operating system's names of what is behind a failed call, for the debug log: ``ECONNREFUSED``."""
    numbers = (one.errno for one in _causes(error) if isinstance(one, OSError))
    return tuple(
        errno.errorcode[number] for number in numbers if number is not None and number in errno.errorcode
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and what caused it, groups opened; bounded, since a chain may have a loop."""
    waiting: list[BaseException] = [error]
    for _ in range(_LONGEST_CHAIN):
        if not waiting:
            return
        current = waiting.pop(0)
        yield current
        if isinstance(current, BaseExceptionGroup):
            waiting.extend(current.exceptions)
        following = current.__cause__ or current.__context__
        if following is not None:
            waiting.append(following)
