import pytest

from skillmeat_operator.adapters.http.call_errors import CallError, CallProblem
from skillmeat_operator.adapters.http.credential import Credential
from skillmeat_operator.adapters.http.hosts import Host

HOST = Host("a.example.com", 443)


def test_the_value_is_in_no_repr_and_equal_values_have_equal_digests() -> None:
    credential = Credential.of("canary-token\n")
    assert "canary" not in repr(credential)
    assert credential.digest == Credential.of("canary-token").digest != Credential.of("canary-token2").digest
    assert len(credential.digest) == 16


@pytest.mark.parametrize(
    "allowed",
    [
        pytest.param(None, id="not-bound"),
        pytest.param(("a.example.com",), id="bound-to-this-host"),
        pytest.param(("b.example.com", "*.example.com:443"), id="bound-to-this-suffix-and-port"),
    ],
)
def test_sent_where_it_may_go(allowed: tuple[str, ...] | None) -> None:
    assert Credential.of(" token\n", allowed_hosts=allowed).header_value(HOST, field_name="f") == "token"


@pytest.mark.parametrize(
    "allowed",
    [
        pytest.param((), id="bound-to-nothing"),
        pytest.param(("b.example.com",), id="bound-to-another-host"),
        pytest.param(("a.example.com:8443",), id="bound-to-another-port"),
        pytest.param(("https://a.example.com",), id="entry-that-cannot-be-read"),
    ],
)
def test_kept_where_it_may_not_go(allowed: tuple[str, ...]) -> None:
    with pytest.raises(CallError) as caught:
        Credential.of("canary-token", allowed_hosts=allowed).header_value(HOST, field_name="spec.x")
    assert (caught.value.problem, caught.value.detail) == (CallProblem.CREDENTIAL_BOUND, "spec.x")


@pytest.mark.parametrize("value", ["", " \n", "two words", "line\nX-Injected: 1", "tökén", "nul\0", "\udcff"])
def test_what_is_no_header_value_is_not_sent(value: str) -> None:
    with pytest.raises(CallError) as caught:
        Credential.of(value).header_value(HOST, field_name="spec.x")
    assert caught.value.problem is CallProblem.CREDENTIAL_MALFORMED
