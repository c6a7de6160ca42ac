"""The drawing of a score on the scale of its bands. Each band is drawn equally wide, so that a low threshold can be seen; pure."""

from __future__ import annotations

from dataclasses import dataclass

from tocsin.model_card import Band
from tocsin.review.shown import View

WIDTH = 300
"""Of the whole scale, in the drawing's own units."""


@dataclass(frozen=True, slots=True)
class Zone:
    """One band on the scale."""

    band: Band
    left: float
    width: float
    here: bool
    """Whether the score lies in it."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A score on the scale of its bands."""

    zones: tuple[Zone, ...]
    at: float
    """Where the score lies, in the drawing's units."""


def scale(view: View) -> Scale | None:
    """The drawing; None where there is no score, or the card that tells its bands is not at hand."""
    finding = view.finding
    if finding is None or finding.score is None or finding.band is None or view.card is None:
        return None
    bands = view.card.operating_point.bands
    width = WIDTH / len(bands)
    zones = tuple(Zone(each, number * width, width, each == finding.band) for number, each in enumerate(bands))
    number = bands.index(finding.band)
    begins, ends = finding.band.at_least, bands[number + 1].at_least if number + 1 < len(bands) else 1.0
    share = 0.5 if ends <= begins else min(1.0, max(0.0, (finding.score - begins) / (ends - begins)))
    return Scale(zones, round(number * width + share * width, 1))
