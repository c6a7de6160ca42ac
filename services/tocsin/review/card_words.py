"""What a card says: the report's own words (report/words.py), cut to a card. What others wrote is shown as it stands and no more."""

from __future__ import annotations

from typing import Final

from tocsin.fhir.canonical import VERDICT_REASONS
from tocsin.fhir.datatypes import Json
from tocsin.report.said import Said
from tocsin.report.types import REVIEWED, Mark
from tocsin.report.words import ReportWords, Wording, sentence
from tocsin.review.clinician_words import act_said
from tocsin.review.history import Entry, may_contest
from tocsin.review.markdown import escaped, plain
from tocsin.review.reasons import CARDS
from tocsin.review.reasons import said as told
from tocsin.review.types import Act

SUMMARY_UNITS_MAX: Final = 139
"""A summary has fewer than 140 characters (CDS Hooks 3.0.0, "Card attributes"), counted as a browser does, in UTF-16 units."""
LESION_UNITS_MAX: Final = 40
"""A longer name of the lesion is cut in the summary; the review page has it whole."""
CLASS_UNITS_MAX: Final = 40
"""The same of a class that a clinician named."""
LABEL_UNITS_MAX: Final = 80


class CardWords:
    """The words of cards about one model's reports."""

    def __init__(self, wording: Wording) -> None:
        self._wording = wording
        self._catalogue = wording.catalogue

    def summary(self, said: Said, act: Entry | None = None) -> str:
        """One sentence and whose it is, in fewer than 140 characters; where there is no room, the sentence is cut and not the rest.

        Of a result that a clinician reviewed what they did comes first: `act`, None where nobody says.
        """
        words = self._wording.of(said)
        result = "; ".join(filter(None, (plain(words.result), words.score)))
        where = f"{_cut(plain(words.where), LESION_UNITS_MAX)}, {words.when}."
        if said.status not in REVIEWED:
            return f"{_cut(f'{result}: {where}', SUMMARY_UNITS_MAX - 1 - _units(words.review))} {words.review}"
        first = self._acted(said, act, CLASS_UNITS_MAX) or words.review
        told = self._had_said(words) if may_contest(act) else result
        return _cut(" ".join((first, sentence(plain(told)), where)), SUMMARY_UNITS_MAX)

    def detail(self, said: Said, act: Entry | None = None) -> str:
        """What the result means, in GitHub's markdown, a paragraph each; of a reviewed one first what a clinician did, as in `summary`."""
        words = self._wording.of(said)
        result: tuple[str, ...] = (words.meaning,)
        if said.status in REVIEWED:
            result = (self._acted(said, act), self._reason(act), self._had_said(words) if may_contest(act) else words.meaning)
        return "\n\n".join(escaped(sentence(each)) for each in (*result, words.numbers, words.scale, words.review) if each)

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

    def _acted(self, said: Said, act: Entry | None, class_units_max: int = SUMMARY_UNITS_MAX) -> str:
        """What the clinician did, in a sentence; empty where nobody says."""
        if act is None or act.act is None:
            return ""
        return act_said(act.act, _cut(plain(self._class_named(said, act)), class_units_max), self._catalogue)

    def _class_named(self, said: Said, act: Entry) -> str:
        """The class of a correction by the card of the model that judged; else as the record displays it, or by its code."""
        card = self._wording.card
        own = card.output.classes if self._wording.is_own(said) else ()
        named = next((card.say(each.display, self._wording.language) for each in own if each.code == act.code), "")
        return named or act.reason or act.code

    def _reason(self, act: Entry | None) -> str:
        if act is None or act.act is Act.CORRECT or not act.reason:
            return ""
        return self._catalogue.say("Reason: {reason}", reason=self._catalogue.of_record(act.reason))

    def _had_said(self, words: ReportWords) -> str:
        return self._catalogue.say("The AI had said: {result}", result=words.result)

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
