"""JSON from servers that are not trusted: what is none is an error of ours, depth is no crash, and what one
value holds spoils no other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

PRUNE_DEPTH = 66
"""Containers nested deeper than this become ``null`` in an element that is too deep to be decoded. It lies
above the depth that the rules for entities allow (64): such an element is still seen to be too deep."""
LONGEST_PRUNED = 4 * 1024 * 1024
"""Characters of one element that are looked at for that."""

_LONGEST_INTEGER = 400
"""Digits of an integer; a longer one is out of range for any double, and Python refuses to read it."""

_SPACE = re.compile(r"[ \t\n\r]*")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


class InvalidJsonError(ValueError):
    """The body is not the JSON that was expected; nothing of it is in the message."""


def parse(body: bytes) -> Any:
    """The value of a body of moderate size and depth.

    Raises:
        InvalidJsonError: it is none, or nested too deeply to be read.
    """
    try:
        return _DECODER.decode(_text(body))
    except (ValueError, RecursionError) as error:
        raise InvalidJsonError("not JSON") from error


def parse_elements(body: bytes, *, most: int) -> list[Any]:
    """The elements of a JSON array, decoded one by one.

    One element that is nested very deeply spoils neither the others nor the process, and a thread that
    decodes a long list lets others run in between, which one call of the decoder would not.

    Args:
        body: The whole body.
        most: How many elements there may be.

    Raises:
        InvalidJsonError: it is no JSON array, or has more elements.
    """
    text = _text(body)
    elements: list[Any] = []
    try:
        for element in _elements(text):
            if len(elements) == most:
                raise InvalidJsonError(f"more than {most} elements")
            elements.append(element)
    except (ValueError, RecursionError) as error:
        raise InvalidJsonError("not a JSON array") from error
    return elements


def _text(body: bytes) -> str:
    # A byte that is no UTF-8 becomes a lone surrogate.
    return body.decode("utf-8-sig", "surrogateescape")


def _elements(text: str) -> Iterator[Any]:
    at = _skip(text, 0)
    if text[at : at + 1] != "[":
        raise InvalidJsonError("not an array")
    at = _skip(text, at + 1)
    if text[at : at + 1] == "]":
        _expect_end(text, at + 1)
        return
    while True:
        element, at = _one(text, at)
        yield element
        at = _skip(text, at)
        mark = text[at : at + 1]
        if mark == "]":
            _expect_end(text, at + 1)
            return
        if mark != ",":
            raise InvalidJsonError("neither a comma nor the end of the array")
        at = _skip(text, at + 1)


def _one(text: str, at: int) -> tuple[Any, int]:
    """The value that begins here and where it ends; pruned where it is nested very deeply."""
    try:
        value, end = _DECODER.raw_decode(text, at)
    except RecursionError:
        pruned, end = _pruned(text, at)
        value = _DECODER.decode(pruned)
    return value, end


def _pruned(text: str, begin: int) -> tuple[str, int]:
    """The text of the container that begins here, without what is nested too deeply, and where it ends."""
    kept: list[str] = []
    depth = 0
    copied = begin
    for token in _TOKEN.finditer(text, begin, begin + LONGEST_PRUNED):
        mark = token.group()
        if mark in "[{":
            depth += 1
            if depth == PRUNE_DEPTH + 1:
                kept.append(text[copied : token.start()] + "null")
        elif mark in "]}":
            if depth == PRUNE_DEPTH + 1:
                copied = token.end()
            depth -= 1
            if depth == 0:
                return "".join(kept) + text[copied : token.end()], token.end()
    raise InvalidJsonError("a container without end, or beyond the limit")


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _expect_end(text: str, at: int) -> None:
    if _skip(text, at) != len(text):
        raise InvalidJsonError("something follows the array")


def _whole(text: str) -> int | float:
    return int(text) if len(text) <= _LONGEST_INTEGER else float(text)


# What one value holds is no fault of the others: numbers out of range, NaN, which servers in Python write,
# half a character and control characters are let through, for the rules to refuse the one template that has
# them.
_DECODER = json.JSONDecoder(parse_int=_whole, strict=False)
