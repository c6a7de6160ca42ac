"""What a report says of its score, where its results were not at hand: from its mark, its own conclusion and the model's card. Pure.

A CDS Hooks call brings reports without their Observations, and a reader may not be let read them, or not now.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tocsin.model_card import ModelCard
from tocsin.report.said import Said, thresholds_of
from tocsin.report.words import Wording
from tocsin.site.file import original, site_of
from tocsin.words.catalogue import LANGUAGES

_LANGUAGES: Final = frozenset(LANGUAGES)


def recalled(said: Said, card: ModelCard) -> Said:
    """The same with the kind of its score and its thresholds, where this card as it is in use surely made the report.

    That is sure where its mark names the card's site file, and else where its conclusion has the very sentences that this card makes of
    the score. Otherwise, and where the results were at hand, nothing is added.
    """
    if not said.unread or said.score is None or said.thresholds or said.language not in _LANGUAGES:
        return said
    wording = Wording(card, said.language)
    by_the_card = replace(
        said,
        calibrated=card.is_calibrated,
        classes_calibrated=original(card).is_calibrated,
        point=card.operating_point.name,
        thresholds=thresholds_of(card),
    )
    site = site_of(card)
    if not wording.is_own(said) or said.point not in ("", str(site)):
        return said
    return by_the_card if said.point or _concluded(by_the_card, wording) else said


def _concluded(said: Said, wording: Wording) -> bool:
    """Whether the report's conclusion tells score, thresholds, model and operating point so."""
    words, conclusion = wording.of(said), said.conclusion or ""
    return all(each and each in conclusion for each in (words.numbers, words.model))
