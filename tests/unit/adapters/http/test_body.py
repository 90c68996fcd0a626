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


@pytest.mark.parametrize("encoding", ["", "identity", "gzip", "x-gzip", " GZIP "])
@given(body=st.binary(max_size=LIMIT), size=st.integers(1, 200))
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
        pytest.param(b"no gzip at all", "gzip", CallProblem.MALFORMED, id="no-gzip"),
        pytest.param(
            gzip.compress(b"a") + b"tail", "gzip", CallProblem.MALFORMED, id="something-after-the-stream"
        ),
        pytest.param(zlib.compress(b"a"), "deflate", CallProblem.MALFORMED, id="deflate-was-not-asked-for"),
        pytest.param(b"x", "br", CallProblem.MALFORMED, id="brotli-was-not-asked-for"),
        pytest.param(b"x", "gzip, gzip", CallProblem.MALFORMED, id="encoded-twice"),
    ],
)
async def test_a_body_that_is_refused(sent: bytes, encoding: str, problem: CallProblem) -> None:
    with pytest.raises(CallError) as caught:
        await read_body(parts(sent, 64_000), encoding=encoding, limit=LIMIT)
    assert caught.value.problem is problem


async def test_an_empty_body_is_no_broken_gzip() -> None:
    assert await read_body(parts(b""), encoding="gzip", limit=LIMIT) == b""
