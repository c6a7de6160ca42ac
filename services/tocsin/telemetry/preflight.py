"""What `tocsin check` found out about a neighbour: one line each, with the fix where it is not as it must be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    part: str
    """card, kafka, fhir, image, triton, redis or report."""
    what: str
    passed: bool | None
    """None where it could not be looked at here, which `found` says: neither a pass nor a failure."""
    found: str
    fix: str
    """What to do; empty where it passed without a warning."""
    warning: bool = False
    """Whether it passed and somebody should still know what `fix` says."""


@dataclass(frozen=True, slots=True)
class Preflight:
    """How to look at one neighbour."""

    part: str
    look: Callable[[], Iterator[Check]]
    """Within its deadlines; an absent neighbour is a failed check, not an error."""
    address: str = ""
    """Where it is looked for; empty where nobody is asked."""
    setting: str = ""
    """The variable that names the address."""


def skipped(part: str, what: str, why: str) -> Check:
    """A check that could not be made here."""
    return Check(part, what, None, f"not looked at: {why}", "")


def warned(part: str, what: str, found: str, fix: str) -> Check:
    """A check that passed, with something that somebody should know."""
    return Check(part, what, True, found, fix, warning=True)


def check(part: str, what: str, passed: bool, found: str, fix: str) -> Check:
    """A check whose `fix` is kept only if it failed."""
    return Check(part, what, passed, found, "" if passed else fix)
