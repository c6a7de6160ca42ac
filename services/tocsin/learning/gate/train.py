"""Features and lesions -> an input gate, and what cross-validation by lesion showed of it.

Unsupervised distances on the same features tell close-ups from dermoscopy no better than chance or little better; a boundary that has seen
both does (deploy/decisions/0038-the-input-gate.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tocsin.errors import ConfigurationError
from tocsin.learning.statistics.penalised import Linear, fitted
from tocsin.learning.statistics.proportions import exact
from tocsin.learning.types import Bools, Floats, Ints
from tocsin.model_card import ModelCard
from tocsin.site.gate import Fold, InputGate, Refusals, Shown, written

RIGHT_MIN: Final = 200
"""Fewest lesions on pictures of the model's own kind: of fewer, 2 % is no number of pictures that could be counted."""
WRONG_MIN: Final = 50
"""Fewest lesions on pictures of another kind. Of 200 and 50, six gates refused 90 to 97 % of other close-ups, at 1.7 to 4.0 % false."""
TARGET: Final = 0.02
PENALTY: Final = 0.1
"""Between 0.001 and 0.1 it made no difference on the pictures at hand; at 1 the gate was worse."""
FOLDS: Final = 5
SEED: Final = 20261128
RIGHT: Final = ""
"""The kind of a picture that the model reads."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the network made of pictures, as columns of one length."""

    features: npt.NDArray[np.float32]
    """[pictures, features]."""
    kinds: tuple[str, ...]
    """RIGHT, or the name of the folder of another kind."""
    lesions: Ints
    """Numbers of the lesions: two pictures of one are never on both sides of a fold."""
    tones: tuple[str, ...]
    """The skin tone of each, as the labels call it; empty text where they do not say."""

    @property
    def wrong(self) -> Bools:
        """Whether each is of another kind."""
        return np.array([kind != RIGHT for kind in self.kinds])

    def where(self, chosen: Bools) -> Seen:
        """Those pictures alone."""
        kinds, tones = (tuple(each for each, take in zip(all_, chosen, strict=True) if take) for all_ in (self.kinds, self.tones))
        return Seen(self.features[chosen], kinds, self.lesions[chosen], tones)


@dataclass(frozen=True, slots=True)
class Boundary:
    """Refuses what scores above the threshold."""

    linear: Linear
    threshold: float

    def refused(self, features: npt.NDArray[np.floating[Any]]) -> Bools:
        """Whether each picture is."""
        return self.linear.log_odds(features) > self.threshold


def trained(seen: Seen, card: ModelCard, made_at: datetime, *, target: float = TARGET) -> InputGate:
    """The gate of these pictures, for the network whose features they are.

    Raises ConfigurationError where there are too few pictures to show anything.
    """
    _need_enough(seen)
    shown = shown_by(seen, refusals_by_others(seen, target))
    made = boundary(seen, target)
    return InputGate(
        model=str(card.model),
        served_sha256=card.provenance.served_sha256,
        made_at=made_at,
        weights=written(made.linear.weights),
        bias=made.linear.bias,
        threshold=made.threshold,
        penalty=PENALTY,
        false_refusals_target=target,
        shown=shown,
    )


def boundary(seen: Seen, target: float = TARGET) -> Boundary:
    """Fitted to all these pictures; the threshold refuses at most `target` of the right ones, each scored by a fit without its lesion."""
    return Boundary(_fit(seen), threshold_for(scores_by_others(seen)[~seen.wrong], target))


def scores_by_others(seen: Seen) -> Floats:
    """Each picture's score by a fit to other lesions."""
    scores = np.empty(len(seen.kinds))
    for held in folds(seen):
        scores[held] = _fit(seen.where(~held)).log_odds(seen.features[held])
    return scores


def threshold_for(scores: Floats, target: float) -> float:
    """The lowest of these scores of right pictures that at most the share `target` of them exceed."""
    falling = np.sort(scores)[::-1]
    return float(falling[min(int(target * len(falling)), len(falling) - 1)])


def refusals_by_others(seen: Seen, target: float = TARGET) -> Bools:
    """Whether each picture is refused by a gate whose weights and threshold both come from other lesions."""
    refused = np.empty(len(seen.kinds), dtype=np.bool_)
    for held in folds(seen):
        refused[held] = boundary(seen.where(~held), target).refused(seen.features[held])
    return refused


def shown_by(seen: Seen, refused: Bools) -> Shown:
    """What these refusals show."""
    wrong = seen.wrong
    kinds, tones = np.array(seen.kinds), np.array(seen.tones)
    return Shown(
        false_refusals=refusals(refused[~wrong]),
        refusals=refusals(refused[wrong]),
        kinds={str(kind): refusals(refused[kinds == kind]) for kind in sorted({*seen.kinds} - {RIGHT})},
        skin_tones={str(tone): refusals(refused[~wrong & (tones == tone)]) for tone in sorted({*tones[~wrong]} - {""})},
        folds=tuple(
            Fold(
                right=int((~wrong & held).sum()),
                right_refused=int((refused & ~wrong & held).sum()),
                wrong=int((wrong & held).sum()),
                wrong_refused=int((refused & wrong & held).sum()),
            )
            for held in folds(seen)
        ),
        lesions=len(np.unique(seen.lesions)),
    )


def refusals(refused: Bools) -> Refusals:
    """How many of these pictures were refused, with the exact interval."""
    hits, of = int(refused.sum()), len(refused)
    _share, low, high, _confidence = exact(hits, of)
    return Refusals(refused=hits, of=of, low=min(low, hits / of), high=max(high, hits / of))


def folds(seen: Seen) -> Iterator[Bools]:
    """Which pictures each fold holds out: whole lesions, dealt out at random, those with a picture of another kind by themselves."""
    numbers, places = np.unique(seen.lesions, return_inverse=True)
    other = np.zeros(len(numbers), dtype=np.bool_)
    np.logical_or.at(other, places, seen.wrong)
    fold = np.empty(len(numbers), dtype=np.int64)
    dealer = np.random.default_rng(SEED)
    for group in (np.flatnonzero(other), np.flatnonzero(~other)):
        fold[dealer.permutation(group)] = np.arange(len(group)) % FOLDS
    for number in range(FOLDS):
        yield (fold == number)[places]


def _fit(seen: Seen) -> Linear:
    return fitted(seen.features, seen.wrong, PENALTY)


def _need_enough(seen: Seen) -> None:
    for kind, chosen, least in (("of the model's own kind", ~seen.wrong, RIGHT_MIN), ("of another kind", seen.wrong, WRONG_MIN)):
        lesions = len(np.unique(seen.lesions[chosen]))
        if lesions < least:
            raise ConfigurationError(
                f"the pictures {kind} show {lesions} lesions, and a gate needs {least}: with fewer nothing can be shown of it; collect more"
            )


def named(features: npt.NDArray[np.float32], kinds: Sequence[str], lesions: Sequence[str], tones: Sequence[str]) -> Seen:
    """The same with lesions' names instead of numbers."""
    _names, numbers = np.unique(np.array(lesions), return_inverse=True)
    return Seen(features, tuple(kinds), numbers.astype(np.int64), tuple(tones))
