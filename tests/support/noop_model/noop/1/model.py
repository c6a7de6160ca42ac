"""A model that looks at nothing: what a call costs when the network costs nothing. Every class is equally likely."""

from __future__ import annotations

from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found] # Triton's backend brings it

CLASSES = 7


class TritonPythonModel:
    """Triton finds the class by this name."""

    def execute(self, requests: list[Any]) -> list[Any]:
        """One answer a request, each for as many images as were asked about."""
        return [_answer(pb_utils.get_input_tensor_by_name(request, "image").shape()[0]) for request in requests]


def _answer(count: int) -> Any:
    probabilities = np.full((count, CLASSES), 1 / CLASSES, np.float32)
    return pb_utils.InferenceResponse([pb_utils.Tensor("probabilities", probabilities)])
