"""The card's bands with the limits that they have at a site: codes, displays and sentences stay, the scale is the calibrated one."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import ROUND_FLOOR, Context
from itertools import pairwise
from typing import Final

import numpy as np

from tocsin.errors import ConfigurationError
from tocsin.learning.types import Floats
from tocsin.model_card import Band, OperatingPoint
from tocsin.site.parts import CERTAIN

DIGITS: Final = 9
_DOWN: Final = Context(prec=DIGITS, rounding=ROUND_FLOOR)


def flagged_from(point: OperatingPoint) -> float:
    """From where on pictures are flagged. Raises ConfigurationError where no band is, or one above a flagged band is not."""
    flagged = [each.flagged for each in point.bands]
    if not any(flagged) or flagged != sorted(flagged):
        raise ConfigurationError("the card's bands must end with flagged ones, of which there is at least one")
    return point.bands[flagged.index(True)].at_least


def limit_of(score: float, probability: Callable[[float], float]) -> float:
    """Where the band begins that is to hold the score: at its probability, rounded down to DIGITS."""
    return float(_DOWN.create_decimal(repr(probability(score))))


def bands_here(point: OperatingPoint, threshold: float, probability: Callable[[float], float], found: Floats) -> tuple[Band, ...]:
    """The card's bands, flagged from the score `threshold` on. `found`: scores of confirmed cancers.

    A higher flagged band begins at the same score as on the card, hence with the same pictures; where that is not above the threshold, the
    higher bands part the flagged cancers evenly. A band that is not flagged begins as far below the threshold as on the card.
    Raises ConfigurationError where there is no room for all bands.
    """
    old, new = flagged_from(point), limit_of(threshold, probability)
    if old == 0:
        raise ConfigurationError("the card flags every picture: it has no threshold that could be chosen here")
    above = [each for each in point.bands if each.flagged and each.at_least > old]
    limits = [new * each.at_least / old for each in point.bands if not each.flagged]
    limits += [new, *_above(above, threshold, new, probability, found)]
    if any(later <= earlier for earlier, later in pairwise(limits)) or limits[-1] > 1 - CERTAIN:
        raise ConfigurationError(
            f"from the probability {new:.3g} on there is no room for the card's {len(above) + 1} flagged bands: take a card with fewer, or "
            "a higher target"
        )
    return tuple(each.model_copy(update={"at_least": limit}) for each, limit in zip(point.bands, limits, strict=True))


def _above(above: list[Band], threshold: float, new: float, probability: Callable[[float], float], found: Floats) -> list[float]:
    kept = [limit_of(each.at_least, probability) for each in above]
    if all(later > earlier for earlier, later in pairwise([new, *kept])):
        return kept
    flagged = found[found >= threshold]
    shares = np.arange(1, len(above) + 1) / (len(above) + 1)
    scores = np.quantile(flagged, shares) if len(flagged) else [math.nan for _ in above]
    return [limit_of(float(each), probability) for each in scores]
