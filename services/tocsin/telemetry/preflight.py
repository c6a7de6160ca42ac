"""The checks of `tocsin check`: what was found out about a neighbour, with the fix where something is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True)
class Check:
    """One finding about a neighbour."""

    part: str
    """card, kafka, fhir, image, triton, redis, ehr, otlp, traces, cds, watch or report."""
    what: str
    passed: bool | None
    """None where it could not be looked at here, as `found` says; this is neither a pass nor a failure."""
    found: str
    fix: str
    """What to do; empty where the check passed without a warning."""
    warning: bool = False
    """Whether the check passed and somebody should still know what `fix` says."""


@dataclass(frozen=True, slots=True)
class Preflight:
    """How `tocsin check` looks at one neighbour."""

    part: str
    look: Callable[[], Iterator[Check]]
    """Gives the checks within the neighbour's deadlines; an absent neighbour is a failed check, not an error."""
    address: str = ""
    """The neighbour's address; empty where nobody is asked."""
    setting: str = ""
    """The variable that names the address."""


ONLY_SERVE: Final = "only `tocsin serve` has this file; `tocsin check --for serve` looks at it where that runs"


def is_here(file: Path) -> bool:
    """Whether the process that checks can see that there is such a file; one that belongs to `tocsin serve` alone may be elsewhere."""
    try:
        return file.exists()
    except OSError:  # in a folder of another process's own
        return False


def skipped(part: str, what: str, why: str) -> Check:
    """A check that could not be made here."""
    return Check(part, what, None, f"not looked at: {why}", "")


def warned(part: str, what: str, found: str, fix: str) -> Check:
    """A check that passed, with something that somebody should know."""
    return Check(part, what, True, found, fix, warning=True)


def check(part: str, what: str, passed: bool, found: str, fix: str) -> Check:
    """A check whose `fix` is kept only if it failed."""
    return Check(part, what, passed, found, "" if passed else fix)
