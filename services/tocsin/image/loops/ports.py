"""What is asked of whoever loops over a picture's pixels."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from tocsin.image.types import Pixels

COLOURS: Final = 3

LUMA: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""ITU-R BT.601 weights of red, green and blue."""

Floats = npt.NDArray[np.float32]


class Measures(NamedTuple):
    """What a picture's luma tells of it."""

    mean: float
    deviation: float
    """Its standard deviation."""
    detail: float
    """Variance of its discrete Laplacian (Pech-Pacheco et al., ICPR 2000), a measure of focus; NaN below 3 values a side."""


class Loops(Protocol):
    """Loops over pixels (see Pixels; rows and columns in any order of memory, at least one of each), which stay as they are."""

    def luma(self, pixels: Pixels, step: int) -> Floats:
        """Luma 0..255, float32 [height // step, width // step]: each the average of `step` x `step` pixels.

        `step` is at most the shorter side.
        """

    def measures(self, luma: Floats) -> Measures:
        """Measures luma, float32 [rows, columns] of at least one value."""

    def resized(self, pixels: Pixels, height: int, width: int, dtype: type[np.floating[Any]]) -> npt.NDArray[Any]:
        """The picture at another size: float32 or float16 [height, width, 3], 0..255, not rounded to whole numbers.

        Bilinear without antialiasing, at half-pixel centres, aspect ratio not kept, in float32. Every implementation gives the same bits.
        """
