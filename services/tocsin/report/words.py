"""What a clinician reads of a report: the same sentences in the record, on the page, on cards and on paper. Pure.

`Wording(card, language).of(said)` makes them, whether `said` was just composed (report/said.py) or read back from the record
(report/resources/readback.py). Of a report by another model or version the record's own words are said, in the record's language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from tocsin.fhir.datatypes import date_time, text
from tocsin.model_card import FindingClass, ModelCard
from tocsin.report.obstacles import DISPLAYS
from tocsin.report.review import review
from tocsin.report.said import ClassSaid, Said, ThresholdSaid, class_code, thresholds_of
from tocsin.site.file import site_of
from tocsin.site.parts import SiteFile
from tocsin.words.catalogue import Catalogue, catalogue, to_say

SAYS_NOTHING: Final = to_say("This says nothing about the patient's risk: examine the lesion as if there were no AI.")
REHEARSED: Final = to_say("This is a rehearsal by Tocsin's operators: nobody is to act on it.")
NOT_KNOWN_HERE: Final = to_say("It is not known here how often such a score means cancer: it goes from 0 to 1 and is not a probability")
NOT_AT_HAND: Final = to_say(
    "Whether this number is a probability, and by which thresholds it is read, was not at hand here: see the report in the record"
)
CLASSES_ARE_SCORES: Final = to_say("The scores of the classes are the model's own, from 0 to 1, and are not probabilities")
BY_ANOTHER: Final = to_say("This probability holds for {point}, which is not what is used here now")
BEFORE_CALIBRATION: Final = to_say(
    "This was measured before the model was calibrated here: of its own score, and at the thresholds of its card, not at those used here"
)
CALIBRATED: Final = to_say("Its probability was calibrated on {labels} pictures of {site}, {malignant} of them malignant")
CALIBRATED_UNTIL: Final = to_say(
    "Its probability was calibrated on {labels} pictures of {site}, {malignant} of them malignant, labelled until {day}"
)
CARRIED: Final = to_say(
    "it is in use since {day}, after {labels} later ones bore it out, {malignant} of them malignant (site file {version})"
)
FREQUENCIES: Final = (100, 1_000, 10_000)
"""Of how many pictures a probability is told: the first of these of which neither none nor all are meant."""
SCORE_DECIMALS_MIN: Final = 3
"""A score is cut, and never rounded up, so that one below a threshold never reads as if it reached it."""
_HAIR: Final = 1e-6
"""What binary fractions lack of a decimal one, and less than the last decimal of any score."""


class ClassWords(NamedTuple):
    """One row of the table of classes."""

    code: str
    """As the card has it; as the record has it where the card of that model is not at hand."""
    name: str
    """The class, with a word where it counts towards malignancy."""
    plain: str
    """The class alone."""
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
    number: str
    """The same without its name."""
    thresholds: str
    """By which limits it is read."""
    scale: str
    """What kind of number it is."""
    column: str
    """What the numbers of the classes are called."""
    classes: tuple[ClassWords, ...]
    class_scale: str
    """What kind of numbers those of the classes are, where they are of another kind than the score for malignancy."""
    limits: str
    """Of what the card's limits were measured, where the model is used otherwise here."""
    calibrated: str
    """By which labels the probability was calibrated here, and since when, where the report is by the site file in use."""
    model: str
    review: str
    """That it is AI's, and whether a clinician has reviewed it."""
    rehearsal: str = ""
    """That nobody is to act on it, where operators had it made."""

    @property
    def headline(self) -> str:
        """Lesion, day, result and score in one line."""
        return f"{self.where}, {self.when}: {'; '.join(filter(None, (self.result, self.score)))}"

    @property
    def numbers(self) -> str:
        """The score with the thresholds by which it is read; empty where there is none."""
        return f"{self.score} ({self.thresholds})" if self.thresholds else self.score

    @property
    def conclusion(self) -> str:
        """All of it but the classes, as one paragraph, in the order in which it matters."""
        sentences = (
            self.rehearsal,
            f"{self.where}, {self.when}",
            self.result,
            self.meaning,
            self.numbers,
            self.scale,
            self.model,
            self.review,
        )
        return " ".join(sentence(each) for each in sentences if each)


class Wording:
    """The words for the reports of one model in one language. Safe for threads; make one and keep it."""

    def __init__(self, card: ModelCard, language: str) -> None:
        """Raises KeyError for a language that Tocsin does not speak."""
        self.catalogue: Catalogue = catalogue(language)
        self.card = card
        self._bands = {each.code: each for each in card.operating_point.bands}
        self._classes = {class_code(card, each): (each, *self._names(each)) for each in card.output.classes}
        self._own_thresholds = thresholds_of(card)
        self._own_limits = self._limits(self._own_thresholds, calibrated=card.is_calibrated, own=True)
        self._own_decimals = _decimals(self._own_thresholds)

    @property
    def language(self) -> str:
        """The language, which is also its BCP 47 tag."""
        return self.catalogue.language

    def of(self, said: Said) -> ReportWords:
        """The words of one report."""
        say, own, calibrated = self.catalogue.say, self.is_own(said), said.calibrated is True
        known = own and said.calibrated == self.card.is_calibrated and said.thresholds == self._own_thresholds
        decimals = self._own_decimals if known else _decimals(said.thresholds)
        limits = self._own_limits if known else self._limits(said.thresholds, calibrated=calibrated, own=own)
        number = "" if said.score is None else self.number(said.score, calibrated=calibrated, decimals=decimals)
        return ReportWords(
            language=self.language,
            where=said.lesion.words(self.catalogue),
            when=picture_of(said.effective, self.catalogue),
            result=self._result(said, own=own),
            meaning=self._meaning(said, own=own),
            score=self._score(said, number),
            number=number,
            thresholds=limits,
            scale=self._scale(said, own=own),
            column=say("Probability") if said.classes_calibrated else say("Score"),
            classes=tuple(self._row(each, said, decimals, own=own) for each in said.classes),
            class_scale=say(CLASSES_ARE_SCORES) if calibrated and said.classes and not said.classes_calibrated else "",
            limits=say(BEFORE_CALIBRATION) if calibrated and not said.classes_calibrated else "",
            calibrated=self._calibrated(said, own=own),
            model=self._model(said, own=own),
            review=review(said.status, self.catalogue),
            rehearsal=say(REHEARSED) if said.rehearsal else "",
        )

    def number(self, score: float, *, calibrated: bool, decimals: int = SCORE_DECIMALS_MIN) -> str:
        """A score (0..1) as a person reads it, cut after so many decimals: as it is, or in per cent where it is a probability."""
        cut = int(score * 10**decimals + _HAIR) / 10**decimals
        return self._per_cent(cut * 100, decimals - 2) if calibrated else self.catalogue.number(cut, decimals)

    def threshold(self, limit: ThresholdSaid, *, calibrated: bool, own: bool = True) -> str:
        """Where one band begins; `own` says whether it is a band of this card."""
        band = self.band(limit.code) if own and limit.code in self._bands else limit.display
        return self.catalogue.say("{band} from {number}", band=band, number=self.limit(limit.at_least, calibrated=calibrated))

    def limit(self, at_least: float, *, calibrated: bool) -> str:
        """A threshold's number, whole: as it is, or in per cent."""
        places = _places(at_least)
        return self._per_cent(at_least * 100, places - 2) if calibrated else self.catalogue.number(at_least, places)

    def band(self, code: str) -> str:
        """The name of the card's band with this code."""
        return self.card.say(self._bands[code].display, self.language)

    def obstacle(self, said: Said) -> str:
        """Why the picture is not assessable."""
        if said.obstacle is not None:
            return self.catalogue.say(said.obstacle.pattern, **said.obstacle.values)
        if said.reason and (said.language == self.language or said.code not in DISPLAYS):
            return said.reason
        return self.catalogue.say(DISPLAYS[said.code]) if said.code in DISPLAYS else said.display

    def _per_cent(self, value: float, decimals: int) -> str:
        return f"{self.catalogue.number(value, max(0, decimals) or None)} %"

    def _names(self, finding: FindingClass) -> tuple[str, str]:
        display = self.card.say(finding.display, self.language)
        return (self.catalogue.say("{name} (malignant)", name=display) if finding.malignant else display), display

    def is_own(self, said: Said) -> bool:
        """Whether this card's model judged: its words may then stand for the record's."""
        return said.model_version == self.card.version and all(each.code in self._classes for each in said.classes)

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
            nothing = self.catalogue.say(SAYS_NOTHING)
            return f"{sentence(self.obstacle(said))} {nothing}"
        return self.card.say(self._bands[said.code].sentence, self.language) if own and said.code in self._bands else ""

    def _score(self, said: Said, number: str) -> str:
        if said.score is None:
            return ""
        if said.calibrated:
            return self.catalogue.say("Probability of malignancy {number}", number=number)
        return self.catalogue.say("Malignancy score {number}", number=number)

    def _scale(self, said: Said, *, own: bool) -> str:
        """What kind of number the score is; of a probability by this site's file, what it means here."""
        if said.score is None:
            return ""
        if not said.calibrated:
            return self.catalogue.say(NOT_AT_HAND if said.calibrated is None else NOT_KNOWN_HERE)
        if (site := self._site_of(said, own=own)) is not None:
            return self._frequency(said.score, site)
        by_the_card = own and site_of(self.card) is None and said.point in ("", self.card.operating_point.name)
        return "" if by_the_card or not said.point else self.catalogue.say(BY_ANOTHER, point=said.point)

    def _site_of(self, said: Said, *, own: bool) -> SiteFile | None:
        """The site file in use, where it is the one by which the report was made."""
        return site_of(self.card) if own and said.calibrated and said.point == self.card.operating_point.name else None

    def _calibrated(self, said: Said, *, own: bool) -> str:
        site = self._site_of(said, own=own)
        if site is None:
            return ""
        fitted, by, say = site.calibration.fitted_on, site.evaluation, self.catalogue.say
        number, day = self.catalogue.number, self.catalogue.date
        counted = {"site": site.name, "labels": number(fitted.n), "malignant": number(fitted.malignant)}
        until = fitted.taken_to
        first = say(CALIBRATED, **counted) if until is None else say(CALIBRATED_UNTIL, **counted, day=day(until))
        if by is None:
            return first
        later = {"labels": number(by.labels.n), "malignant": number(by.labels.malignant), "version": site.version}
        return f"{first}; {say(CARRIED, day=day(by.carried_on.date()), **later)}"

    def _frequency(self, probability: float, site: SiteFile) -> str:
        cancers, of = frequency(probability)
        return self.catalogue.say_of(
            cancers,
            "Of {of} pictures that scored like this here ({site}), about {number} was cancer, reckoned with cancer in {share} of pictures",
            "Of {of} pictures that scored like this here ({site}), about {number} were cancer, reckoned with cancer in {share} of pictures",
            of=self.catalogue.number(of),
            site=site.name,
            share=self._per_cent(_rounded(site.prevalence.assumed * 100), 0),
        )

    def _limits(self, thresholds: tuple[ThresholdSaid, ...], *, calibrated: bool, own: bool) -> str:
        return ", ".join(self.threshold(each, calibrated=calibrated, own=own) for each in thresholds)

    def _model(self, said: Said, *, own: bool) -> str:
        if not said.title:
            return ""
        if own and said.assessed and said.calibrated is not None:
            point = said.point or self.card.operating_point.name
            return self.catalogue.say("{title}, version {version}, {point}", title=said.title, version=said.model_version, point=point)
        return self.catalogue.say("{title}, version {version}", title=said.title, version=said.model_version)

    def _row(self, found: ClassSaid, said: Said, decimals: int, *, own: bool) -> ClassWords:
        score = self.number(found.score, calibrated=said.classes_calibrated, decimals=decimals)
        if not own:
            return ClassWords(found.code, found.display, found.display, score, None)
        finding, name, plain = self._classes[found.code]
        return ClassWords(finding.code, name, plain, score, finding.malignant)


def frequency(probability: float) -> tuple[int, int]:
    """A probability as so many of so many pictures. It is never none and never all: no number of pictures shows that."""
    for of in FREQUENCIES:
        if 0 < (cancers := round(probability * of)) < of:
            return cancers, of
    return (1 if cancers == 0 else of - 1), of


def _rounded(per_cent: float) -> float:
    """With two digits that count, and whole from 10 on."""
    return round(per_cent, 0 if per_cent >= 10 else 1 if per_cent >= 1 else 3)


def sentence(words: str) -> str:
    """The words with the stop that ends a sentence."""
    return words if words.endswith((".", "!", "?")) else f"{words}."


def picture_of(effective: Mapping[str, object], catalogue: Catalogue) -> str:
    """Of which day a picture is, as exactly as the record says (Taken.effective)."""
    if "DateTime" in effective:
        stated = effective["DateTime"]
        if _is_a_day(stated):
            return catalogue.say("picture of {day}", day=_day(stated, catalogue))
        return catalogue.say("picture of {month}", month=_day(stated, catalogue))
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
    if _is_a_day(stated):
        return catalogue.date(found.first)
    return str(found.first.year) if len(found.text) == len("2026") else catalogue.month(found.first)


def _is_a_day(stated: object) -> bool:
    return len(text(stated).strip()) >= len("2026-03-01")


def _decimals(thresholds: tuple[ThresholdSaid, ...]) -> int:
    """As many as the finest threshold has, so that no score below it looks as if it reached it."""
    return max([SCORE_DECIMALS_MIN, *(_places(each.at_least) for each in thresholds)])


def _places(value: float) -> int:
    """How many decimals the number needs."""
    return max(0, -int(Decimal(repr(value)).normalize().as_tuple().exponent))
