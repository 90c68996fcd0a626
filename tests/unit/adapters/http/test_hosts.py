import pytest

from skillmeat_operator.adapters.http.hosts import Host, HostPattern
from skillmeat_operator.api.urls import UrlError


@pytest.mark.parametrize(
    ("url", "host"),
    [
        pytest.param("http://a.example.com", Host("a.example.com", 80), id="http-has-port-80"),
        pytest.param("https://a.example.com/x", Host("a.example.com", 443), id="https-has-port-443"),
        pytest.param("https://A.Example.COM.:8443", Host("a.example.com", 8443), id="case-and-final-dot-go"),
        pytest.param("http://[::1]:80/", Host("::1", 80), id="literal-loses-brackets"),
        pytest.param("http://[0:0::1]", Host("::1", 80), id="literal-is-compressed"),
        pytest.param("http://xn--bcher-kva.example", Host("xn--bcher-kva.example", 80), id="a-label"),
    ],
)
def test_host_of_url(url: str, host: Host) -> None:
    assert Host.of(url) == host


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example.com",
        "ftp://a.example.com",
        "http://",
        "http://[::1",
        "http://a:99999",
        "http://2130706433",
        "http://xn--0",
    ],
)
def test_host_of_no_url(url: str) -> None:
    with pytest.raises(UrlError):
        Host.of(url)


@pytest.mark.parametrize(
    ("pattern", "url", "allows", "names"),
    [
        pytest.param(
            "a.example.com", "http://a.example.com:9", True, True, id="host-without-port-is-any-port"
        ),
        pytest.param("a.example.com:80", "http://a.example.com", True, True, id="host-with-its-port"),
        pytest.param("a.example.com:80", "https://a.example.com", False, False, id="host-with-other-port"),
        pytest.param(
            "A.example.com.", "http://a.example.com", True, True, id="case-and-final-dot-do-not-count"
        ),
        pytest.param("*.example.com", "http://a.b.example.com", True, False, id="suffix-reaches-down"),
        pytest.param("*.example.com", "http://example.com", False, False, id="suffix-is-not-itself"),
        pytest.param("*.example.com", "http://badexample.com", False, False, id="suffix-ends-at-a-dot"),
        pytest.param("*.example.com:8080", "http://a.example.com:8080", True, False, id="suffix-with-port"),
        pytest.param("*.example.com:8080", "http://a.example.com", False, False, id="suffix-with-other-port"),
        pytest.param("*", "http://localhost", True, False, id="star-allows-but-does-not-name"),
        pytest.param("*:443", "http://a.example.com", False, False, id="star-with-port"),
        pytest.param("::1", "http://[::1]:7", True, True, id="bare-ipv6"),
        pytest.param("[::1]:7", "http://[::1]:7", True, True, id="ipv6-with-port"),
        pytest.param("[::1]:7", "http://[::1]:8", False, False, id="ipv6-with-other-port"),
        pytest.param("bücher.example", "http://xn--bcher-kva.example", True, True, id="international-name"),
    ],
)
def test_pattern(pattern: str, url: str, allows: bool, names: bool) -> None:
    host = Host.of(url)
    assert (HostPattern.parse(pattern).allows(host), HostPattern.parse(pattern).names(host)) == (
        allows,
        names,
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*.",
        "a.*.com",
        "**",
        "http://a.example.com",
        "a:0",
        "a:65536",
        "a:x",
        "u@a",
        "a/b",
        "a b",
        "*.*.com",
    ],
)
def test_pattern_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=re_sentence):
        HostPattern.parse(text)


re_sentence = r"^'.*' (is not|has no valid) .*\.$"


@pytest.mark.parametrize(
    ("name", "loopback"),
    [
        ("localhost", True),
        ("a.localhost", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("notlocalhost", False),
        ("localhost.example.com", False),
        ("2130706433", False),
    ],
)
def test_name_that_says_loopback(name: str, loopback: bool) -> None:
    assert Host(name, 80).is_loopback_name is loopback
