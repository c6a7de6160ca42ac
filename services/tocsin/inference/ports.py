"""What the inference stage needs of the model server."""

from __future__ import annotations

from typing import Protocol

from tocsin.image.types import PatientFacts, Pixels
from tocsin.inference.types import Findings


class Classifier(Protocol):
    """A model that gives every class of its card a probability."""

    def classify(self, pixels: Pixels, facts: PatientFacts) -> Findings:
        """The findings on one picture (uint8 [height, width, 3], RGB).

        Raises TensorRejected (Refused) when the server will not take the input, Unavailable(triton) when it is away, late or busy,
        and ContractError (Stop) when another model or version answered than the card names.
        """
