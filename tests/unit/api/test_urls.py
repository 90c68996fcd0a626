"""Which URLs may stand in specs, by the parser and by the patterns of the admission rules."""

from __future__ import annotations

import ipaddress
import random

import pytest

from skillmeat_operator.api.objects import InvalidObject
from skillmeat_operator.api.urls import HOST_HELP, ParsedUrl, UrlError, parse_base_url, parse_url
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource

LONGEST_NAME = ".".join(["a" * 63] * 3 + ["b" * 61])

TAKEN = {
    "a name": ("http://host", ParsedUrl("http", "host", 80, "")),
    "a name of several labels": (
        "https://a.b-c.example.com/x/",
        ParsedUrl("https", "a.b-c.example.com", 443, "/x/"),
    ),
    "capitals": ("http://A.Example", ParsedUrl("http", "a.example", 80, "")),
    "a final dot": ("http://a.example.:81", ParsedUrl("http", "a.example.", 81, "")),
    "an underscore": ("http://a_b", ParsedUrl("http", "a_b", 80, "")),
    "a label that begins with a digit": ("http://svc.2team", ParsedUrl("http", "svc.2team", 80, "")),
    "a numeric label before the last": ("http://1.2.example", ParsedUrl("http", "1.2.example", 80, "")),
    "a label of 63 characters": (f"http://{'a' * 63}", ParsedUrl("http", "a" * 63, 80, "")),
    "a name of 253 characters": (f"http://{LONGEST_NAME}", ParsedUrl("http", LONGEST_NAME, 80, "")),
    "IPv4": ("http://10.0.0.7:1/a%20b", ParsedUrl("http", "10.0.0.7", 1, "/a%20b")),
    "the highest IPv4": ("http://255.255.255.255", ParsedUrl("http", "255.255.255.255", 80, "")),
    "IPv6": ("https://[FD00:0::1]:8443/base", ParsedUrl("https", "fd00::1", 8443, "/base")),
    "IPv6 unspecified": ("http://[::]", ParsedUrl("http", "::", 80, "")),
    "IPv6 written out": ("http://[1:2:3:4:5:6:7:8]", ParsedUrl("http", "1:2:3:4:5:6:7:8", 80, "")),
    "IPv6 with an IPv4 part": ("http://[64:ff9b::1.2.3.4]", ParsedUrl("http", "64:ff9b::102:304", 80, "")),
    "the highest port": ("http://a:65535", ParsedUrl("http", "a", 65535, "")),
    "a colon in the path": ("http://a/b:99999", ParsedUrl("http", "a", 80, "/b:99999")),
}

NO_HOST_OR_PORT = {
    "IPv4 in brackets": "http://[1.2.3.4]",
    "half an IPv4 in brackets": "http://[1.2]",
    "nothing in brackets": "http://[]",
    "a name in brackets": "http://[host]",
    "IPv6 with two gaps": "http://[1::2::3]",
    "IPv6 of seven groups": "http://[1:2:3:4:5:6:7]",
    "IPv6 of nine groups": "http://[1:2:3:4:5:6:7:8:9]",
    "IPv6 with a group of five": "http://[fd000::1]",
    "IPv6 with a zone": "http://[fe80::1%25eth0]",
    "IPv6 with a wrong IPv4 part": "http://[::1.2.3.256]",
    "IPv4 out of range": "http://10.0.0.256",
    "IPv4 with leading zeros": "http://010.0.0.1",
    "half an IPv4": "http://1.2",
    "IPv4 of five": "http://1.2.3.4.5",
    "IPv4 with a final dot": "http://127.0.0.1.",
    "IPv4 as a number": "http://2130706433",
    "IPv4 as a hexadecimal number": "http://0x7f000001",
    "a hexadecimal last label": "http://127.0x1/path",
    "an empty label": "http://a..b",
    "a dot first": "http://.a",
    "a dash first": "http://-a",
    "a dash last": "http://a-.b",
    "a label of 64 characters": f"http://{'a' * 64}.b",
    "port 0": "http://a:0",
    "a port too high": "http://a:65536",
    "a port of six digits": "http://a:100000",
    "a port with a leading zero": "http://a:080",
    "an empty port": "http://a:/b",
    "a port that is a word": "http://a:http",
    "two ports": "http://a:1:2",
}

NO_URL = {
    "nothing": "",
    "no scheme": "a.example.com",
    "another scheme": "ftp://a",
    "a scheme in capitals": "HTTP://a",
    "no host": "http:///a",
    "a space": "http://a b",
    "a letter outside of ASCII": "http://b\u00fccher.example",
    "a backslash": "http://a\\b",
    "a line break at the end": "http://a\n",
    "text behind a bracket": "http://[::1]a",
    "IPv6 without brackets": "http://::1",
    "an open bracket": "http://[::1",
    "a NUL": "http://a/\0",
    "a name of 254 characters": f"http://{LONGEST_NAME}c",
}


def of_spec(field: str, url: str) -> CatalogSource:
    fields = {"url": "http://a"} | ({} if field == "portal" else {field: url})
    return CatalogSource.from_object(
        {
            "metadata": {
                "namespace": "a",
                "name": "a",
                "uid": "a",
                "creationTimestamp": "2026-11-21T10:00:00Z",
            },
            "spec": {"source": {"skillmeat": fields}}
            | ({"backstage": {"url": url}} if field == "portal" else {}),
        }
    )


@pytest.mark.parametrize(("url", "parts"), TAKEN.values(), ids=TAKEN.keys())
def test_url_is_taken_apart(url: str, parts: ParsedUrl) -> None:
    assert parse_url(url) == parse_base_url(url) == parts


@pytest.mark.parametrize("field", ["url", "webURL", "portal"])
@pytest.mark.parametrize(("url", "parts"), TAKEN.values(), ids=TAKEN.keys())
def test_spec_with_such_a_url_is_taken(url: str, parts: ParsedUrl, field: str) -> None:
    assert url in str(of_spec(field, url).spec)


@pytest.mark.parametrize("url", NO_HOST_OR_PORT.values(), ids=NO_HOST_OR_PORT.keys())
def test_host_or_port_that_is_none_is_told(url: str) -> None:
    with pytest.raises(UrlError) as refused:
        parse_url(url)
    assert str(refused.value) == HOST_HELP


@pytest.mark.parametrize("field", ["url", "webURL", "portal"])
@pytest.mark.parametrize("url", NO_HOST_OR_PORT.values(), ids=NO_HOST_OR_PORT.keys())
def test_spec_without_exact_host_and_port_is_the_objects_own_problem(url: str, field: str) -> None:
    with pytest.raises(InvalidObject, match="must name the host"):
        of_spec(field, url)


@pytest.mark.parametrize("url", NO_URL.values(), ids=NO_URL.keys())
def test_text_that_is_no_url_is_told(url: str) -> None:
    with pytest.raises(UrlError, match="must be an http:// or https:// URL"):
        parse_url(url)


def test_base_url_has_no_query_and_another_url_may() -> None:
    assert parse_url("http://a/b?c=[1.2]#d").path == "/b"
    with pytest.raises(UrlError, match="query or fragment"):
        parse_base_url("http://a/b?c=d")


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://a:443", "a"),
        ("http://a:443", "a:443"),
        ("http://[::1]:80", "[::1]"),
        ("http://[::1]:8", "[::1]:8"),
    ],
)
def test_authority_has_no_default_port(url: str, authority: str) -> None:
    assert parse_url(url).authority == authority


def test_ipv6_literals_are_those_that_the_address_library_knows() -> None:
    choose = random.Random(1)
    groups = ["", "0", "1", "fd00", "FFFF", "12345", "g", "1.2.3.4", "1.2", "01.2.3.4"]
    taken = 0
    for _ in range(20_000):
        literal = ":".join(
            choose.choice(groups[: choose.choice([5, 10])]) for _ in range(choose.randint(1, 9))
        )
        try:
            known = str(ipaddress.IPv6Address(literal))
        except ValueError:
            with pytest.raises(UrlError):
                parse_url(f"http://[{literal}]")
        else:
            assert parse_url(f"http://[{literal}]").host == known
            taken += 1
    assert taken > 500
