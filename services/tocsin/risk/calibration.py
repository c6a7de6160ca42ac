"""The model's own score -> the number that is reported here: by the site's calibration, where there is one."""

from __future__ import annotations

from tocsin.model_card import ModelCard
from tocsin.site.file import site_of


def here(score: float, card: ModelCard) -> float:
    """The probability of malignancy at this site, never 0 or 1, of the model's own score 0..1; the score where the card is used alone."""
    site = site_of(card)
    return score if site is None else site.calibration.probability(score)
