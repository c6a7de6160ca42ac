"""Which loops this process has: those in C where they were compiled, else numpy's, which give the same results and cost more."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tocsin.image.loops.compiled import LIBRARY, Compiled
from tocsin.image.loops.plain import Plain
from tocsin.image.loops.ports import Loops


@dataclass(frozen=True, slots=True)
class Choice:
    """The loops, and what is said of them to people."""

    loops: Loops
    said: str
    fix: str
    """How to get the quicker ones; empty where they are these."""


def choice(library: Path) -> Choice:
    """The compiled loops of this library, or numpy's where it is not there or cannot be used."""
    try:
        return Choice(Compiled(library), "compiled", "")
    except (OSError, AttributeError) as reason:  # AttributeError: a library without these functions
        said = f"numpy's, which give the same results for more CPU; {library.name}: {reason}"
        return Choice(Plain(), said, "install Tocsin again where there is a C compiler ($CC, or cc)")


@lru_cache(maxsize=1)
def chosen() -> Choice:
    """The choice of this process, made when the first picture comes or somebody asks."""
    return choice(LIBRARY)


def loops() -> Loops:
    """The loops that everybody uses."""
    return chosen().loops
