"""The loops in numpy: they say what is right."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tocsin.image.loops.ports import COLOURS, LUMA, Floats, Measures
from tocsin.image.types import Pixels

BAND_VALUES: Final = 32_768
"""Pixels of one row of blocks after the other that are reduced at a time: what lies between then stays in the processor's cache."""
BAND_ROWS: Final = 64
"""Rows of a tensor that are made at a time, for the same reason."""
SIZES_REMEMBERED: Final = 64
"""Sides that are remembered: a site's cameras have few sizes, and each side costs about 16 KB."""
HALF_BIAS: Final = np.float32(2.0**-112)
"""Brings a float32's exponent to that of float16, whose bias is smaller by 112."""

Indices = npt.NDArray[np.intp]


class Plain:
    """See Loops. Safe for threads."""

    def luma(self, pixels: Pixels, step: int) -> Floats:
        """See Loops.luma."""
        rows, columns = (side // step for side in pixels.shape[:2])
        weights = np.tile(LUMA / step**2, step)
        blocks = np.empty((rows, columns), np.float32)
        band = max(1, BAND_VALUES // (columns * step))
        for top in range(0, rows, band):
            below = min(top + band, rows)
            sums = _summed_down(pixels[top * step : below * step, : columns * step], step)
            np.matmul(sums.reshape(below - top, columns, -1).astype(np.float32), weights, out=blocks[top:below])
        return blocks

    def measures(self, luma: Floats) -> Measures:
        """See Loops.measures."""
        return Measures(float(luma.mean()), float(luma.std()), _detail(luma))

    def resized(self, pixels: Pixels, height: int, width: int, dtype: type[np.floating[Any]]) -> npt.NDArray[Any]:
        """See Loops.resized."""
        down, across = _side(pixels.shape[0], height), _colours_across(pixels.shape[1], width)
        target = np.empty((height, COLOURS * width), dtype)
        for top in range(0, height, BAND_ROWS):
            rows = slice(top, top + BAND_ROWS)
            upper, lower = _blended_across(pixels[down.before[rows]], across), _blended_across(pixels[down.after[rows]], across)
            blended = _blended(upper, lower, down.share[rows, None])
            target[rows] = halves(blended) if dtype is np.float16 else blended
        return target.reshape(height, width, COLOURS)


def _summed_down(pixels: Pixels, step: int) -> npt.NDArray[np.unsignedinteger[Any]]:
    """Sums of `step` rows each, a row of them for each row of blocks.

    Averaging and luma are both sums, so their order is free: whole numbers first, and floats only for what is left of the picture.
    """
    rows = pixels.reshape(len(pixels) // step, step, -1)
    return rows[:, 0] if step == 1 else rows.sum(axis=1, dtype=np.uint32 if step > 257 else np.uint16)


def _detail(luma: Floats) -> float:
    if min(luma.shape) < 3:
        return float("nan")
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1]
    laplacian += luma[1:-1, :-2]
    laplacian += luma[1:-1, 2:]
    laplacian -= 4 * luma[1:-1, 1:-1]
    return float(laplacian.var())


@dataclass(frozen=True, slots=True)
class _Side:
    """For each target value along one side: the source values before and after its centre, and how far it lies towards the latter."""

    before: Indices
    after: Indices
    share: Floats
    """How far each centre lies towards the value after it: 0 at `before`, 1 at `after`."""


def _blended_across(rows: Pixels, across: _Side) -> Floats:
    """float32 [rows, 3 * width]: colours lie side by side, so that numpy works on long rows."""
    values = rows.reshape(len(rows), -1)
    return _blended(values[:, across.before].astype(np.float32), values[:, across.after].astype(np.float32), across.share)


def _blended(first: Floats, second: Floats, share: Floats) -> Floats:
    """first + (second - first) * share, in the memory of `second`."""
    second -= first
    second *= share
    second += first
    return second


def halves(values: Floats) -> npt.NDArray[np.float16]:
    """The nearest float16, ties to even, of values within 0..65504; `values` is spoilt.

    The same as astype(float16), which numpy does one by one and so takes twice as long. Values below 6e-5 may differ in their last bit.
    """
    values *= HALF_BIAS
    bits = values.view(np.uint32)
    bits += (bits >> np.uint32(13)) & np.uint32(1)
    bits += np.uint32(0xFFF)
    bits >>= np.uint32(13)
    return bits.astype(np.uint16).view(np.float16)


@lru_cache(maxsize=SIZES_REMEMBERED)
def _colours_across(source: int, target: int) -> _Side:
    """The side whose values are the colours of each pixel, one after the other."""
    side = _side(source, target)
    return _Side(_of_colours(side.before), _of_colours(side.after), side.share.repeat(COLOURS))


def _of_colours(pixels: Indices) -> Indices:
    return (COLOURS * pixels[:, None] + np.arange(COLOURS)).ravel()


@lru_cache(maxsize=SIZES_REMEMBERED)
def _side(source: int, target: int) -> _Side:
    scale = np.float32(source) / np.float32(target)
    centre = (np.arange(target, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5)
    below = np.floor(centre)
    before = np.maximum(below, 0).astype(np.intp)
    after = np.minimum(np.ceil(centre), source - 1).astype(np.intp)
    return _Side(before, after, centre - below)
