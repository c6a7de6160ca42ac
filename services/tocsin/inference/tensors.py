"""Pixels -> the floats a model was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from tocsin.image.types import Pixels

SIZES_REMEMBERED: Final = 64
"""Sides that are remembered: a site's cameras have few sizes, and each side costs about 4 KB."""

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class _Side:
    """For each target pixel along one side: the source pixels before and after its centre, and how far it lies towards the latter."""

    before: Indices
    after: Indices
    share: Floats
    """How far each centre lies towards the pixel after it: 0 at `before`, 1 at `after`."""


def resized(pixels: Pixels, *, height: int, width: int) -> Floats:
    """The picture at another size: float32 [height, width, 3], 0..255, not rounded.

    Bilinear without antialiasing, at half-pixel centres, aspect ratio not kept, in float32: what
    `tf.image.resize(method="bilinear", antialias=False)` computes. A model that was trained so answers otherwise under any other resizing.
    """
    down, across = _side(pixels.shape[0], height), _side(pixels.shape[1], width)
    upper = _blended_across(pixels[down.before], across)
    lower = _blended_across(pixels[down.after], across)
    return _blended(upper, lower, down.share[:, None]).reshape(height, width, 3)


def _blended_across(rows: Pixels, across: _Side) -> Floats:
    """float32 [rows, 3 * width]: colours lie side by side, so that numpy works on long rows."""
    left, right = (rows.take(side, axis=1).reshape(len(rows), -1).astype(np.float32) for side in (across.before, across.after))
    return _blended(left, right, across.share.repeat(3))


def _blended(first: Floats, second: Floats, share: Floats) -> Floats:
    """first + (second - first) * share, in the memory of `second`."""
    second -= first
    second *= share
    second += first
    return second


@lru_cache(maxsize=SIZES_REMEMBERED)
def _side(source: int, target: int) -> _Side:
    scale = np.float32(source) / np.float32(target)
    centre = (np.arange(target, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5)
    below = np.floor(centre)
    before = np.maximum(below, 0).astype(np.intp)
    after = np.minimum(np.ceil(centre), source - 1).astype(np.intp)
    return _Side(before, after, centre - below)
