"""What a clinician reads of a report: the same sentences in the record, on the page, on cards and on paper. Pure.

`Wording(card, language).of(said)` makes them, whether `said` was just composed (report/said.py) or read back from the record
(report/resources/readback.py). Of a report by another model or version the record's own words are said, in the record's language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Final

from tocsin.fhir.datatypes import date_time, text
from tocsin.model_card import ModelCard
from tocsin.report.obstacles import DISPLAYS
from tocsin.report.review import review
from tocsin.report.said import ClassSaid, Said, ThresholdSaid, class_code
from tocsin.words.catalogue import Catalogue, catalogue

SCORE_DECIMALS_MIN: Final = 3
"""A score is cut, and never rounded up, so that one below a threshold never reads as if it reached it."""


@dataclass(frozen=True, slots=True)
class ClassWords:
    """One row of the table of classes."""

    code: str
    """As the card has it; as the record has it where the card of that model is not at hand."""
    display: str
    score: str
    malignant: bool | None
    """Whether the score counts towards malignancy; None where the card of that model is not at hand."""


@dataclass(frozen=True, slots=True)
class ReportWords:
    """What one report says, in one language. An empty text is not to be said."""

    language: str
    where: str
    """Which lesion."""
    when: str
    """Of which day the picture is."""
    result: str
    """The band's name, or that the picture is not assessable."""
    meaning: str
    """What the result means, and what to do."""
    score: str
    """The score for malignancy, by its name."""
    thresholds: str
    """By which limits it is read."""
    scale: str
    """What kind of number it is."""
    classes: tuple[ClassWords, ...]
    model: str
    review: str
    """That it is AI's, and whether a clinician has reviewed it."""

    @property
    def headline(self) -> str:
        """Lesion, day, result and score in one line."""
        return f"{self.where}, {self.when}: {'; '.join(filter(None, (self.result, self.score)))}"

    @property
    def conclusion(self) -> str:
        """All of it but the classes, as one paragraph, in the order in which it matters."""
        numbers = f"{self.score} ({self.thresholds})" if self.thresholds else self.score
        sentences = (f"{self.where}, {self.when}", self.result, self.meaning, numbers, self.scale, self.model, self.review)
        return " ".join(each if each.endswith((".", "!", "?")) else f"{each}." for each in sentences if each)


class Wording:
    """The words for the reports of one model in one language. Safe for threads; make one and keep it."""

    def __init__(self, card: ModelCard, language: str) -> None:
        """Raises KeyError for a language that Tocsin does not speak."""
        self.catalogue: Catalogue = catalogue(language)
        self._card = card
        self._bands = {each.code: each for each in card.operating_point.bands}
        self._classes = {class_code(card, each): each for each in card.output.classes}

    @property
    def language(self) -> str:
        """The language, which is also its BCP 47 tag."""
        return self.catalogue.language

    def of(self, said: Said) -> ReportWords:
        """The words of one report."""
        say = self.catalogue.say
        own = self._is_own(said)
        decimals = _decimals(said)
        return ReportWords(
            language=self.language,
            where=said.lesion.words(self.catalogue),
            when=picture_of(said.effective, self.catalogue),
            result=self._result(said, own=own),
            meaning=self._meaning(said, own=own),
            score=self._score(said, decimals),
            thresholds=self._thresholds(said, own=own),
            scale=say("The score goes from 0 to 1 and is not a probability") if said.assessed and not said.calibrated else "",
            classes=tuple(self._row(each, said, decimals, own=own) for each in said.classes),
            model=self._model(said, own=own),
            review=review(said.status, self.catalogue),
        )

    def number(self, score: float, *, calibrated: bool, decimals: int | None = SCORE_DECIMALS_MIN) -> str:
        """A score (0..1) as a person reads it: as it is, or in per cent where it is a probability; `decimals` None: all it has."""
        exact = Decimal(repr(score))
        places = -int(exact.normalize().as_tuple().exponent) if decimals is None else decimals
        if calibrated:
            exact, places = exact * 100, places - 2
        places = max(0, places)
        written = self.catalogue.number(float(exact.quantize(Decimal(1).scaleb(-places), ROUND_DOWN)), places or None)
        return f"{written} %" if calibrated else written

    def band(self, code: str) -> str:
        """The name of the card's band with this code."""
        return self._card.say(self._bands[code].display, self.language)

    def obstacle(self, said: Said) -> str:
        """Why the picture is not assessable."""
        if said.obstacle is not None:
            return self.catalogue.say(said.obstacle.pattern, **said.obstacle.values)
        return self.catalogue.say(DISPLAYS[said.code]) if said.code in DISPLAYS else said.display

    def _is_own(self, said: Said) -> bool:
        return said.model_version == self._card.version and all(each.code in self._classes for each in said.classes)

    def _result(self, said: Said, *, own: bool) -> str:
        if not said.code:
            return said.conclusion or self.catalogue.say("No result")
        if not said.assessed:
            return self.catalogue.say("Not assessable by AI")
        return self.band(said.code) if own and said.code in self._bands else said.display

    def _meaning(self, said: Said, *, own: bool) -> str:
        if not said.code:
            return ""
        if not said.assessed:
            nothing = self.catalogue.say("This says nothing about the patient's risk: examine the lesion as if there were no AI.")
            return f"{_sentence(self.obstacle(said))} {nothing}"
        return self._card.say(self._bands[said.code].sentence, self.language) if own and said.code in self._bands else ""

    def _score(self, said: Said, decimals: int) -> str:
        if said.score is None:
            return ""
        number = self.number(said.score, calibrated=said.calibrated, decimals=decimals)
        if said.calibrated:
            return self.catalogue.say("Probability of malignancy {number}", number=number)
        return self.catalogue.say("Malignancy score {number}", number=number)

    def _thresholds(self, said: Said, *, own: bool) -> str:
        return ", ".join(self.threshold(each, calibrated=said.calibrated, own=own) for each in said.thresholds)

    def threshold(self, limit: ThresholdSaid, *, calibrated: bool, own: bool = True) -> str:
        """Where one band begins; `own` says whether it is a band of this card."""
        band = self.band(limit.code) if own and limit.code in self._bands else limit.display
        number = self.number(limit.at_least, calibrated=calibrated, decimals=None)
        return self.catalogue.say("{band} from {number}", band=band, number=number)

    def _model(self, said: Said, *, own: bool) -> str:
        if not said.title:
            return ""
        if own and said.assessed:
            point = self._card.operating_point.name
            return self.catalogue.say("{title}, version {version}, {point}", title=said.title, version=said.model_version, point=point)
        return self.catalogue.say("{title}, version {version}", title=said.title, version=said.model_version)

    def _row(self, found: ClassSaid, said: Said, decimals: int, *, own: bool) -> ClassWords:
        known = self._classes.get(found.code) if own else None
        return ClassWords(
            code=known.code if known else found.code,
            display=self._card.say(known.display, self.language) if known else found.display,
            score=self.number(found.score, calibrated=said.calibrated, decimals=decimals),
            malignant=known.malignant if known else None,
        )


def picture_of(effective: Mapping[str, object], catalogue: Catalogue) -> str:
    """Of which day a picture is, as exactly as the record says (Taken.effective)."""
    if "DateTime" in effective:
        return catalogue.say("picture of {day}", day=_day(effective["DateTime"], catalogue))
    period = effective.get("Period")
    start, end = (_day(period.get(name), catalogue) if isinstance(period, dict) else "" for name in ("start", "end"))
    if start and end:
        return catalogue.say("picture taken from {start} to {end}", start=start, end=end)
    if start:
        return catalogue.say("picture taken on or after {start}", start=start)
    if end:
        return catalogue.say("picture taken on or before {end}", end=end)
    return catalogue.say("picture of unknown date")


def _day(stated: object, catalogue: Catalogue) -> str:
    """A date or dateTime as a day by the calendar of its place, a month or a year, as it is stated; empty for anything else."""
    found = date_time(stated)
    if found is None:
        return ""
    day, _, _ = text(stated).strip().partition("T")
    if len(day) == len("2026"):
        return day
    return catalogue.month(found.first) if len(day) == len("2026-03") else catalogue.date(found.first)


def _decimals(said: Said) -> int:
    """As many as the finest threshold has, so that no score below it looks as if it reached it."""
    return max([SCORE_DECIMALS_MIN, *(-int(Decimal(repr(each.at_least)).as_tuple().exponent) for each in said.thresholds)])


def _sentence(words: str) -> str:
    return words if words.endswith(".") else f"{words}."
