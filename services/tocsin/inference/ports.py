"""What the inference stage needs of the model server."""

from __future__ import annotations

from typing import Protocol

from tocsin.image.types import PatientFacts
from tocsin.inference.types import Findings, Tensor


class Classifier(Protocol):
    """A model that gives every class of its card a probability."""

    def classify(self, image: Tensor, facts: PatientFacts) -> Findings:
        """The findings on one picture, as the card wants it.

        Raises TensorRejected (Refused) when the server will not take the input, Unavailable(triton) when it is away, late or busy,
        and ContractError (Stop) when another model or version answered than the card names.
        """
