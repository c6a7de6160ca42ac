"""Is this a picture the model may look at? Everything doubtful is not assessable, never a low score."""

from __future__ import annotations

from dataclasses import dataclass

from tocsin.image.model import Coding, Obstacle, Picture, Pixels
from tocsin.image.quality import QualityLimits, assess

DICOM_MODALITY = "http://dicom.nema.org/resources/ontology/DCM"
"""Code system of DICOM modality codes in FHIR R4 (valueset media-modality)."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What the model card and the site let through."""

    modalities: frozenset[Coding]
    """A picture passes if one of its codings is here."""
    refused: frozenset[Coding]
    """A picture with one of these never passes (Media.type `video`, for one)."""
    limits: QualityLimits
    modality_when_absent: Coding | None
    """What the site vouches for where a Media states no modality."""


def gate(picture: Picture, pixels: Pixels, acceptance: Acceptance) -> Obstacle | None:
    """The first thing that stands against assessing this picture, whose pixels these are, or None."""
    return _modality(picture, acceptance) or assess(pixels, acceptance.limits)


def _modality(picture: Picture, acceptance: Acceptance) -> Obstacle | None:
    stated = set(picture.modality) - {Coding("http://terminology.hl7.org/CodeSystem/media-type", "image")}
    if stated & acceptance.refused:
        return Obstacle("modality-not-accepted", "The image is not of a kind this model can read.")
    if not stated:
        return _vouched(acceptance)
    if stated & acceptance.modalities:
        return None
    return Obstacle("modality-not-accepted", "The image is not of a kind this model can read.")


def _vouched(acceptance: Acceptance) -> Obstacle | None:
    if acceptance.modality_when_absent in acceptance.modalities:
        return None
    return Obstacle("modality-unknown", "The record does not say what kind of image this is.")
