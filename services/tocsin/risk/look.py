"""A fetched picture -> what the model will see of it, or why it must not: the journey's way, and an evaluation's."""

from __future__ import annotations

from functools import partial

from tocsin.image.decode import Decoder
from tocsin.image.gate import Acceptance, gate
from tocsin.image.types import Obstacle, Picture, Pixels
from tocsin.inference.inputs import image_tensor
from tocsin.inference.types import Tensor
from tocsin.model_card import ModelCard
from tocsin.risk.judge import suits
from tocsin.telemetry.calls import stage


def looked_at(picture: Picture, decoder: Decoder, acceptance: Acceptance, card: ModelCard) -> Tensor | Obstacle:
    """What the card's model will see, or why it must not; the pixels' memory is free before the model is asked.

    Raises what `Decoder.unfolded` raises.
    """
    return decoder.unfolded(picture, partial(_gated, picture, acceptance, card))


def _gated(picture: Picture, acceptance: Acceptance, card: ModelCard, pixels: Pixels) -> Tensor | Obstacle:
    with stage("gate"):
        obstacle = gate(picture, pixels, acceptance) or suits(picture.facts, card.accepts.age)
        return image_tensor(pixels, card.image) if obstacle is None else obstacle
