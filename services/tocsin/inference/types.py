"""What is known after the inference stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tocsin.model_card import ModelVersion

Tensor = npt.NDArray[np.floating[Any]]
"""A picture as a card wants it: [height, width, 3], RGB 0..255, in the card's datatype."""


@dataclass(frozen=True, slots=True)
class Findings:
    """The model's answer: a probability 0..1 for each class of the card, in the card's order."""

    model: ModelVersion
    probabilities: Mapping[str, float]
    """Class code of the card -> probability."""
    features: npt.NDArray[np.floating[Any]] | None = field(default=None, repr=False, compare=False)
    """The network's features of the picture; None where nobody asked for them."""
