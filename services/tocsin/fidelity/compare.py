"""Known answers and a server's answers -> how far the score moved and which flags flipped, against the card's tolerance. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tocsin.inference.types import Findings
from tocsin.model_card import ModelCard, Tolerance
from tocsin.risk.judge import judge
from tocsin.risk.types import Assessment, Judgement
from tocsin.site.file import original


@dataclass(frozen=True, slots=True)
class Moved:
    """How far the model's own scores of malignancy lie from the known ones; infinitely far where an answer is no set of probabilities."""

    count: int
    """Pictures that were compared; at least one."""
    score_max: float
    score_mean: float
    furthest: int
    """Which picture's score moved most."""
    flipped: tuple[int, ...]
    """Which pictures fall into another band than the known answer's, by the bands in use."""


def moved(known: Sequence[Findings], answered: Sequence[Findings], card: ModelCard) -> Moved:
    """Compare the answers picture by picture; both are in the same order, and not empty. Features are not compared.

    `card` as it is used at the site, whose bands tell what flips; what the card tolerates is said of its own scores, on no site's scale.
    """
    pairs = list(zip(known, answered, strict=True))
    scores = [_apart(*_judged(pair, original(card))) for pair in pairs]
    furthest = max(range(len(scores)), key=scores.__getitem__)
    return Moved(
        count=len(scores),
        score_max=scores[furthest],
        score_mean=math.fsum(scores) / len(scores),
        furthest=furthest,
        flipped=tuple(number for number, pair in enumerate(pairs) if not _same_band(*_judged(pair, card))),
    )


def _judged(pair: tuple[Findings, Findings], card: ModelCard) -> tuple[Judgement, Judgement]:
    known, answered = pair
    return judge(known, card), judge(answered, card)


def _apart(one: Judgement, other: Judgement) -> float:
    if isinstance(one, Assessment) and isinstance(other, Assessment):
        return abs(one.probability - other.probability)
    return math.inf


def _same_band(one: Judgement, other: Judgement) -> bool:
    return isinstance(one, Assessment) and isinstance(other, Assessment) and one.band == other.band


def flags_allowed(count: int, tolerance: Tolerance) -> int:
    """How many of `count` pictures may fall into another band; at least one, since a picture can lie on a band's limit."""
    return max(1, math.floor(count * tolerance.flags_per_1000 / 1000))


def within(found: Moved, tolerance: Tolerance) -> bool:
    """Whether the answers moved no further than the card tolerates."""
    return (
        found.score_max <= tolerance.score_max
        and found.score_mean <= tolerance.score_mean
        and len(found.flipped) <= flags_allowed(found.count, tolerance)
    )
