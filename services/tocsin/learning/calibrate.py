"""A site file from a site's labels: the map to probabilities, and the threshold for which the labels show a sensitivity.

Map and threshold rest on the same labels. That is no circle: the map rises, so that it moves no picture across another; the threshold is
chosen on the model's own scores, among thresholds that were fixed before the data, and what is shown of it holds whatever the map is. How
good the map is, these labels do not say: later ones do (tocsin.learning.promote). Of flagged pictures alone no sensitivity is shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
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
SELECTED: Final = "flagged pictures have a label more often than others, so that missed cancers stayed unseen"


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
    told: str
    """What the labels show of the operating point, in sentences."""

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
    found = cancers(cases, labelled.heaviest)
    answer = _answer(labelled, found, flagged_from(card.operating_point), wish)
    told = said(answer) + _thinned(labelled, found)
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
        operating_point=_point(card, answer, told, score, calibration.probability, found),
        prevalence=Prevalence(of_labels=fitted.of_labels, assumed=here.of_labels, source=wish.prevalence_source),
        guarantee=_guarantee(answer, labelled),
        input_gate=wish.input_gate,
    )
    return Calibrated(site, here, answer, score, told)


def must_fit(labelled: Labelled, card: ModelCard) -> None:
    """Pass scores that the card's model gave. Raises ConfigurationError."""
    header = labelled.header
    if header.model != str(card.model):
        raise ConfigurationError(
            f"the scores are those of {header.model}, and the card is that of {card.model}: name the other with --card"
        )
    if header.card_sha256 != card_sha256(card):
        raise ConfigurationError(f"the scores were made with another card of {card.model}: score the pictures again (`tocsin evaluate`)")


def _answer(labelled: Labelled, found: Floats, threshold: float, wish: Wish) -> Shown | NotShown:
    """What `found`, of these labels, show; nothing where readers saw flags from the threshold on and verified those."""
    answer = threshold_for(found, [True] * len(found), wish.target, wish.confidence)
    if labelled.verification(threshold) == "by-score":
        return NotShown(
            f"{SELECTED}; an audit sample would tell of them (TOCSIN_AUDIT__RATE)",
            None,
            answer.misses,
            answer.cancers,
            wish.target,
            wish.confidence,
        )
    if isinstance(answer, Shown) or answer.more_cancers is None:
        return answer
    weights = labelled.cases.weights[labelled.cases.malignant]
    each = labelled.heaviest / float(weights.mean()) if len(weights) else labelled.heaviest
    return replace(answer, more_cancers=math.ceil(answer.more_cancers * each))


def _thinned(labelled: Labelled, found: Floats) -> str:
    """How many cancers count where some labels were less likely to be sought than others."""
    rarer = labelled.heaviest / float(labelled.cases.weights.min())
    if rarer == 1:
        return ""
    return (
        f" Of {labelled.malignant} malignant pictures {len(found)} count, since some labels were sought with a probability {rarer:.3g} "
        "times lower than others, and each cancer that these found stands for as many."
    )


def _point(
    card: ModelCard, answer: Shown | NotShown, told: str, score: float, probability: Callable[[float], float], found: Floats
) -> OperatingPoint:
    point = card.operating_point
    bands = bands_here(point, score, probability, found)
    name = f"sensitivity-{answer.target:g}" if isinstance(answer, Shown) else point.name
    return OperatingPoint(name=name, bands=bands, chosen=f"Flagged from the model's score {score:.6g} on. {told}")


def said(answer: Shown | NotShown) -> str:
    """What the labels show of the operating point, in a sentence."""
    if isinstance(answer, Shown):
        return (
            f"A sensitivity of at least {answer.sensitivity_at_least:.3f} was shown with a confidence of {answer.confidence:g}: "
            f"{answer.cancers - answer.misses} of {answer.cancers} confirmed cancers are flagged ({METHOD})."
        )
    more = (
        "more such labels would not show it"
        if answer.more_cancers is None
        else f"it takes about {answer.more_cancers} more confirmed cancers"
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
