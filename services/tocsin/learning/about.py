"""What an evaluation says of itself: from the header of a file of scores, its tally and the card."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from tocsin.errors import ConfigurationError
from tocsin.learning.parts import About, Flow, Gate, Point
from tocsin.learning.scores import Header, Tally
from tocsin.learning.types import Interval, Scored
from tocsin.model_card import ModelCard, OperatingPoint
from tocsin.risk import calibration
from tocsin.site.file import input_gate_of, site_of, site_sha256
from tocsin.site.gate import Refusals, gate_sha256


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of an evaluation besides."""

    site: str
    """URI of the installation."""
    how_chosen: str
    """Empty: what the header says."""
    scores_sha256: str
    made_at: datetime


def about(header: Header, card: ModelCard, told: Told) -> About:
    """What was evaluated, by a card alone or as it is used at a site. Raises ConfigurationError for scores of another model or gate."""
    site = site_of(card)
    differing = list(_differing(header, card))
    if differing:
        raise ConfigurationError(
            f"the scores are of {header.model} with another {' and '.join(differing)} than the card of {card.model}: set "
            "TOCSIN_MODEL__CARD to the card with which they were made"
        )
    gate = input_gate_of(card)
    if header.input_gate_sha256 != gate_sha256(gate):
        has = "none" if gate is None else "another" if header.input_gate_sha256 else "one"
        reader = "the card is used alone" if site is None else f"the site file {site} has {has}"
        raise ConfigurationError(
            f"the scores were made {gated(header)}, and {reader}: other pictures would be judged here. Score them again by the site file "
            "that is to be used (--site-file), or name the one with which they were scored"
        )
    return About(
        model=header.model,
        title=card.title,
        manufacturer=card.manufacturer,
        intended_use=card.intended_use,
        card_sha256=header.card_sha256,
        modality=header.modality,
        source=header.source,
        made_at=told.made_at,
        calibrated=card.is_calibrated,
        site=told.site,
        scores_sha256=told.scores_sha256,
        how_chosen=told.how_chosen or header.how_chosen,
        skin_tone_source=header.skin_tone_source,
        point_source="card" if site is None else "site-file",
        site_file="" if site is None else str(site),
        site_file_sha256="" if site is None else site_sha256(site),
        input_gate=None if gate is None else Gate(header.input_gate_sha256, _share(gate.shown.refusals), _share(gate.shown.false_refusals)),
    )


def gated(header: Header) -> str:
    """By which input gate scores were made, in a few words."""
    return f"with the input gate {header.input_gate_sha256[:12]}..." if header.input_gate_sha256 else "without an input gate"


def here(rows: Iterable[Scored], card: ModelCard) -> Iterable[Scored]:
    """The rows with what a score means by the card's site file; as they are where the card is used alone."""
    if site_of(card) is None:
        return rows
    return (each if each.score is None else replace(each, score=calibration.here(each.score, card)) for each in rows)


def flow(tally: Tally) -> Flow:
    """What became of the pictures."""
    first, last = tally.labelled or (None, None)
    return Flow(
        tally.pictures,
        tally.refused,
        tally.unlabelled,
        tally.kinds,
        first,
        last,
        days=tally.days,
        unsought=tally.unsought,
        unsought_malignant=tally.unsought_malignant,
        read_alone=tally.read_alone,
        refused_malignant=tally.refused_malignant,
    )


def point(operating_point: OperatingPoint, target: float, confidence: float) -> Point:
    """The operating point: what reaches the lowest flagged band is flagged. Raises ConfigurationError where no band is flagged."""
    flagged = [band.at_least for band in operating_point.bands if band.flagged]
    if not flagged:
        raise ConfigurationError(f"the operating point {operating_point.name} flags nothing: there is nothing to evaluate")
    return Point(min(flagged), target, confidence)


def _share(shown: Refusals) -> Interval:
    return Interval(shown.refused / shown.of, shown.low, shown.high)


def _differing(header: Header, card: ModelCard) -> Iterator[str]:
    if header.model != str(card.model):
        yield "name or version"
    if header.served_sha256 != card.provenance.served_sha256:
        yield "network"
    if set(header.malignant_classes) != set(malignant_classes(card)):
        yield "set of malignant classes"


def malignant_classes(card: ModelCard) -> tuple[str, ...]:
    """Codes of the classes of which the score is the sum."""
    return tuple(each.code for each in card.output.classes if each.malignant)


def counted(refused: Mapping[str, int], reasons: Mapping[str, str]) -> int:
    """How many pictures were refused for one of these reasons."""
    return sum(count for reason, count in refused.items() if reason in reasons)
