import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmeat_operator.domain.decide.versions import VersionRange

HELP = "write version as a range of npm"


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        pytest.param("^2.1.0", ["2.1.0", "2.9.0"], ["2.0.9", "3.0.0"], id="caret"),
        pytest.param("^0.2.3", ["0.2.3", "0.2.9"], ["0.3.0", "0.2.2"], id="caret-below-one"),
        pytest.param("^0.0.3", ["0.0.3"], ["0.0.4"], id="caret-below-a-tenth"),
        pytest.param("^0.x", ["0.0.0", "0.9.0"], ["1.0.0"], id="caret-any-minor"),
        pytest.param("~2.1", ["2.1.0", "2.1.9"], ["2.2.0", "2.0.9"], id="tilde"),
        pytest.param("~2", ["2.0.0", "2.9.9"], ["3.0.0"], id="tilde-major"),
        pytest.param("~>1.2", ["1.2.0", "1.2.9"], ["1.3.0", "1.1.9"], id="tilde-as-ruby-writes-it"),
        pytest.param("~> 1.2.3", ["1.2.3"], ["1.2.2", "1.3.0"], id="tilde-as-ruby-writes-it-with-a-space"),
        pytest.param("== 1.2", ["1.2.0"], ["1.3.0"], id="equal-twice"),
        pytest.param("^=v1.2", ["1.2.0", "1.9.0"], ["2.0.0"], id="signs-that-are-passed-over"),
        pytest.param(
            "^1.0.0", ["1.0.2026010112", "1.0.20260101123000"], ["2.0.20260101123000"], id="built-at-a-time"
        ),
        pytest.param(
            "^1.0.20260101123000", ["1.0.20260101123001"], ["1.0.20260101122959"], id="since-a-time"
        ),
        pytest.param(
            "<=9007199254740991", ["9007199254740991.0.1"], ["9007199254740992.0.0"], id="the-largest-number"
        ),
        pytest.param("2.x", ["2.0.0", "2.9.9"], ["1.9.9", "3.0.0"], id="x-range"),
        pytest.param("<=1.2.3", ["1.2.3"], ["1.2.4", "1.2.3-rc.1"], id="up-to-a-release"),
        pytest.param("2", ["2.4.0"], ["3.0.0"], id="partial"),
        pytest.param(">2", ["3.0.0"], ["2.9.9"], id="above-a-partial"),
        pytest.param("<=2.1", ["2.1.9"], ["2.2.0"], id="up-to-a-partial"),
        pytest.param("<2.1", ["2.0.9"], ["2.1.0"], id="below-a-partial"),
        pytest.param(">=1.4.0 <3.0.0", ["1.4.0", "2.9.9"], ["1.3.9", "3.0.0"], id="both-sides"),
        pytest.param(">= 1.4.0  < 3", ["1.4.0"], ["3.0.0"], id="spaces-after-operators"),
        pytest.param("1.x || >=2.5.0", ["1.9.0", "2.5.0"], ["2.4.9"], id="alternatives"),
        pytest.param("1.0 - 2.0", ["1.0.0", "2.0.9"], ["2.1.0", "0.9.9"], id="hyphen"),
        pytest.param("=1.2.3", ["1.2.3", "v1.2.3", "1.2.3+build"], ["1.2.4"], id="exact"),
        pytest.param("v1.2.3", ["1.2.3"], ["1.2.2"], id="v-before-a-version"),
        pytest.param("*", ["0.0.0", "9.9.9"], ["1.0.0-rc.1"], id="any-release"),
        pytest.param("", ["1.0.0"], ["unknown"], id="empty-is-any"),
        pytest.param("<*", [], ["0.0.0", "1.0.0"], id="below-any-is-nothing"),
        pytest.param(
            "1.2.3-rc.1", ["1.2.3-rc.1"], ["1.2.3", "1.2.3-rc.2"], id="exact-pre-release-is-not-the-release"
        ),
        pytest.param(
            "<=1.2.3-rc.1", ["1.2.2", "1.2.3-alpha"], ["1.2.3", "1.2.2-alpha"], id="up-to-a-pre-release"
        ),
        pytest.param(
            ">1.2.3-rc.1", ["1.2.3-rc.2", "1.2.3"], ["1.2.3-rc.1", "1.3.0-rc.1"], id="above-a-pre-release"
        ),
        pytest.param(
            "^1.2.3-rc.1", ["1.2.3-rc.2", "1.9.0"], ["2.0.0-rc.1", "1.2.3-alpha"], id="caret-pre-release"
        ),
        pytest.param(
            "^1.0.2 <=1.0.3-rc.2", ["1.0.2", "1.0.3-rc.1"], ["1.0.1", "1.0.3"], id="every-bound-holds"
        ),
        pytest.param("^1.2", ["1.2.0"], ["2.0.0-rc.1", "1.3.0-rc.1"], id="no-pre-release-unless-named"),
    ],
)
def test_range(text: str, inside: list[str], outside: list[str]) -> None:
    accepted = VersionRange.parse(text)
    assert {version: accepted.accepts(version) for version in inside} == dict.fromkeys(inside, True)
    assert {version: accepted.accepts(version) for version in outside} == dict.fromkeys(outside, False)


@pytest.mark.parametrize(
    "version",
    [
        None,
        "",
        "unknown",
        "1",
        "1.2",
        "1.2.3.4",
        "01.2.3",
        "1.2.3-",
        "1.2.3-01",
        "1.2.3\n",
        "vv1.2.3",
        "\N{FULLWIDTH DIGIT ONE}.2.3",
        "9" * 5000 + ".0.0",
        "1.0.0-" + "a" * 300,
    ],
)
def test_what_is_no_version_is_never_accepted(version: str | None) -> None:
    assert not VersionRange.parse("*").accepts(version)


@pytest.mark.parametrize(
    "text",
    [
        "latest",
        "9007199254740992",
        "1.2.3.4",
        "x.2",
        "a - b",
        "1.0.0 - 2.0.0 - 3.0.0",
        "1,2",
        "01.2.3",
        "1.2.3-01",
        "1.2-rc.1",
        "\N{FULLWIDTH DIGIT ONE}.2.3",
        "9" * 5000,
        "1 " * 300,
        ">",
        "1.2.3 ||| 2",
    ],
)
def test_what_is_no_range_is_refused_with_a_sentence_that_helps(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{HELP}, for example"):
        VersionRange.parse(text)


def problem(text: str) -> str | None:
    try:
        VersionRange.parse(text)
    except ValueError as error:
        return str(error)
    return None


@settings(deadline=None)
@given(st.text(alphabet="0123456789.xX*v^~<>=|- rc+", max_size=24), st.text(max_size=12))
def test_any_text_is_a_range_or_refused(text: str, version: str) -> None:
    said = problem(text)
    if said is None:
        assert VersionRange.parse(text).accepts(version) in {True, False}
    else:
        assert said.startswith(HELP)


VERSIONS = st.tuples(*[st.integers(0, 3)] * 3)


@settings(deadline=None)
@given(VERSIONS, VERSIONS, VERSIONS)
def test_two_bounds_hold_what_lies_between(
    low: tuple[int, ...], middle: tuple[int, ...], high: tuple[int, ...]
) -> None:
    spelled = [".".join(map(str, version)) for version in (low, middle, high)]
    accepted = VersionRange.parse(f">={spelled[0]} <{spelled[2]}")
    assert accepted.accepts(spelled[1]) is (low <= middle < high)
