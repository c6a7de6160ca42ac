"""Whether the scopes that an EHR granted cover those that were asked for, in either spelling (SMART App Launch 2.2 and 1.0)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_FORM: Final = re.compile(r"(patient|user|system)/([A-Za-z]+|\*)\.([cruds]+|read|write|\*)")
_OLD: Final = {"read": "rs", "write": "cud", "*": "cruds"}


@dataclass(frozen=True, slots=True)
class _Access:
    level: str
    resource: str
    deeds: frozenset[str]


def missing(needed: Iterable[str], granted: Iterable[str]) -> tuple[str, ...]:
    """The scopes of `needed` that `granted` does not cover, in their order.

    A granted scope with a search in it (`?category=...`) covers nothing here: it gives less than the whole. A patient/ scope covers what
    is asked for as user/, for the one patient of the launch; a user/ scope covers no system/ one.
    """
    given = list(granted)
    plain, accesses = set(given), [found for found in map(_access, given) if found is not None]
    return tuple(scope for scope in needed if scope not in plain and not _covered(_access(scope), accesses))


def _covered(needed: _Access | None, granted: Iterable[_Access]) -> bool:
    if needed is None:
        return False
    deeds: set[str] = set()
    for each in granted:
        if each.resource in ("*", needed.resource) and (each.level == needed.level or (each.level, needed.level) == ("patient", "user")):
            deeds |= each.deeds
    return needed.deeds <= deeds


def _access(scope: str) -> _Access | None:
    found = _FORM.fullmatch(scope)
    return None if found is None else _Access(found[1], found[2], frozenset(_OLD.get(found[3], found[3])))
