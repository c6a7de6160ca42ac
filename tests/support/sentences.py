"""The sentences that code and templates say, so that a test can ask whether a language has them all."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

_SAID = re.compile(r'\b(say|say_of)\(((?:[^()"]|"[^"]*")*)')
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
TITLES = ("title", "advice")
"""What a Problem says."""


def sentences(*places: Path) -> set[str]:
    """Every sentence that the Python files and templates below these places say."""
    files = [file for place in places for file in ([place] if place.is_file() else place.rglob("*"))]
    found = {text for file in files if file.suffix == ".py" for text in _of_code(ast.parse(file.read_text()))}
    return found | {text for file in files if file.suffix == ".html" for text in _of_template(file.read_text())}


def _of_code(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in ("say", "say_of"):
            yield from (each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str))
        if isinstance(node, ast.AnnAssign) and _name(node.target) in TITLES and isinstance(node.value, ast.Constant):
            yield str(node.value.value)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""


def _of_template(text: str) -> Iterator[str]:
    for kind, arguments in _SAID.findall(text):
        texts = _TEXT.findall(arguments)
        yield from texts[: 2 if kind == "say_of" else 1]
