"""What a library keeps to itself changes without a word, so that all use of it stands in one module for each library.

Nothing is imported here but what overrides: the rest is read as text, and holds for code that no test runs.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tocsin
from tocsin import kafka, work

ROOT = Path(tocsin.__path__[0])
PATCHES = ("kafka/patches.py", "kafka/producer_patches.py", "telemetry/patches.py", "work/patches.py")

TOUCHED: dict[tuple[str, str], str] = {
    ("consume/liveness/watchdog.py", "os._exit"): "Python documents it, under this name",
    ("image/jpeg.py", "picture._take"): "its own class's, called by a method that makes one",
    ("telemetry/log.py", "super()._proxy_to_logger"): "structlog documents it for whoever writes a logger",
}
"""Module, expression -> why it may."""

OVERRIDDEN: dict[tuple[str, str], str] = {
    ("tocsin.work.redis_client.VerifiedConnection", "_wrap_socket_with_ssl"): "redis-py's, and both of our ways to Redis are made of it",
}

DOCUMENTED = ("kafka", "kafka.admin", "kafka.errors", "kafka.structs", "kafka.coordinator.assignors.range")
"""Of kafka-python: https://kafka-python.readthedocs.io."""
UNDOCUMENTED: dict[tuple[str, str], str] = {
    ("kafka/reach.py", "kafka.net.sasl"): "it speaks the protocol itself, to say at which step a broker is not reached",
    ("kafka/reach.py", "kafka.protocol.metadata"): "the same",
    ("kafka/reach.py", "kafka.protocol.parser"): "the same",
    ("kafka/reach.py", "kafka.protocol.sasl"): "the same",
}

ASKED_BY_NAME = ("getattr", "setattr", "delattr", "hasattr", "attrgetter", "methodcaller")


OF_NAMED_TUPLES = ("_replace", "_asdict", "_make", "_fields")
"""Begin with an underscore so that no field has their name; Python documents them as public (collections.namedtuple)."""


def is_private(name: str) -> bool:
    """A name that Python itself gives a meaning (`__init__`) is not."""
    return name.startswith("_") and not name.endswith("__") and name != "_" and name not in OF_NAMED_TUPLES


def touched(tree: ast.AST) -> Iterator[str]:
    """Every private attribute of anything but `self` and `cls`, and every private name that is imported."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                continue
            case ast.Attribute(attr=name) if is_private(name):
                yield ast.unparse(node)
            case ast.ImportFrom(module=str(module), names=names):
                yield from (f"{module}.{each.name}" for each in names if is_private(each.name))
            case ast.Call(func=ast.Name(id=asked) | ast.Attribute(attr=asked), args=args) if asked in ASKED_BY_NAME:
                named = (each.value for each in args if isinstance(each, ast.Constant) and isinstance(each.value, str))
                yield from (f"{asked}({name})" for name in named if is_private(name))


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module of kafka-python that is imported."""
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), level=0):
                modules = [module]
            case ast.Import(names=names):
                modules = [each.name for each in names]
            case _:
                continue
        yield from (each for each in modules if each.partition(".")[0] == "kafka")


@cache
def sources() -> dict[str, ast.AST]:
    """Path below the product's root -> its module; without the two that may."""
    trees = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in sorted(ROOT.rglob("*.py"))}
    return {path: tree for path, tree in trees.items() if path not in PATCHES}


def test_a_librarys_private_parts_are_touched_in_the_patches_alone() -> None:
    assert {(path, each) for path, tree in sources().items() for each in touched(tree)} == TOUCHED.keys()


def test_modules_that_kafka_python_does_not_document_are_imported_by_its_patches_alone() -> None:
    found = {(path, each) for path, tree in sources().items() for each in imported(tree) if each not in DOCUMENTED}
    assert found == UNDOCUMENTED.keys()


def classes(package: Any) -> Iterator[type]:
    """Every class that the package's modules define."""
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        for each in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(each) and each.__module__ == module.name:
                yield each


def private_names(kind: type) -> set[str]:
    """Those that the text of a class gives to it, or to its instances, or uses of them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(kind)))):
        match node:
            case (
                ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name)
                | ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.Name(id=name)
            ):
                found.add(name)
    return set(filter(is_private, found))


def shared(kind: type) -> set[str]:
    """The private names of a class that are private names of a library's as well, from which it inherits."""
    foreign = [base for base in kind.__mro__[1:] if base.__module__.partition(".")[0] not in {"tocsin", *sys.stdlib_module_names}]
    return private_names(kind) & {name for base in foreign for name in private_names(base) | vars(base).keys()}


@pytest.mark.parametrize("package", [kafka, work], ids=lambda each: each.__name__)
def test_a_class_that_inherits_from_a_librarys_shares_none_of_its_private_names(package: Any) -> None:
    ours = {f"{kind.__module__}.{kind.__qualname__}": shared(kind) for kind in classes(package)}
    patched = f"{package.__name__}.patches."
    found = {(name, each) for name, names in ours.items() if not name.startswith(patched) for each in names}
    assert found == {key for key in OVERRIDDEN if key[0].startswith(f"{package.__name__}.")}


@pytest.mark.parametrize(
    "line",
    [
        "consumer._fetcher",
        "self._consumer._fetcher.close()",
        "super()._read_msg()",
        "batch._pos = 0",
        "getattr(consumer, '_net')",
        "from kafka.cluster import _hidden",
        "operator.attrgetter('_net')(consumer)",
    ],
)
def test_a_line_that_reaches_into_a_library_is_seen(line: str) -> None:
    assert list(touched(ast.parse(line)))


@pytest.mark.parametrize("line", ["self._own", "cls._made()", "kind.__name__", "value.public", "getattr(value, 'public')", "_ = name"])
def test_a_line_that_reaches_into_nobody_is_left_alone(line: str) -> None:
    assert not list(touched(ast.parse(line)))


def test_the_patches_themselves_are_seen_to_override_and_touch() -> None:
    assert {("_AnyName", "_read_msg"), ("PartitionRecords", "_unpack_records")} <= {
        (kind.__name__, name) for kind in classes(kafka) for name in shared(kind)
    }
    for patches in PATCHES:
        assert list(touched(ast.parse((ROOT / patches).read_text("utf-8"))))


def test_only_telemetry_knows_how_opentelemetry_sends_what_all_record() -> None:
    """import-linter sees `opentelemetry` as one package, whose API is for everybody."""
    walled = re.compile(r"opentelemetry\.(sdk|exporter|proto)\b")
    outside = [path for path in ROOT.rglob("*.py") if ROOT / "telemetry" not in path.parents and walled.search(path.read_text())]
    assert outside == []
