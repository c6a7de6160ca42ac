"""Picture and patient facts -> the tensors a card describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tocsin.image.types import PatientFacts, Pixels
from tocsin.inference.tensors import resized
from tocsin.inference.types import Tensor
from tocsin.model_card import FactsInput, ImageInput

DTYPES: Final[Mapping[str, type[np.floating[Any]]]] = {"FP16": np.float16, "FP32": np.float32}
"""A card's datatype of the picture -> numpy's."""


def image_tensor(pixels: Pixels, image: ImageInput) -> Tensor:
    """The picture as the card wants it."""
    return resized(pixels, height=image.height, width=image.width, dtype=DTYPES[image.datatype])


def facts_tensor(facts: PatientFacts, card: FactsInput) -> npt.NDArray[np.float32]:
    """The facts as the card wants them, float32 [card.length]; whatever is missing or not in the card counts as unknown."""
    years = card.age.years_when_missing if facts.age_years is None else facts.age_years
    missing = float(facts.age_years is None)
    values = [*_one_hot(facts.sex, card.sexes), *_one_hot(_site(facts, card), card.sites), years / card.age.divided_by, missing]
    return np.array(values, dtype=np.float32)


def _one_hot(value: str | None, choices: Sequence[str]) -> list[float]:
    known = value if value in choices else choices[-1]
    return [float(choice == known) for choice in choices]


def _site(facts: PatientFacts, card: FactsInput) -> str | None:
    """The one site of the card that the codes name; None where they name none, or two that disagree."""
    named = {site for site, codes in card.site_codes.items() if not set(codes).isdisjoint(facts.body_site_codes)}
    return named.pop() if len(named) == 1 else None
