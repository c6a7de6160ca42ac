"""How numbers are written. What is said to be at least, or at most, so much is never rounded in the other direction."""

from __future__ import annotations

import math
from datetime import date
from typing import Final

from tocsin.learning.types import Interval

UNKNOWN: Final = "not known"
NO_BREAK: Final = "\u00a0"
"""A space at which no line ends."""
_EPSILON: Final = 1e-9
MONTHS: Final = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]


def percent(share: float) -> str:
    """A share as per cent, to a tenth."""
    return UNKNOWN if math.isnan(share) else f"{100 * share:.1f}{NO_BREAK}%"


def whole_percent(share: float) -> str:
    """A share as per cent, as short as it is exact."""
    return f"{round(100 * share, 4):g}{NO_BREAK}%"


def at_least(share: float) -> str:
    """A lower bound as per cent, rounded down to a tenth."""
    return UNKNOWN if math.isnan(share) else f"{math.floor(1000 * share + _EPSILON) / 10:.1f}{NO_BREAK}%"


def at_most(share: float) -> str:
    """An upper bound as per cent, rounded up to a tenth."""
    return UNKNOWN if math.isnan(share) else f"{math.ceil(1000 * share - _EPSILON) / 10:.1f}{NO_BREAK}%"


def shares(interval: Interval) -> str:
    """From its lower to its upper limit, as per cent."""
    if math.isnan(interval.low) or math.isnan(interval.high):
        return UNKNOWN
    return f"{at_least(interval.low).removesuffix(f'{NO_BREAK}%')} to {at_most(interval.high)}"


def share(interval: Interval) -> str:
    """A share with its interval; not known where there is none."""
    return UNKNOWN if math.isnan(interval.estimate) else f"{percent(interval.estimate)} ({shares(interval)})"


def decimal(value: float, decimals: int = 2) -> str:
    """A number with exactly so many decimals."""
    if math.isnan(value):
        return UNKNOWN
    return "infinitely many" if math.isinf(value) else f"{value + 0.0:.{decimals}f}"


def figure(interval: Interval, decimals: int = 2) -> str:
    """A number with its interval."""
    if math.isnan(interval.estimate):
        return UNKNOWN
    if math.isnan(interval.low) or math.isnan(interval.high):
        return f"{decimal(interval.estimate, decimals)} (interval {UNKNOWN})"
    return f"{decimal(interval.estimate, decimals)} ({span(interval, decimals)})"


def span(interval: Interval, decimals: int = 2) -> str:
    """From its lower to its upper limit, rounded outwards."""
    if math.isnan(interval.low) or math.isnan(interval.high):
        return UNKNOWN
    power = 10**decimals
    low = math.floor(interval.low * power + _EPSILON) / power
    if math.isinf(interval.high):
        return f"{decimal(low, decimals)} or more"
    return f"{decimal(low, decimals)} to {decimal(math.ceil(interval.high * power - _EPSILON) / power, decimals)}"


def count(number: int) -> str:
    """A whole number, in groups of three digits."""
    return f"{number:,}"


def about(number: int) -> str:
    """A whole number to two digits, rounded up, where more would say more than is known."""
    power = 10 ** max(0, len(str(number)) - 2)
    return count(-(-number // power) * power)


def counted(number: int, one: str, many: str) -> str:
    """So many of something."""
    return f"{count(number)} {one if number == 1 else many}"


def day(when: date | None) -> str:
    """A day with its month in letters."""
    return UNKNOWN if when is None else f"{when.day} {MONTHS[when.month - 1]} {when.year}"


def listed(names: list[str]) -> str:
    """Names as a sentence lists them."""
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else "".join(names)


def threshold(value: float) -> str:
    """A score from which pictures are flagged, exactly."""
    return f"{value:.15g}"
