"""One remote side as messages speak of it, and what every side's calls can fail with."""

from __future__ import annotations

from dataclasses import dataclass

from skillmeat_operator.adapters.http.call_errors import CallError, CallProblem
from skillmeat_operator.adapters.http.hosts import Host
from skillmeat_operator.adapters.http.tls import CA_FIELD, CLIENT_FIELD
from skillmeat_operator.api.urls import DEFAULT_PORTS, UrlError, parse_url
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.domain.failure import FailedError, Failure, FailureKind, Side


@dataclass(frozen=True, slots=True)
class Remote:
    """Where a side's calls go, and the names of the fields that decide it."""

    side: Side
    product: str
    """``SkillMeat`` or ``Backstage``."""
    host: Host
    label: str
    """The host as messages name it: without a default port."""
    url_field: str
    """Field of the spec, or flag, that holds the URL."""
    tls_field: str
    """Field of the spec that holds ``caRef`` and ``clientCertSecretRef``."""
    unreachable: Reason

    @classmethod
    def of(
        cls, url: str, *, side: Side, product: str, url_field: str, tls_field: str, unreachable: Reason
    ) -> Remote:
        """The side at this URL.

        Raises:
            FailedError: the URL is none, or not http or https (``InvalidSpec``).
        """
        try:
            host, scheme = Host.of(url), parse_url(url).scheme
        except UrlError as error:
            message = f"{url_field} {error}."
            raise FailedError(
                Failure(side, FailureKind.CONFIGURATION, Reason.INVALID_SPEC, message)
            ) from error
        name = f"[{host.name}]" if ":" in host.name else host.name
        label = name if host.port == DEFAULT_PORTS[scheme] else f"{name}:{host.port}"
        return cls(side, product, host, label, url_field, tls_field, unreachable)

    def __str__(self) -> str:
        return f"{self.product} at {self.label}"

    def failed(self, kind: FailureKind, reason: Reason, message: str) -> FailedError:
        """A failure of this side."""
        return FailedError(Failure(self.side, kind, reason, message))

    def not_reachable(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        whole_server: bool = False,
        local: bool = False,
    ) -> FailedError:
        """A failure that goes by itself once the side is there again; for the rest see :class:`Failure`."""
        return FailedError(
            Failure(
                self.side,
                FailureKind.TRANSIENT,
                self.unreachable,
                message,
                retry_after=retry_after,
                whole_server=whole_server,
                local=local,
            )
        )

    def invalid(self, what: str) -> FailedError:
        """An answer that is not what was asked for."""
        message = f"{self} answered with {what}: check that {self.url_field} leads to {self.product} itself."
        return self.failed(FailureKind.TRANSIENT, Reason.INVALID_RESPONSE, message)

    def incomplete(self, error: CallError) -> FailedError:
        """What a call without a complete answer means for this side."""
        problem = error.problem
        if problem in _ANSWERS:
            return self.invalid(_ANSWERS[problem])
        if problem in _CONNECTIONS:
            message = _CONNECTIONS[problem].format(self=self)
            return self.not_reachable(
                message, whole_server=problem in _WHOLE_SERVER, local=problem is CallProblem.THROTTLED
            )
        kind, reason, message = self._refusals(problem, error.detail)
        return self.failed(kind, reason, message)

    def _refusals(self, problem: CallProblem, detail: str) -> tuple[FailureKind, Reason, str]:
        """What our own side refuses to send."""
        if problem is CallProblem.EGRESS_REFUSED:
            message = f"The operator may not connect to {self.label}: {detail}."
            return FailureKind.CONFIGURATION, Reason.EGRESS_NOT_ALLOWED, message
        if problem is CallProblem.CREDENTIAL_BOUND:
            field = f"{self.tls_field}.{detail}" if detail in {CA_FIELD, CLIENT_FIELD} else detail
            message = (
                f"The Secret of {field} may not be sent to {self.label}: add the host to the Secret's"
                " annotation skillmeat.io/allowed-hosts."
            )
            return FailureKind.CONFIGURATION, Reason.EGRESS_NOT_ALLOWED, message
        if problem is CallProblem.CREDENTIAL_MALFORMED:
            message = f"The value of {detail} is empty or no single line of ASCII: put a token there."
            return FailureKind.CREDENTIAL, Reason.AUTHENTICATION_FAILED, message
        what = (
            "CA certificates"
            if detail.startswith(CA_FIELD)
            else "a client certificate with its unencrypted key"
        )
        message = f"{self.tls_field}.{detail} cannot be read: put {what} there, in PEM."
        return FailureKind.CONFIGURATION, Reason.INVALID_CA, message


_ANSWERS = {
    CallProblem.CUT_SHORT: "half an answer",
    CallProblem.TOO_LARGE: "more than 32 MiB",
    CallProblem.MALFORMED: "something that is not HTTP as it was asked for",
    CallProblem.ENCODING: "a body in an encoding (Content-Encoding) that is broken or not gzip",
}
_WHOLE_SERVER = frozenset({CallProblem.CONNECTION_REFUSED, CallProblem.TIMED_OUT})
_CONNECTIONS = {
    CallProblem.NAME_NOT_RESOLVED: (
        "{self} is not known by name: check {self.url_field} and the cluster's DNS."
    ),
    CallProblem.CONNECTION_REFUSED: (
        "{self} refused the connection: check that it runs and that {self.url_field} is right."
    ),
    CallProblem.HOST_UNREACHABLE: (
        "{self} cannot be reached: check {self.url_field}, routes and network policies."
    ),
    CallProblem.UNTRUSTED: (
        "{self} shows a certificate that is not trusted for this host: set {self.tls_field}.caRef to the CA"
        " that signed it."
    ),
    CallProblem.TLS_FAILED: (
        "The TLS handshake with {self} failed: check scheme and port of {self.url_field} and, where the"
        " server asks for a client certificate, {self.tls_field}.clientCertSecretRef."
    ),
    CallProblem.TIMED_OUT: "{self} timed out: check its load and the network policies on the way.",
    CallProblem.CONNECTION_LOST: (
        "{self} closed the connection without an answer: check its log and what stands before it."
    ),
    CallProblem.THROTTLED: (
        "{self} is asked as often as the operator allows itself, and this call did not get its turn: wait, or"
        " lengthen spec.interval of the CatalogSources that use it."
    ),
}
