"""The drawing of a score on the scale of its bands. Each band is drawn equally wide, so that a low threshold can be seen; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tocsin.report.said import Said, thresholds_of
from tocsin.report.words import Wording
from tocsin.review.shown import View
from tocsin.site.file import site_of

WIDTH = 300
"""Of the whole scale, in the drawing's own units."""


@dataclass(frozen=True, slots=True)
class Zone:
    """One band on the scale."""

    name: str
    begins: str
    """Its threshold, as the report's words write it."""
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
    ends: str
    """The end of the scale."""


def scale(view: View, wording: Wording) -> Scale | None:
    """The drawing, by the thresholds in the report itself; None where there is no score, or no card that names its bands."""
    said = view.said
    if said is None or said.score is None or view.card is None or not wording.is_own(said):
        return None
    bands = [(wording.card.operating_point.bands[0].code, 0.0), *_thresholds(said, wording)]
    codes, starts = [code for code, _ in bands], [start for _, start in bands]
    if len(bands) < 2 or said.code not in codes:
        return None
    number, width, calibrated = codes.index(said.code), WIDTH / len(bands), said.calibrated is True
    begins, ends = starts[number], [*starts, 1.0][number + 1]
    share = 0.5 if ends <= begins else min(1.0, max(0.0, (said.score - begins) / (ends - begins)))
    zones = (
        Zone(_name(code, said, wording), wording.limit(start, calibrated=calibrated), place * width, width, place == number)
        for place, (code, start) in enumerate(bands)
    )
    return Scale(tuple(zones), round(number * width + share * width, 1), wording.limit(1, calibrated=calibrated))


def _thresholds(said: Said, wording: Wording) -> Iterator[tuple[str, float]]:
    """Those in the report; the card's own for a report of before reports held any, but never a site's, which may be of another scale, nor
    where the report may hold others that were not at hand.
    """
    held = said.thresholds or (() if said.unread or site_of(wording.card) is not None else thresholds_of(wording.card))
    return ((each.code, each.at_least) for each in held)


def _name(code: str, said: Said, wording: Wording) -> str:
    displays = {each.code: each.display for each in said.thresholds}
    known = {each.code for each in wording.card.operating_point.bands}
    return wording.band(code) if code in known else displays.get(code, code)
