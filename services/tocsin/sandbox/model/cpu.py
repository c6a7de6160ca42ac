"""Answers in float32 on this machine's CPU, in this process: what every other way of computing the network is held to."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnxruntime

from tocsin.image.types import PatientFacts
from tocsin.inference.inputs import facts_tensor
from tocsin.inference.types import Findings, Tensor
from tocsin.model_card import ModelCard
from tocsin.sandbox.model.errors import ModelUnusable

PROVIDER = "CPUExecutionProvider"
ASKED = f"float32 on a CPU, onnxruntime {onnxruntime.__version__}"
"""How these answers are got."""


class CpuClassifier:
    """The Classifier port over the network's ONNX file. Safe for threads."""

    def __init__(self, network: Path, card: ModelCard, *, with_features: bool = False) -> None:
        """Loads the network; `with_features` asks it for them, which only a card that names them has.

        Raises ModelUnusable where the file cannot be read, or is not the one whose SHA-256 the card names.
        """
        try:
            content = network.read_bytes()
        except OSError as error:
            raise ModelUnusable(
                f"{network} cannot be read ({error.strerror}): write both with `tocsin model build`, and have TOCSIN_MODEL__CARD name that "
                "card"
            ) from None
        if hashlib.sha256(content).hexdigest() != card.provenance.served_sha256:
            raise ModelUnusable(f"{network} is not the network whose SHA-256 the card names ({card.provenance.served_sha256[:12]}...)")
        self._session = onnxruntime.InferenceSession(content, providers=[PROVIDER])
        self._card = card
        features = card.output.features if with_features else None
        self._outputs = [card.output.name, *(() if features is None else (features.name,))]

    def classify(self, image: Tensor, facts: PatientFacts) -> Findings:
        """See Classifier.classify."""
        card = self._card
        inputs = {card.image.name: image, card.facts.name: facts_tensor(facts, card.facts)}
        answers, *features = self._session.run(self._outputs, {name: values[np.newaxis] for name, values in inputs.items()})
        named = {each.code: float(value) for each, value in zip(card.output.classes, answers[0], strict=True)}
        return Findings(card.model, named, *(each[0] for each in features))
