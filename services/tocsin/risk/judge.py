"""Findings -> score for malignancy -> what it means at this site -> band. Whatever is doubtful is not assessable, never low."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from tocsin.image.types import Obstacle, PatientFacts
from tocsin.inference.types import Findings
from tocsin.model_card import AgeRange, Band, ModelCard, OperatingPoint
from tocsin.risk.calibration import here
from tocsin.risk.types import Assessment, Judgement, Unassessable
from tocsin.site.gate import InputGate

SUM_TOLERANCE: Final = 0.01
"""How far the sum of the probabilities may lie from one; a softmax in float32 over ten classes stays within 1e-5."""


def suits(facts: PatientFacts, age: AgeRange | None) -> Obstacle | None:
    """Why the model was not made for this patient; None where it was, and where nothing is known of the patient's age.

    Inexact dates in the FHIR server are an obstacle, too, where they leave ages open both inside and outside the model's limits.
    """
    youngest, oldest = facts.ages_open or (facts.age_years, facts.age_years)
    if age is None or youngest is None or oldest is None or age.years_min <= youngest <= oldest <= age.years_max:
        return None
    ages = {"youngest": age.years_min, "oldest": age.years_max}
    if youngest <= age.years_max and oldest >= age.years_min and youngest != oldest:
        return Obstacle(
            "age-not-certain",
            "The record does not say exactly enough when the image was taken, or when the patient was born, to know whether the patient "
            "was then {youngest} to {oldest} years old, for whom the model was made.",
            ages,
        )
    return Obstacle("outside-intended-ages", "The model was made for patients of {youngest} to {oldest} years.", ages)


def judge(findings: Findings, card: ModelCard, gate: InputGate | None = None) -> Judgement:
    """Read the findings at the card's operating point.

    Numbers that are no probabilities make the picture not assessable, and so does the site's input gate where it has one: another kind of
    picture than the model reads, or features by which nobody can tell.
    """
    obstacle = _nonsense(findings.probabilities) or (None if gate is None else _another_kind(findings, gate))
    if obstacle is not None:
        return Unassessable(obstacle)
    probability = here(malignancy(findings, card), card)
    return Assessment(findings, probability, band_of(probability, card.operating_point))


def malignancy(findings: Findings, card: ModelCard) -> float:
    """The model's own score: sum of the malignant classes' numbers, 0..1."""
    return min(1.0, sum(findings.probabilities[each.code] for each in card.output.classes if each.malignant))


def band_of(probability: float, point: OperatingPoint) -> Band:
    """The highest band that begins at or below the probability (0..1)."""
    return [band for band in point.bands if probability >= band.at_least][-1]


def _another_kind(findings: Findings, gate: InputGate) -> Obstacle | None:
    if findings.features is None or not np.isfinite(findings.features).all():
        return Obstacle("model-gave-no-answer", "The model gave no usable answer.")
    if not gate.refuses(findings.features):
        return None
    return Obstacle(
        "wrong-kind-of-picture", "The image does not look like the kind of image that this model reads, whatever the record calls it."
    )


def _nonsense(probabilities: Mapping[str, float]) -> Obstacle | None:
    values = probabilities.values()
    sane = all(math.isfinite(value) and 0 <= value <= 1 for value in values) and abs(sum(values) - 1) <= SUM_TOLERANCE
    return None if sane else Obstacle("model-gave-no-answer", "The model gave no usable answer.")
