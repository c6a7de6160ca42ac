"""How a JSON Schema may grow within one version: it gains optional fields, and changes its words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

PROSE: Final = frozenset({"description", "title", "examples"})
NAMES: Final = frozenset({"properties", "$defs"})
"""Keywords whose keys are names of the schema's own."""


def breaks(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """A line for each change that a reader or writer of the old schema would not bear."""
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _keywords(old, new, place)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, pair in enumerate(zip(old, new, strict=True)):
            yield from breaks(*pair, f"{place}[{number}]")
    elif old != new:
        yield f"{place}: {old!r} became {new!r}"


def _keywords(old: dict[str, Any], new: dict[str, Any], place: str) -> Iterator[str]:
    for keyword in sorted((old.keys() | new.keys()) - PROSE):
        here = f"{place}/{keyword}"
        if keyword in NAMES:
            yield from _names(old.get(keyword, {}), new.get(keyword, {}), here)
        elif keyword == "required":
            yield from breaks(sorted(old.get(keyword, [])), sorted(new.get(keyword, [])), here)
        else:
            yield from breaks(old.get(keyword), new.get(keyword), here)


def _names(old: dict[str, Any], new: dict[str, Any], place: str) -> Iterator[str]:
    for name, schema in old.items():
        yield from breaks(schema, new.get(name), f"{place}/{name}")
