"""A fetched picture -> what the model will see of it, or why it must not -> judgement: the journey's way, and an evaluation's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from tocsin.image.decode import Decoder
from tocsin.image.gate import Acceptance, gate
from tocsin.image.types import Obstacle, Picture, Pixels
from tocsin.inference.inputs import image_tensor
from tocsin.inference.ports import Classifier
from tocsin.inference.types import Tensor
from tocsin.model_card import ModelCard
from tocsin.risk.judge import judge, suits
from tocsin.risk.types import Judgement, Unassessable
from tocsin.site.gate import InputGate
from tocsin.telemetry.calls import stage


@dataclass(frozen=True, slots=True)
class Judge:
    """Takes a fetched picture to its judgement. Safe for threads."""

    decoder: Decoder
    acceptance: Acceptance
    classifier: Classifier
    card: ModelCard
    input_gate: InputGate | None = None
    """The site's, which needs a classifier that answers features."""

    def __call__(self, picture: Picture) -> Judgement:
        """What is to be said of the picture. Raises what `Decoder.unfolded` and the classifier raise."""
        seen = looked_at(picture, self.decoder, self.acceptance, self.card)
        if isinstance(seen, Obstacle):
            return Unassessable(seen)
        with stage("infer"):
            findings = self.classifier.classify(seen, picture.facts)
        return judge(findings, self.card, self.input_gate)


def looked_at(picture: Picture, decoder: Decoder, acceptance: Acceptance, card: ModelCard) -> Tensor | Obstacle:
    """What the card's model will see, or why it must not; the pixels' memory is free before the model is asked.

    Raises what `Decoder.unfolded` raises.
    """
    return decoder.unfolded(picture, partial(_gated, picture, acceptance, card))


def _gated(picture: Picture, acceptance: Acceptance, card: ModelCard, pixels: Pixels) -> Tensor | Obstacle:
    with stage("gate"):
        obstacle = gate(picture, pixels, acceptance) or suits(picture.facts, card.accepts.age)
        return image_tensor(pixels, card.image) if obstacle is None else obstacle
