"""Places that no mutant is made of: what they say is for readers, or judged by mypy instead of tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator

Position = tuple[int, int]
"""Line, from 1, and column in characters, from 0."""
Range = tuple[Position, Position]

_TYPES = {
    "None",
    "bool",
    "bytes",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "object",
    "set",
    "str",
    "tuple",
    "type",
}


def unjudged(source: str) -> list[Range]:
    """The ranges of a module that are left as they are."""
    lines = source.splitlines()
    found = []
    for node in _nodes(ast.parse(source)):
        if node.end_lineno is None or node.end_col_offset is None:
            continue
        begin, end = lines[node.lineno - 1], lines[node.end_lineno - 1]
        found.append(
            (
                (node.lineno, _characters(begin, node.col_offset)),
                (node.end_lineno, _characters(end, node.end_col_offset)),
            )
        )
    return found


def _nodes(tree: ast.Module) -> Iterator[ast.expr | ast.stmt]:
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                yield node
            case ast.Expr(value=ast.Call(func=called)) if _root(called) in {"logger", "logging"}:
                yield node
            case ast.Assign(targets=[ast.Name(id="__all__" | "logger")]):
                yield node
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield node
            case ast.BinOp(op=ast.BitOr()) if _is_type(node.left) or _is_type(node.right):
                yield node
            case ast.AnnAssign():
                yield node.annotation
            case ast.arg(annotation=ast.expr() as annotation):
                yield annotation
            case ast.FunctionDef() | ast.AsyncFunctionDef() if node.returns is not None:
                yield node.returns
            case ast.ClassDef():
                yield from (one for one in node.decorator_list if _root(one) == "dataclass")
            case _:
                pass


def _root(node: ast.expr) -> str | None:
    """The name that a chain of attributes and calls begins with."""
    while not isinstance(node, ast.Name):
        match node:
            case ast.Attribute():
                node = node.value
            case ast.Call():
                node = node.func
            case _:
                return None
    return node.id


def _is_type(node: ast.expr) -> bool:
    match node:
        case ast.Constant():
            return node.value is None
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in _TYPES or (name[:1].isupper() and not name.isupper())
        case ast.Subscript():
            return _is_type(node.value)
        case ast.BinOp(op=ast.BitOr()):
            return _is_type(node.left) or _is_type(node.right)
        case _:
            return False


def _characters(line: str, column: int) -> int:
    """Python counts a column in bytes, parso in characters."""
    return len(line.encode()[:column].decode())
