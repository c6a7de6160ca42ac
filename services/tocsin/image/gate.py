"""Is this a picture the model may look at? Everything doubtful is not assessable, never a low score."""

from __future__ import annotations

from dataclasses import dataclass

from tocsin.fhir.canonical import DICOM_MODALITY
from tocsin.fhir.datatypes import Coding, canonical, coding_of
from tocsin.image.kind import PLAIN_IMAGE, tokens
from tocsin.image.quality import assess
from tocsin.image.types import Obstacle, Picture, Pixels
from tocsin.model_card import ModelCard, QualityLimits
from tocsin.settings import ImageSettings


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The pictures that the model card and the site let through."""

    modalities: frozenset[Coding]
    """A picture passes if one of its codings is here: those of the card, and those that the site accepts besides."""
    refused: frozenset[Coding]
    """A picture with one of these never passes (Media.type `video`, for one)."""
    limits: QualityLimits
    modality_when_absent: Coding | None
    """The modality that the site vouches for where a Media states none."""


def gate(picture: Picture, pixels: Pixels, acceptance: Acceptance) -> Obstacle | None:
    """The first obstacle to assessing this picture, whose pixels these are; None where there is none."""
    return _modality(picture, acceptance) or assess(pixels, acceptance.limits)


def _modality(picture: Picture, acceptance: Acceptance) -> Obstacle | None:
    stated = set(picture.modality) - {PLAIN_IMAGE}
    if not picture.modality_stated:
        return _vouched(acceptance)
    if not stated:
        return Obstacle("modality-unknown", "The record says what kind of image this is in words alone, or in a code that cannot be read.")
    if stated & acceptance.modalities and not stated & acceptance.refused:
        return None
    return Obstacle(
        "modality-not-accepted",
        "The image is not of a kind this model can read: the record says {stated}, the model reads {accepted}.",
        {"stated": tokens(stated), "accepted": tokens(acceptance.modalities)},
    )


def _vouched(acceptance: Acceptance) -> Obstacle | None:
    if acceptance.modality_when_absent in acceptance.modalities:
        return None
    return Obstacle("modality-unknown", "The record does not say what kind of image this is.")


def acceptance(card: ModelCard, settings: ImageSettings) -> Acceptance:
    """What the card and the site's settings let through.

    The site may accept further modalities, and vouches for one where a Media states none.
    """
    vouched = settings.modality_when_absent
    return Acceptance(
        modalities=frozenset(
            [
                *(canonical(Coding(each.system, each.code)) for each in card.accepts.modalities),
                *map(coding_of, settings.modalities_also_accepted),
            ]
        ),
        refused=frozenset(canonical(Coding(each.system, each.code)) for each in card.accepts.refused),
        limits=card.accepts.quality,
        modality_when_absent=None if vouched is None else Coding(DICOM_MODALITY, vouched),
    )
