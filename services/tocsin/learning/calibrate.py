"""A site file from a site's labels: the map to probabilities, and the threshold for which the labels show a sensitivity.

Map and threshold rest on the same labels. That is no circle: the map rises, so that it moves no picture across another; the threshold is
chosen on the model's own scores, among thresholds that were fixed before the data, and what is shown of it holds whatever the map is. How
good the map is, these labels do not say: later ones do (tocsin.learning.promote).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tocsin.errors import ConfigurationError
from tocsin.learning.about import gated
from tocsin.learning.bands import bands_here, flagged_from
from tocsin.learning.labelled import Labelled, cancers
from tocsin.learning.statistics.operating_point import METHOD, NotShown, Shown, threshold_for
from tocsin.learning.statistics.recalibration import Map, chosen, moved
from tocsin.learning.types import Floats
from tocsin.model_card import ModelCard, OperatingPoint
from tocsin.site.file import card_sha256
from tocsin.site.gate import InputGate, gate_sha256
from tocsin.site.parts import Guarantee, Prevalence, SiteFile

OF_LABELS: Final = "the share among the labels"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a site file."""

    name: str
    version: int
    target: float
    confidence: float
    made_at: datetime
    prevalence: float | None = None
    """Share of malignant pictures among those that are judged here; None: as among the labels."""
    prevalence_source: str = OF_LABELS
    input_gate: InputGate | None = None
    """By which the scores were made: the site file keeps it."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A site file that nobody uses yet, and what it rests on."""

    site: SiteFile
    map: Map
    answer: Shown | NotShown
    score: float
    """The model's own score from which pictures are flagged."""

    @property
    def threshold(self) -> float:
        """The same as a probability."""
        return flagged_from(self.site.operating_point)


def calibrated(labelled: Labelled, card: ModelCard, wish: Wish) -> Calibrated:
    """The site file that these labels carry.

    Where they cannot show the target, the pictures that the card flags stay flagged and the file has no guarantee. Raises NotCalibratable
    where they are too few, ConfigurationError where they are of another model, card or input gate.
    """
    must_fit(labelled, card)
    if labelled.header.input_gate_sha256 != gate_sha256(wish.input_gate):
        raise ConfigurationError(
            f"the scores were made {gated(labelled.header)}: name the site file that holds it with --gate-of, since the site file that is "
            "made of them must refuse the same pictures"
        )
    cases = labelled.cases
    fitted = chosen(cases.scores, cases.malignant, cases.weights, cases.clusters)
    here = fitted if wish.prevalence is None else moved(fitted, wish.prevalence)
    found = cancers(cases)
    answer = threshold_for(found, [True] * len(found), wish.target, wish.confidence)
    score = answer.threshold if isinstance(answer, Shown) else flagged_from(card.operating_point)
    calibration = here.calibration(labelled.labels)
    site = SiteFile(
        site_file_version=1,
        name=wish.name,
        version=wish.version,
        made_at=wish.made_at,
        model=str(card.model),
        card_sha256=card_sha256(card),
        calibration=calibration,
        operating_point=_point(card, answer, score, calibration.probability, found),
        prevalence=Prevalence(of_labels=fitted.of_labels, assumed=here.of_labels, source=wish.prevalence_source),
        guarantee=_guarantee(answer, labelled),
        input_gate=wish.input_gate,
    )
    return Calibrated(site, here, answer, score)


def must_fit(labelled: Labelled, card: ModelCard) -> None:
    """Pass scores that the card's model gave. Raises ConfigurationError."""
    header = labelled.header
    if header.model != str(card.model):
        raise ConfigurationError(
            f"the scores are those of {header.model}, and the card is that of {card.model}: name the other with --card"
        )
    if header.card_sha256 != card_sha256(card):
        raise ConfigurationError(f"the scores were made with another card of {card.model}: score the pictures again (`tocsin evaluate`)")


def _point(card: ModelCard, answer: Shown | NotShown, score: float, probability: Callable[[float], float], found: Floats) -> OperatingPoint:
    point = card.operating_point
    bands = bands_here(point, score, probability, found)
    name = f"sensitivity-{answer.target:g}" if isinstance(answer, Shown) else point.name
    return OperatingPoint(name=name, bands=bands, chosen=f"Flagged from the model's score {score:.6g} on. {said(answer)}")


def said(answer: Shown | NotShown) -> str:
    """What the labels show of the operating point, in a sentence."""
    if isinstance(answer, Shown):
        return (
            f"A sensitivity of at least {answer.sensitivity_at_least:.3f} was shown with a confidence of {answer.confidence:g}: "
            f"{answer.cancers - answer.misses} of {answer.cancers} confirmed cancers are flagged ({METHOD})."
        )
    more = (
        "more of them would not show it" if answer.more_cancers is None else f"it takes about {answer.more_cancers} more confirmed cancers"
    )
    return f"A sensitivity of {answer.target:g} is not shown: {answer.why}; {more}. What the card flags stays flagged."


def _guarantee(answer: Shown | NotShown, labelled: Labelled) -> Guarantee | None:
    if isinstance(answer, NotShown):
        return None
    return Guarantee(
        target_sensitivity=answer.target,
        confidence=answer.confidence,
        sensitivity_at_least=answer.sensitivity_at_least,
        method=METHOD,
        labels=labelled.labels,
    )
