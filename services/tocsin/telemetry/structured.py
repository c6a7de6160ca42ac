"""structlog without rich, which it would import to print tracebacks, 5 MB that stay: no line of Tocsin has a traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def absent(package: str) -> Iterator[None]:
    """Have an import of the package fail, as where it is not installed, until the block ends; nothing where it is imported already."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment] # as Python's import system defines it (reference, 5.3.1 "The module cache")
    try:
        yield
    finally:
        del sys.modules[package]


with absent("rich"):
    import structlog as structlog
