"""No line of Tocsin's own loses a value that whoever is on call would look for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import tocsin
from tocsin.telemetry.log import FIELDS

PRODUCT = Path(tocsin.__file__).parent
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}


def fields() -> Iterator[tuple[str, str]]:
    """Every field that a line of Tocsin's names, and where."""
    for file in PRODUCT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and _logs(node.func):
                yield from ((each.arg, f"{file.relative_to(PRODUCT)}:{node.lineno}") for each in node.keywords if each.arg is not None)


def _logs(called: ast.expr) -> bool:
    """Whether it is logger().<level>."""
    return (
        isinstance(called, ast.Attribute)
        and called.attr in LEVELS
        and isinstance(called.value, ast.Call)
        and isinstance(called.value.func, ast.Name)
        and called.value.func.id == "logger"
    )


def test_every_field_that_a_line_names_is_one_that_passes() -> None:
    found = list(fields())
    assert len(found) > 100
    assert [place for name, place in found if name not in FIELDS] == []
