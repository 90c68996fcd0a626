"""What is behind a failed call is named in the debug log by the operating system's name, and by no text."""

from __future__ import annotations

import errno

import httpx
import pytest

from skillmeat_operator.adapters.http.call_errors import before_answer, errnos


@pytest.mark.parametrize(
    ("behind", "names"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "secret"), ("ECONNREFUSED",)),
        (OSError(errno.EMFILE, "secret"), ("EMFILE",)),
        (OSError("no number"), ()),
        (OSError(999_999, "unknown"), ()),
        (ValueError("secret"), ()),
    ],
)
def test_names_of_what_is_behind(behind: Exception, names: tuple[str, ...]) -> None:
    with pytest.raises(httpx.ConnectError) as raised:
        raise httpx.ConnectError("failed") from behind
    failed = before_answer(raised.value)
    failed.__cause__ = raised.value
    assert errnos(failed) == names
