"""Known answers and a server's answers -> how far the score moved and which flags flipped, against the card's tolerance. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tocsin.inference.types import Findings
from tocsin.model_card import ModelCard, Tolerance
from tocsin.risk.judge import judge
from tocsin.risk.types import Assessment, Judgement


@dataclass(frozen=True, slots=True)
class Moved:
    """How far the scores of malignancy lie from the known ones. An answer that is no set of probabilities lies infinitely far."""

    count: int
    """Pictures that were compared; at least one."""
    score_max: float
    score_mean: float
    furthest: int
    """Which picture's score moved most."""
    flipped: tuple[int, ...]
    """Which pictures fall into another band than the known answer's."""


def moved(known: Sequence[Findings], answered: Sequence[Findings], card: ModelCard) -> Moved:
    """Compare the answers picture by picture; both are in the same order, and not empty."""
    pairs = [(judge(one, card), judge(other, card)) for one, other in zip(known, answered, strict=True)]
    scores = [_apart(one, other) for one, other in pairs]
    furthest = max(range(len(scores)), key=scores.__getitem__)
    return Moved(
        count=len(scores),
        score_max=scores[furthest],
        score_mean=math.fsum(scores) / len(scores),
        furthest=furthest,
        flipped=tuple(number for number, (one, other) in enumerate(pairs) if not _same_band(one, other)),
    )


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
