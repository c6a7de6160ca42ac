"""What a report says, in no language yet: the same whether it is just composed or read back from the record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tocsin.image.types import Obstacle, Picture
from tocsin.model_card import FindingClass, ModelCard
from tocsin.report.lesion import UNKNOWN, Lesion, lesion_at
from tocsin.report.obstacles import DISPLAYS
from tocsin.report.types import PRELIMINARY
from tocsin.risk.types import Assessment, Judgement, Unassessable
from tocsin.site.file import original

DECIMALS: Final = 6
"""Decimals of a score in a report."""


class ClassSaid(NamedTuple):
    """One class and its score."""

    code: str
    """As in the record: <model>-<class>."""
    display: str
    """As the record calls it; in the language of the record."""
    score: float
    """0..1."""


class ThresholdSaid(NamedTuple):
    """Where a band begins."""

    code: str
    display: str
    at_least: float
    """0..1."""


@dataclass(frozen=True, slots=True)
class Said:
    """What one report says."""

    lesion: Lesion = UNKNOWN
    effective: Mapping[str, object] = field(default_factory=dict)
    """When the picture was taken, as Taken.effective has it."""
    status: str = PRELIMINARY
    """FHIR diagnostic-report-status."""
    code: str = ""
    """Code of the band, or reason why the picture is not assessable; empty where a clinician wrote another conclusion."""
    display: str = ""
    """What the record calls it; in the language of the record."""
    obstacle: Obstacle | None = None
    """Why it is not assessable, in a report that is being composed."""
    reason: str = ""
    """Why it is not assessable, in the record's own words."""
    score: float | None = None
    """The model's score for malignancy, 0..1; None where the picture is not assessable."""
    calibrated: bool | None = False
    """Whether that score may be called a probability; None where its Observation was not at hand, and the mark does not tell."""
    classes_calibrated: bool = False
    """Whether the numbers of its classes may: a site's calibration is of the score for malignancy alone."""
    point: str = ""
    """Name of the operating point at which the score is read; its site file's alone where that is all that was at hand, and empty where the
    record does not say.
    """
    thresholds: tuple[ThresholdSaid, ...] = ()
    classes: tuple[ClassSaid, ...] = ()
    """All classes that the record has a score for, the highest first."""
    title: str = ""
    """Of the model."""
    model_version: str = ""
    conclusion: str | None = None
    """The conclusion as the record has it; None in a report that is being composed."""
    language: str = "en"
    """Of the record's words."""
    rehearsal: bool = False
    """Whether operators had it made to try the whole way."""
    unread: bool = False
    """Whether results that the report names were not at hand: what is not said here may then stand in the record."""

    @property
    def assessed(self) -> bool:
        """Whether the model judged the picture."""
        return self.score is not None


class CardSaid:
    """What a model's reports are going to say, by its card: what follows from the card alone is worked out once."""

    def __init__(self, card: ModelCard) -> None:
        """Works it out."""
        self._card = card
        self._thresholds = thresholds_of(card)
        self._classes = [(each.code, class_code(card, each), each.display) for each in card.output.classes]

    def of(self, judgement: Judgement, picture: Picture) -> Said:
        """What a report on this judgement is going to say."""
        lesion, effective, card = lesion_at(picture.body_site), picture.taken.effective, self._card
        match judgement:
            case Unassessable(obstacle):
                return Said(
                    lesion=lesion,
                    effective=effective,
                    code=obstacle.reason,
                    display=DISPLAYS[obstacle.reason],
                    obstacle=obstacle,
                    title=card.title,
                    model_version=card.version,
                )
            case Assessment(findings, probability, band):
                scores = findings.probabilities
                return Said(
                    lesion=lesion,
                    effective=effective,
                    code=band.code,
                    display=band.display,
                    score=rounded(probability),
                    calibrated=card.is_calibrated,
                    classes_calibrated=original(card).is_calibrated,
                    point=card.operating_point.name,
                    thresholds=self._thresholds,
                    classes=highest_first(ClassSaid(code, display, rounded(scores[name])) for name, code, display in self._classes),
                    title=card.title,
                    model_version=card.version,
                )


def class_code(card: ModelCard, finding: FindingClass) -> str:
    """Code of a class of this model in the record."""
    return f"{card.name}-{finding.code}"


def thresholds_of(card: ModelCard) -> tuple[ThresholdSaid, ...]:
    """Where each of the card's bands begins, the lowest left out: it begins at nothing."""
    return tuple(ThresholdSaid(each.code, each.display, each.at_least) for each in card.operating_point.bands[1:])


def highest_first(classes: Iterable[ClassSaid]) -> tuple[ClassSaid, ...]:
    """The classes by their scores, the highest first."""
    return tuple(sorted(classes, key=lambda each: each.score, reverse=True))


def rounded(score: float) -> float:
    """The score as it stands in a report."""
    return round(score, DECIMALS)
