"""The input gate of a site file: is this the kind of picture that the model reads, by what the network itself makes of it?"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
from functools import cached_property
from typing import Annotated, Any, Final, Self

import numpy as np
import numpy.typing as npt
import orjson
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat, NonNegativeFloat, NonNegativeInt, PositiveInt
from pydantic import model_validator as _model_validator

from tocsin.model_card import ModelCard, Probability, Sha256

Vector = npt.NDArray[np.floating[Any]]
NUMBER: Final = np.dtype("<f4")
"""How each weight is written: float32, little-endian."""


def _decodable(text: str) -> str:
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("weights must be base64") from None
    if not content or len(content) % NUMBER.itemsize or not np.isfinite(np.frombuffer(content, NUMBER)).all():
        raise ValueError("weights must be finite float32 numbers, little-endian")
    return text


class GatePart(BaseModel):
    """A closed, frozen part."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Refusals(GatePart):
    """How many pictures of one kind were refused, and the exact interval (Clopper-Pearson, two-sided, 95 %) of that share."""

    refused: NonNegativeInt
    of: PositiveInt
    low: Probability
    high: Probability

    @_model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.refused > self.of or not self.low <= self.refused / self.of <= self.high:
            raise ValueError("refused / of must lie between low and high")
        return self

    def __str__(self) -> str:
        share, low, high = (100 * each for each in (self.refused / self.of, self.low, self.high))
        return f"{self.refused} of {self.of} ({share:.1f} % [{low:.1f}, {high:.1f}])"


class Fold(GatePart):
    """Pictures that a gate refused which had seen none of their lesions, neither for its weights nor for its threshold."""

    right: NonNegativeInt = Field(description="Pictures of the model's own kind.")
    right_refused: NonNegativeInt
    wrong: NonNegativeInt = Field(description="Pictures of another kind.")
    wrong_refused: NonNegativeInt


class Shown(GatePart):
    """What cross-validation by lesion showed of the gate, on the pictures from which it was made."""

    false_refusals: Refusals = Field(description="Of the model's own kind: they will be wrongly not assessable.")
    refusals: Refusals = Field(description="Of another kind: the rest will be judged as if they were of the right kind.")
    kinds: dict[Annotated[str, Field(max_length=64)], Refusals] = Field({}, description="Folder of pictures of another kind -> its own.")
    skin_tones: dict[Annotated[str, Field(max_length=64)], Refusals] = Field(
        {}, description="Skin tone, as the site's labels call it -> false refusals among its pictures."
    )
    folds: tuple[Fold, ...] = Field(min_length=2)
    lesions: PositiveInt = Field(description="A picture that names no lesion counts as one of its own.")


class InputGate(GatePart):
    """Refuses a picture whose score, bias + weights * features, lies above the threshold."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="Input gate v1")

    model: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*/[1-9][0-9]*$", description="Name and version of the card whose features it reads.")
    served_sha256: Sha256 = Field(description="Of that card's network: the features of another mean something else.")
    made_at: AwareDatetime
    weights: Annotated[str, AfterValidator(_decodable)] = Field(
        description="Base64 of one float32 for each feature, little-endian.", json_schema_extra={"contentEncoding": "base64"}
    )
    bias: FiniteFloat
    threshold: FiniteFloat
    penalty: NonNegativeFloat = Field(description="On the squares of the weights of standardised features, as it was fitted.")
    false_refusals_target: float = Field(gt=0, lt=1, description="Share of the model's own kind for which the threshold was chosen.")
    shown: Shown

    @cached_property
    def vector(self) -> npt.NDArray[np.float32]:
        """The weights."""
        return np.frombuffer(base64.b64decode(self.weights), NUMBER).astype(np.float32)

    def score(self, features: Vector) -> float:
        """Rises with how little the picture is like those that the model reads; NaN or infinite where the features are."""
        return float(self.vector @ features) + self.bias

    def refuses(self, features: Vector) -> bool:
        """Whether these features, as many as weights, are those of another kind of picture; also where they are no numbers."""
        score = self.score(features)
        return not (math.isfinite(score) and score <= self.threshold)


def written(weights: Vector) -> str:
    """Weights as a gate holds them."""
    return base64.b64encode(np.asarray(weights, NUMBER).tobytes()).decode()


def gate_sha256(gate: InputGate | None) -> str:
    """Hex SHA-256 of what decides which pictures a gate refuses, and of whose features; empty where there is none."""
    if gate is None:
        return ""
    return hashlib.sha256(orjson.dumps([gate.model, gate.served_sha256, gate.weights, gate.bias, gate.threshold])).hexdigest()


def misfits(gate: InputGate, card: ModelCard) -> list[str]:
    """Why the gate cannot be used with this card, and what to do; empty where it can."""
    features = card.output.features
    if features is None:
        return [
            f"its input gate needs features, and the card of {card.model} names none: serve the version of the network that answers them "
            "(`tocsin model build --features`) and name its card in TOCSIN_MODEL__CARD, or take input_gate out of the site file"
        ]
    if (gate.model, gate.served_sha256) != (str(card.model), card.provenance.served_sha256):
        return [f"its input gate was trained on {gate.model}, network {gate.served_sha256[:12]}...: train one with `tocsin gate train`"]
    if len(gate.vector) != features.length:
        return [
            f"its input gate has {len(gate.vector)} weights, and the card {features.length} features: train one with `tocsin gate train`"
        ]
    return []
