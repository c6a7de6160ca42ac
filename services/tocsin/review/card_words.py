"""What a card says, in one language. What others wrote (a body site, a model card) is shown as it stands, and as nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tocsin.fhir.datatypes import DateTime, Json
from tocsin.model_card import Band, ModelCard
from tocsin.report.review import NOT_REVIEWED
from tocsin.report.types import Mark
from tocsin.report.words import SAYS_NOTHING
from tocsin.review.markdown import escaped, plain
from tocsin.words.catalogue import Catalogue

SUMMARY_UNITS_MAX: Final = 139
"""A summary has fewer than 140 characters (CDS Hooks 3.0.0, "Card attributes"), counted as a browser does, in UTF-16 units."""
SITE_CHARACTERS_MAX: Final = 40
"""A longer body site is cut in the summary; the review page has it whole."""
LABEL_CHARACTERS_MAX: Final = 80

OVERRIDES: Final = "urn:tocsin:override"
NON_ADHERENCE: Final = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
"""HL7's codes for why a recommendation is not followed (CDS Hooks 3.0.0; trial use)."""

OVERRIDE_REASONS: Final = (
    (OVERRIDES, "benign", "I examined the lesion: it is benign"),
    (OVERRIDES, "diagnosis-known", "The diagnosis is known already"),
    (OVERRIDES, "poor-picture", "The picture does not show the lesion well enough"),
    (OVERRIDES, "wrong-lesion", "The picture shows another lesion or another patient"),
    (NON_ADHERENCE, "action-completed", "Already done: examined, treated or ordered"),
    (NON_ADHERENCE, "need-more-info", "I need more information, or a second opinion, first"),
    (NON_ADHERENCE, "inappropriate-recipient", "I am not the one to decide this"),
    (NON_ADHERENCE, "limited-time", "No time now"),
)
"""System, code and sentence. A reason is feedback on the card; it is no verdict on the report (deploy/decisions/0030)."""

REVIEWED: Final = "AI result, a clinician has acted on it."


@dataclass(frozen=True, slots=True)
class Subject:
    """Which lesion on which picture."""

    site: str
    """The body site as the record displays it; empty where it does not."""
    taken: DateTime | None
    """When the picture was taken; None where nobody says."""
    judged: datetime | None
    """When the report was issued; aware."""


class CardWords:
    """The words of cards about one model's reports."""

    def __init__(self, words: Catalogue, card: ModelCard) -> None:
        self._words = words
        self._model = card

    def summary(self, mark: Mark, band: Band | None, subject: Subject, *, reviewed: bool) -> str:
        """One sentence and whose it is, in fewer than 140 characters; where there is no room, the sentence is cut and not the rest."""
        ending = self._words.say(REVIEWED if reviewed else NOT_REVIEWED)
        parts = {"result": self._result(mark, band), "lesion": self._site(subject.site), "picture": self._picture(subject)}
        said = self._words.say("{result}: {lesion}, {picture}.", **parts)
        return f"{_cut(said, SUMMARY_UNITS_MAX - 1 - _units(ending))} {ending}"

    def detail(self, mark: Mark, band: Band | None, *, reviewed: bool) -> str:
        """What the result means, in GitHub's markdown, a paragraph each."""
        ending = self._words.say(REVIEWED if reviewed else NOT_REVIEWED)
        told = self._unassessable() if mark.score is None else self._assessed(mark, mark.score, band)
        return "\n\n".join(escaped(each) for each in (*told, ending))

    def source(self, mark: Mark) -> str:
        """Who says so: the model and its version, short."""
        return _cut(self._words.say("AI: {model}", model=f"{self._model.title} v{mark.model_version}"), LABEL_CHARACTERS_MAX)

    def link(self) -> str:
        """What the link to the review page is called."""
        return self._words.say("Open picture and result")

    def more(self, number: int) -> str:
        """A further paragraph of a card's detail: that there are more results than cards."""
        one, many = (
            "{number} more AI result of this patient is in the record.",
            "{number} more AI results of this patient are in the record.",
        )
        return f"\n\n{escaped(self._words.say_of(number, one, many))}"

    def override_reasons(self) -> list[Json]:
        """Why a reader may put the card away."""
        return [{"system": system, "code": code, "display": self._words.say(said)} for system, code, said in OVERRIDE_REASONS]

    def _result(self, mark: Mark, band: Band | None) -> str:
        if mark.score is None:
            return self._words.say("Not assessable by AI")
        return self._words.say("AI: {band}", band=self._own(band.display) if band is not None else mark.code)

    def _site(self, stated: str) -> str:
        site = plain(stated)
        return _cut(site, SITE_CHARACTERS_MAX) if site else self._words.say("skin lesion, site not stated")

    def _picture(self, subject: Subject) -> str:
        if subject.taken is not None:
            exact = subject.taken.first == subject.taken.last
            return self._words.say("picture of {day}", day=self._words.date(subject.taken.first) if exact else subject.taken.text)
        if subject.judged is not None:
            return self._words.say("judged {day}", day=self._words.date(subject.judged.date()))
        return self._words.say("picture of unknown date")

    def _unassessable(self) -> list[str]:
        return [self._words.say("The AI could not judge the picture."), self._words.say(SAYS_NOTHING)]

    def _assessed(self, mark: Mark, score: float, band: Band | None) -> list[str]:
        bands = self._model.operating_point.bands
        told = [self._own(band.sentence)] if band is not None else []
        own = mark.model_version == self._model.version
        limits = ", ".join(
            self._words.say("{band} from {limit}", band=self._own(each.display), limit=self._words.number(each.at_least))
            for each in bands[1:]
        )
        shown = self._words.number(score, self._decimals(score))
        told.append(
            self._words.say("Model score for malignancy {score} (0 to 1); {limits}.", score=shown, limits=limits)
            if own
            else self._words.say("Model score for malignancy {score} (0 to 1).", score=shown)
        )
        if self._model.calibration == "none":
            told.append(self._words.say("The score is not calibrated: it is no probability."))
        return told

    def _decimals(self, score: float) -> int:
        """Three, or six where three would show the score on the other side of a limit."""
        limits = [each.at_least for each in self._model.operating_point.bands]
        return 3 if all((score >= each) == (round(score, 3) >= each) for each in limits) else 6

    def _own(self, sentence: str) -> str:
        """A sentence of the model card in this language, where its translation is known; whatever it holds, no value is put into it."""
        return self._words.translations.gettext(sentence) if sentence else ""


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "replace")) // 2


def _cut(text: str, units_max: int) -> str:
    """The text, or its beginning and `…`, in at most so many UTF-16 units."""
    if _units(text) <= units_max:
        return text
    while _units(text) > units_max - 1:
        text = text[:-1]
    return f"{text.rstrip()}…"
