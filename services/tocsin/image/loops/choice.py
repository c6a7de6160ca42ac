"""Which loops this process has."""

from __future__ import annotations

from functools import lru_cache

from tocsin.image.loops.plain import Plain
from tocsin.image.loops.ports import Loops


@lru_cache(maxsize=1)
def loops() -> Loops:
    """The loops that everybody uses."""
    return Plain()
