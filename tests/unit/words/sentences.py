"""Finds every sentence that the code says to clinicians, in modules and in pages."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, nodes

PRODUCT = Path(__file__).parents[3] / "services" / "tocsin"
SAYING = {"say": (0,), "say_of": (1, 2), "to_say": (0,), "Obstacle": (1,), "Reason": (1,)}
"""Who is given sentences, and at which places."""
SAID = ("title", "advice")
"""What a problem says in its class's attributes of these names, where a page is made of it."""
FOR_OPERATORS = ("cli", "sandbox", "consume", "terminal.py")
"""They speak English alone, to operators, by a `say` of their own."""


@cache
def in_modules() -> dict[str, Path]:
    """Sentence -> a module that says it."""
    files = [file for file in sorted(PRODUCT.rglob("*.py")) if file.relative_to(PRODUCT).parts[0] not in FOR_OPERATORS]
    trees = [(file, ast.parse(file.read_text())) for file in files]
    problems = {sentence: file for file, tree in trees if "serve" in file.parts for sentence in _of_problems(tree)}
    return problems | {sentence: file for file, tree in trees for sentence in _of(tree)}


@cache
def in_pages() -> dict[str, Path]:
    """Sentence -> a template that says it."""
    pages = sorted(file for file in PRODUCT.glob("serve/**/templates/**/*") if file.is_file())
    return {sentence: file for file in pages for sentence in _of_page(file.read_text())}


def _of(tree: ast.AST) -> Iterator[str]:
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            for place in SAYING.get(name, ()):
                given = call.args[place] if place < len(call.args) else None
                yield from _texts(given)


def _of_problems(tree: ast.AST) -> Iterator[str]:
    for statement in (each for made in ast.walk(tree) if isinstance(made, ast.ClassDef) for each in made.body):
        if isinstance(statement, ast.Assign):
            names: Sequence[ast.expr] = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            names = [statement.target]
        else:
            continue
        if any(isinstance(each, ast.Name) and each.id in SAID for each in names):
            yield from _texts(statement.value)


def _texts(given: ast.expr | None) -> Iterator[str]:
    if isinstance(given, ast.IfExp):
        yield from (*_texts(given.body), *_texts(given.orelse))
    if isinstance(given, ast.Constant) and isinstance(given.value, str):
        yield given.value
    if isinstance(given, ast.JoinedStr):
        raise AssertionError(f"line {given.lineno}: a sentence is said with {{name}} and its value, and never as an f-string")


def _of_page(source: str) -> Iterator[str]:
    for call in Environment(autoescape=True, extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"]).parse(source).find_all(nodes.Call):
        name = call.node.attr if isinstance(call.node, nodes.Getattr) else getattr(call.node, "name", "")
        for place in SAYING.get(name, ()):
            given = call.args[place] if place < len(call.args) else None
            if isinstance(given, nodes.Const) and isinstance(given.value, str):
                yield given.value
