"""What is known after the risk stage."""

from __future__ import annotations

from dataclasses import dataclass

from tocsin.image.types import Obstacle
from tocsin.inference.types import Findings
from tocsin.model_card import Band


@dataclass(frozen=True, slots=True)
class Assessment:
    """The model's answer, read at the card's operating point."""

    findings: Findings
    probability: float
    """Score for malignancy, 0..1: the sum over the card's malignant classes, or by the site's calibration the probability."""
    band: Band


@dataclass(frozen=True, slots=True)
class Unassessable:
    """The picture could not be judged, which says nothing about the patient."""

    obstacle: Obstacle


Judgement = Assessment | Unassessable
