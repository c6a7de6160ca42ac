"""A picture whose answer is known: served weights that are not the card's, or other preprocessing, show at once.

Beside the card lie known-answer.yaml, which says how it was made, and the picture that it names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError

from tocsin.errors import ConfigurationError
from tocsin.image.types import PatientFacts
from tocsin.model_card import ModelCard

FILE: Final = "known-answer.yaml"


class KnownFacts(BaseModel):
    """The facts of the picture's patient, who does not exist."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sex: str | None = None
    age_years: float | None = None
    body_site_codes: tuple[str, ...] = ()

    @property
    def facts(self) -> PatientFacts:
        """The same facts in the form that the classifier takes."""
        return PatientFacts(self.sex, self.age_years, self.body_site_codes)


class KnownAnswer(BaseModel):
    """What the card's model answers to one picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(description="name/version, as the card has them.")
    served_sha256: str = Field(description="SHA-256 of the network that gave the answer: the card's.")
    picture: str = Field(description="File beside this one, drawn by Tocsin; it shows nobody.")
    picture_sha256: str
    drawn: str = Field(description="How the picture was drawn.")
    asked: str = Field(description="How the answer was got.")
    facts: KnownFacts = KnownFacts()
    probabilities: Mapping[str, float] = Field(description="By the card's class code.")
    tolerance: PositiveFloat = Field(description="Furthest that a probability may lie from these on another machine.")


def read_known_answer(card_file: Path, card: ModelCard) -> tuple[KnownAnswer, bytes] | None:
    """The known answer beside the card, and its picture's bytes; None where no known-answer.yaml is there.

    Raises ConfigurationError for a file that is damaged, or of another model or other weights than the card's.
    """
    file = card_file.parent / FILE
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read ({error.strerror})") from None
    try:
        known = KnownAnswer.model_validate(yaml.safe_load(content))
    except (yaml.YAMLError, ValidationError, UnicodeDecodeError):
        raise ConfigurationError(f"{file} does not have the form of a known answer") from None
    if known.model != str(card.model) or known.served_sha256 != card.provenance.served_sha256:
        raise ConfigurationError(
            f"{file} is the answer of {known.model}, weights {known.served_sha256[:12]}...: not of the card's model and weights"
        )
    if set(known.probabilities) != {each.code for each in card.output.classes}:
        raise ConfigurationError(f"{file} has other classes than the card")
    return known, _picture(file.parent / known.picture, known.picture_sha256)


def _picture(file: Path, sha256: str) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read ({error.strerror})") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ConfigurationError(f"{file} is not the picture that {FILE} names: its SHA-256 differs")
    return content


def furthest(answered: Mapping[str, float], known: KnownAnswer) -> tuple[str, float]:
    """The class whose probability lies furthest from the known one, and how far; NaN lies furthest."""
    distances = {code: _apart(answered[code], value) for code, value in known.probabilities.items()}
    worst = max(distances, key=lambda code: distances[code])
    return worst, distances[worst]


def _apart(one: float, other: float) -> float:
    distance = abs(one - other)
    return distance if distance == distance else float("inf")
