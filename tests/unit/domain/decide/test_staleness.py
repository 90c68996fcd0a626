from datetime import UTC, datetime, timedelta

import pytest

from skillmeat_operator.domain.decide.staleness import is_stale
from skillmeat_operator.domain.observation import BundleFacts

BUILT = datetime(2026, 11, 21, 7, 24, 12, tzinfo=UTC)
NEWER = BundleFacts(bundle_id="a" * 32, status="draft", updated_at=BUILT + timedelta(seconds=1))
OLDER = BundleFacts(bundle_id="a" * 32, status=None, updated_at=BUILT - timedelta(seconds=1))
SAME = BundleFacts(bundle_id="a" * 32, status=None, updated_at=BUILT)


@pytest.mark.parametrize(
    ("annotation", "generated_at", "facts", "stale"),
    [
        pytest.param("true", BUILT, OLDER, True, id="annotation-wins-over-pages"),
        pytest.param("true", None, None, True, id="annotation-alone"),
        pytest.param(None, BUILT, NEWER, True, id="bundle-updated-later"),
        pytest.param("false", BUILT, NEWER, True, id="pages-win-over-a-denying-annotation"),
        pytest.param(None, BUILT, OLDER, False, id="bundle-updated-before"),
        pytest.param(None, BUILT, SAME, False, id="same-moment"),
        pytest.param("false", BUILT, None, False, id="denied-no-pages"),
        pytest.param("false", None, NEWER, False, id="denied-no-timestamp"),
        pytest.param(None, BUILT, None, None, id="no-annotation-no-pages"),
        pytest.param(None, None, NEWER, None, id="no-annotation-no-timestamp"),
        pytest.param("TRUE", None, None, None, id="another-word"),
    ],
)
def test_is_stale(
    annotation: str | None, generated_at: datetime | None, facts: BundleFacts | None, stale: bool | None
) -> None:
    assert is_stale(annotation=annotation, generated_at=generated_at, facts=facts) is stale
