"""Pixels -> the floats a model was trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tocsin.image.loops.choice import loops
from tocsin.image.types import Pixels


def resized(pixels: Pixels, *, height: int, width: int, dtype: type[np.floating[Any]] = np.float32) -> npt.NDArray[Any]:
    """The picture at another size: float32 or float16 [height, width, 3], 0..255, not rounded to whole numbers.

    Bilinear without antialiasing, at half-pixel centres, aspect ratio not kept, in float32: what
    `tf.image.resize(method="bilinear", antialias=False)` computes. A model that was trained so answers otherwise under any other resizing.
    """
    return loops().resized(pixels, height, width, dtype)
