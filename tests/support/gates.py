"""Input gates whose boundary is known, and cards and servers with features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tocsin.image.types import PatientFacts
from tocsin.inference.types import Findings, Tensor
from tocsin.model_card import ModelCard
from tocsin.site.gate import InputGate, written

from tests.builders import card
from tests.fakes.stages import FakeClassifier

FEATURES = 4


@dataclass
class WithFeatures(FakeClassifier):
    """A classifier to which every picture has this first feature."""

    first: float = 0.0

    def classify(self, image: Tensor, facts: PatientFacts) -> Findings:
        """See Classifier."""
        return replace(super().classify(image, facts), features=np.array([self.first, 0, 0, 0], np.float32))


def card_with_features(length: int = FEATURES, **changes: Any) -> ModelCard:
    """The small card, of a network that also answers features."""
    whole = card(**changes)
    return card(**changes, output=whole.output.model_dump() | {"features": {"name": "features", "length": length}})


def gate_json(of: ModelCard, weights: Sequence[float] = (1, 0, 0, 0), **changes: Any) -> dict[str, Any]:
    """A gate for the card, as it stands in a site file: it refuses what has a first feature above 0.5."""
    share = {"refused": 1, "of": 2, "low": 0.01, "high": 0.99}
    shown = {"false_refusals": share, "refusals": share, "lesions": 4}
    fold = {"right": 1, "right_refused": 0, "wrong": 1, "wrong_refused": 1}
    return {
        "model": str(of.model),
        "served_sha256": of.provenance.served_sha256,
        "made_at": "2026-05-01T10:00:00+02:00",
        "weights": written(np.array(weights)),
        "bias": 0.0,
        "threshold": 0.5,
        "penalty": 0.1,
        "false_refusals_target": 0.02,
        "shown": shown | {"folds": [fold, fold]},
    } | changes


def gate(of: ModelCard, weights: Sequence[float] = (1, 0, 0, 0), **changes: Any) -> InputGate:
    """The same, read."""
    return InputGate.model_validate(gate_json(of, weights, **changes))
