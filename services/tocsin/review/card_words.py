"""What a card says: the report's own words (report/words.py), cut to a card. What others wrote is shown as it stands and no more."""

from __future__ import annotations

from typing import Final

from tocsin.fhir.canonical import VERDICT_REASONS
from tocsin.fhir.datatypes import Json
from tocsin.report.said import Said
from tocsin.report.types import Mark
from tocsin.report.words import Wording, sentence
from tocsin.review.markdown import escaped, plain
from tocsin.review.reasons import CARDS
from tocsin.review.reasons import said as told

SUMMARY_UNITS_MAX: Final = 139
"""A summary has fewer than 140 characters (CDS Hooks 3.0.0, "Card attributes"), counted as a browser does, in UTF-16 units."""
LESION_UNITS_MAX: Final = 40
"""A longer name of the lesion is cut in the summary; the review page has it whole."""
LABEL_UNITS_MAX: Final = 80


class CardWords:
    """The words of cards about one model's reports."""

    def __init__(self, wording: Wording) -> None:
        self._wording = wording
        self._catalogue = wording.catalogue

    def summary(self, said: Said) -> str:
        """One sentence and whose it is, in fewer than 140 characters; where there is no room, the sentence is cut and not the rest."""
        words = self._wording.of(said)
        result = "; ".join(filter(None, (plain(words.result), words.score)))
        told = f"{result}: {_cut(plain(words.where), LESION_UNITS_MAX)}, {words.when}."
        return f"{_cut(told, SUMMARY_UNITS_MAX - 1 - _units(words.review))} {words.review}"

    def detail(self, said: Said) -> str:
        """What the result means, in GitHub's markdown, a paragraph each."""
        words = self._wording.of(said)
        return "\n\n".join(escaped(sentence(each)) for each in (words.meaning, words.numbers, words.scale, words.review) if each)

    def source(self, mark: Mark) -> str:
        """Who says so: the model and its version, short."""
        return _cut(self._catalogue.say("AI: {model}", model=f"{self._wording.card.title} v{mark.model_version}"), LABEL_UNITS_MAX)

    def link(self) -> str:
        """What the link to the review page is called."""
        return self._catalogue.say("Open picture and result")

    def more(self, number: int) -> str:
        """A further paragraph of a card's detail: that there are more results than cards."""
        said = self._catalogue.say_of(
            number,
            "{number} more AI result of this patient is in the record.",
            "{number} more AI results of this patient are in the record.",
        )
        return f"\n\n{escaped(said)}"

    def override_reasons(self) -> list[Json]:
        """Why a reader may put the card away: feedback on the card, and no verdict on the report (deploy/decisions/0030)."""
        return [{"system": VERDICT_REASONS, "code": each.code, "display": told(each, self._catalogue)} for each in CARDS]


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "replace")) // 2


def _cut(text: str, units_max: int) -> str:
    """The text, or its beginning and `…`, in at most so many UTF-16 units."""
    if _units(text) <= units_max:
        return text
    while _units(text) > units_max - 1:
        text = text[:-1]
    return f"{text.rstrip()}…"
