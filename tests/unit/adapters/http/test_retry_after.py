from datetime import UTC, datetime

import pytest

from skillmeat_operator.adapters.http.retry_after import LONGEST, retry_after

NOW = datetime(2026, 11, 21, 7, 16, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("10", 10.0, id="seconds"),
        pytest.param(" 0 ", 0.0, id="zero"),
        pytest.param("Sat, 21 Nov 2026 07:17:31 GMT", 60.0, id="date-to-come"),
        pytest.param("Sat, 21 Nov 2026 08:17:31 +0100", 60.0, id="date-with-an-offset"),
        pytest.param("Sat, 21 Nov 2026 07:17:31 -0000", 60.0, id="date-of-no-zone-is-utc"),
        pytest.param("Sat, 21 Nov 2026 07:00:00 GMT", 0.0, id="date-gone-by"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST, id="date-far-off-is-a-day"),
        pytest.param("99999999999999999999", LONGEST, id="number-beyond-reason-is-a-day"),
        pytest.param("-5", None, id="negative-says-nothing"),
        pytest.param("1.5", None, id="fraction-says-nothing"),
        pytest.param("soon", None, id="text-says-nothing"),
        pytest.param("\u0661\u0660", None, id="other-digits-say-nothing"),
        pytest.param("Sat, 99 Nov 2026 07:17:31 GMT", None, id="impossible-date-says-nothing"),
        pytest.param("", None, id="empty-says-nothing"),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}, now=lambda: NOW) == seconds


def test_without_the_header() -> None:
    assert retry_after({}, now=lambda: NOW) is None
