import gzip
import zlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmeat_operator.adapters.http.body import read_body
from skillmeat_operator.adapters.http.call_errors import CallError, CallProblem

LIMIT = 1000


async def parts(data: bytes, size: int = 7) -> AsyncIterator[bytes]:
    for begin in range(0, len(data), size):
        yield data[begin : begin + size]


@pytest.mark.parametrize(
    "encoding", ["", "identity", "gzip", "x-gzip", " GZIP ", "gzip, identity", "identity,x-gzip"]
)
@given(
    body=st.binary(max_size=LIMIT).filter(lambda body: not body.startswith(b"\x1f\x8b")),
    size=st.integers(1, 200),
)
async def test_a_body_within_the_limit_comes_back_whole(encoding: str, body: bytes, size: int) -> None:
    sent = gzip.compress(body) if "gzip" in encoding.lower() else body
    assert await read_body(parts(sent, size), encoding=encoding, limit=LIMIT + 100) == body


@pytest.mark.parametrize(
    ("sent", "encoding", "problem"),
    [
        pytest.param(b"x" * (LIMIT + 1), "", CallProblem.TOO_LARGE, id="one-byte-too-many"),
        pytest.param(
            gzip.compress(b"x" * (LIMIT + 1)), "gzip", CallProblem.TOO_LARGE, id="one-decoded-byte-too-many"
        ),
        pytest.param(gzip.compress(b"\0" * 10_000_000), "gzip", CallProblem.TOO_LARGE, id="gzip-bomb"),
        pytest.param(gzip.compress(b"abc" * 99)[:-9], "gzip", CallProblem.CUT_SHORT, id="half-a-gzip-stream"),
        pytest.param(b"no gzip at all", "gzip", CallProblem.ENCODING, id="no-gzip"),
        pytest.param(
            gzip.compress(b"a") + b"tail", "gzip", CallProblem.ENCODING, id="something-after-the-stream"
        ),
        pytest.param(zlib.compress(b"a"), "deflate", CallProblem.ENCODING, id="deflate-was-not-asked-for"),
        pytest.param(b"x", "br", CallProblem.ENCODING, id="brotli-was-not-asked-for"),
        pytest.param(b"x", "gzip, gzip", CallProblem.ENCODING, id="encoded-twice"),
    ],
)
async def test_a_body_that_is_refused(sent: bytes, encoding: str, problem: CallProblem) -> None:
    with pytest.raises(CallError) as caught:
        await read_body(parts(sent, 64_000), encoding=encoding, limit=LIMIT)
    assert caught.value.problem is problem


async def test_an_empty_body_is_no_broken_gzip() -> None:
    assert await read_body(parts(b""), encoding="gzip", limit=LIMIT) == b""


@pytest.mark.parametrize("size", [1, 7, 64_000])
@pytest.mark.parametrize(
    ("sent", "encoding"),
    [
        pytest.param(gzip.compress(b"[1,") + gzip.compress(b"") + gzip.compress(b"2]"), "gzip", id="members"),
        pytest.param(gzip.compress(b"[1,2]") + b"\0" * 50, "gzip", id="zero-bytes-behind"),
        pytest.param(gzip.compress(b"[1,2]"), "identity", id="said-to-be-identity"),
        pytest.param(gzip.compress(b"[1,") + gzip.compress(b"2]"), "", id="nothing-said"),
    ],
)
async def test_gzip_as_it_comes_is_read_whole(sent: bytes, encoding: str, size: int) -> None:
    assert await read_body(parts(sent, size), encoding=encoding, limit=LIMIT) == b"[1,2]"


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        pytest.param(gzip.compress(b"x" * 400) * 3, CallProblem.TOO_LARGE, id="members-over-the-limit"),
        pytest.param(
            gzip.compress(b"a") + gzip.compress(b"b")[:-3], CallProblem.CUT_SHORT, id="half-of-the-second"
        ),
        pytest.param(gzip.compress(b"a") + b"\0\0tail", CallProblem.ENCODING, id="a-tail-behind-zeros"),
        pytest.param(
            gzip.compress(b"a") + b"\0" + gzip.compress(b"b"),
            CallProblem.ENCODING,
            id="a-member-behind-zeros",
        ),
    ],
)
@pytest.mark.parametrize("size", [1, 64_000])
async def test_members_are_held_to_the_same_rules(sent: bytes, problem: CallProblem, size: int) -> None:
    with pytest.raises(CallError) as caught:
        await read_body(parts(sent, size), encoding="gzip", limit=LIMIT)
    assert caught.value.problem is problem
