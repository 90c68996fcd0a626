"""Large computations run in a thread, small ones in place; what they raise comes back."""

from __future__ import annotations

import threading

import pytest

from skillmeat_operator.controller.off_loop import compute


@pytest.mark.parametrize("large", [True, False])
async def test_only_what_is_large_runs_in_a_thread(large: bool) -> None:
    there = await compute(threading.current_thread, large=large)
    assert (there is not threading.current_thread()) is large


@pytest.mark.parametrize("large", [True, False])
async def test_an_error_comes_back(large: bool) -> None:
    def fails() -> None:
        raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        await compute(fails, large=large)
