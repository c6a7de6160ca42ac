"""A folder of pictures whose answers are known: `answers.yaml` beside them names each with its SHA-256 and its probabilities.

`tocsin model answers` makes it of a site's own pictures, in float32 on a CPU; they leave the site neither then nor later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tocsin.errors import ConfigurationError
from tocsin.inference.known import KnownFacts
from tocsin.inference.types import Findings
from tocsin.model_card import ModelCard, Probability, Sha256

FILE: Final = "answers.yaml"
PICTURES_MAX: Final = 10_000
AGAIN: Final = "make it again with `tocsin model answers`"


class KnownPicture(BaseModel):
    """One picture, and what the card's network answers to it in float32 on a CPU."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    picture: str = Field(description="The picture's path below the folder.")
    picture_sha256: Sha256
    facts: KnownFacts = KnownFacts()
    probabilities: Mapping[str, Probability] = Field(description="By the card's class code.")


class KnownPictures(BaseModel):
    """What `answers.yaml` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answers_version: Literal[1] = 1
    model: str = Field(description="name/version, as the card has them.")
    served_sha256: Sha256 = Field(description="SHA-256 of the network that gave the answers: the card's.")
    asked: str = Field(description="How the answers were got.")
    pictures: tuple[KnownPicture, ...] = Field(min_length=1, max_length=PICTURES_MAX)

    def findings(self, card: ModelCard) -> list[Findings]:
        """The known answers, in the order of the pictures."""
        return [Findings(card.model, each.probabilities) for each in self.pictures]


def read_answers(folder: Path, card: ModelCard) -> KnownPictures:
    """The known answers of the folder's pictures, which are not looked at yet.

    Raises ConfigurationError where there are none, or those of another model, other weights or other classes than the card's.
    """
    file = folder / FILE
    try:
        known = KnownPictures.model_validate(yaml.load(file.read_bytes(), yaml.CSafeLoader))
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read ({error.strerror}): {AGAIN}") from None
    except (yaml.YAMLError, ValidationError, UnicodeDecodeError):
        raise ConfigurationError(f"{file} does not have the form of known answers: {AGAIN}") from None
    if known.model != str(card.model) or known.served_sha256 != card.provenance.served_sha256:
        raise ConfigurationError(
            f"{file} holds the answers of {known.model}, weights {known.served_sha256[:12]}..., not those of the card's model and weights "
            f"({card.model}, {card.provenance.served_sha256[:12]}...): {AGAIN}, or set TOCSIN_MODEL__CARD"
        )
    _need_each_once(known, file)
    _need_classes(known, card, file)
    return known


def is_ours(file: Path) -> bool:
    """Whether the file can be read and has the form of known answers."""
    try:
        KnownPictures.model_validate(yaml.load(file.read_bytes(), yaml.CSafeLoader))
    except (OSError, yaml.YAMLError, ValidationError, UnicodeDecodeError):
        return False
    return True


def written(known: KnownPictures) -> str:
    """The text of `answers.yaml`."""
    head = "# Pictures whose answers are known, for `tocsin check --pictures`. Made by `tocsin model answers`, which writes it anew.\n"
    content = {"answers_version": 1, **known.model_dump(mode="json", exclude_defaults=True)}
    return head + yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False, width=140)


def _need_each_once(known: KnownPictures, file: Path) -> None:
    twice = [name for name, count in Counter(each.picture for each in known.pictures).items() if count > 1]
    if twice:
        raise ConfigurationError(f"{file} names {len(twice)} picture(s) twice: {AGAIN}")


def _need_classes(known: KnownPictures, card: ModelCard, file: Path) -> None:
    classes = {each.code for each in card.output.classes}
    if any(set(each.probabilities) != classes for each in known.pictures):
        raise ConfigurationError(f"{file} has other classes than the card: {AGAIN}")
