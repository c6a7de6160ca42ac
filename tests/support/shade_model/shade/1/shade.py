"""A model that looks at one thing alone: the lighter a picture, the likelier malignant. Its answers are known without it."""

from __future__ import annotations

from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found] # Triton's backend brings it

MALIGNANT = (0, 1, 4)
"""Places of the malignant classes among the reference card's seven."""


class TritonPythonModel:
    """Triton finds the class by this name."""

    def execute(self, requests: list[Any]) -> list[Any]:
        """One answer a request, each for as many images as were asked about."""
        return [_answer(pb_utils.get_input_tensor_by_name(request, "image").as_numpy()) for request in requests]


def _answer(images: Any) -> Any:
    light = images.astype(np.float32).mean(axis=(1, 2, 3)) / 255
    malignant = 1 / (1 + np.exp(-16 * (light - 0.6)))
    probabilities = np.tile(((1 - malignant) / 4)[:, None], 7)
    probabilities[:, MALIGNANT] = (malignant / 3)[:, None]
    return pb_utils.InferenceResponse([pb_utils.Tensor("probabilities", probabilities.astype(np.float32))])
