"""Can anything be seen on this picture? Cheap checks that keep a model from judging what it cannot."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tocsin.image.types import Obstacle, Pixels
from tocsin.model_card import QualityLimits

SAMPLE_PX: Final = 256
"""Checks look at about this many values a side, each the average of a block of pixels."""

BAND_VALUES: Final = 32_768
"""Pixels of one row of blocks after the other that are reduced at a time: what lies between then stays in the processor's cache."""

LUMA: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""ITU-R BT.601 weights of red, green and blue."""


def assess(pixels: Pixels, limits: QualityLimits) -> Obstacle | None:
    """The first limit that the picture (uint8 [height, width, 3], RGB) breaks, or None."""
    return _shape(pixels, limits) or _light(pixels, limits)


def detail(luma: npt.NDArray[np.float32]) -> float:
    """Variance of the discrete Laplacian (Pech-Pacheco et al., ICPR 2000), a measure of focus."""
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1]
    laplacian += luma[1:-1, :-2]
    laplacian += luma[1:-1, 2:]
    laplacian -= 4 * luma[1:-1, 1:-1]
    return float(laplacian.var())


def sampled_luma(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Luma 0..255, averaged over blocks to about SAMPLE_PX a side, so that noise does not pass for detail."""
    step = max(1, min(pixels.shape[:2]) // SAMPLE_PX)
    rows, columns = (side // step for side in pixels.shape[:2])
    weights = np.tile(LUMA / step**2, step)
    blocks = np.empty((rows, columns), np.float32)
    band = max(1, BAND_VALUES // (columns * step))
    for top in range(0, rows, band):
        below = min(top + band, rows)
        sums = _summed_down(pixels[top * step : below * step, : columns * step], step)
        np.matmul(sums.reshape(below - top, columns, -1).astype(np.float32), weights, out=blocks[top:below])
    return blocks


def _summed_down(pixels: Pixels, step: int) -> npt.NDArray[np.unsignedinteger[Any]]:
    """Sums of `step` rows each, a row of them for each row of blocks.

    Averaging and luma are both sums, so their order is free: whole numbers first, and floats only for what is left of the picture.
    """
    rows = pixels.reshape(len(pixels) // step, step, -1)
    return rows[:, 0] if step == 1 else rows.sum(axis=1, dtype=np.uint32 if step > 257 else np.uint16)


def _shape(pixels: Pixels, limits: QualityLimits) -> Obstacle | None:
    short, long = sorted(pixels.shape[:2])
    if short < limits.side_px_min:
        return Obstacle("too-small", f"The image is too small: its shorter side has {short} pixels, {limits.side_px_min} are needed.")
    if long > short * limits.aspect_ratio_max:
        return Obstacle("wrong-shape", "The image is far longer than wide and cannot show a lesion as the model expects it.")
    return None


def _light(pixels: Pixels, limits: QualityLimits) -> Obstacle | None:
    luma = sampled_luma(pixels)
    mean = float(luma.mean())
    if mean < limits.luma_mean_min:
        return Obstacle("too-dark", "The image is too dark.")
    if mean > limits.luma_mean_max:
        return Obstacle("too-bright", "The image is too bright.")
    if float(luma.std()) < limits.luma_deviation_min:
        return Obstacle("empty", "The image shows nothing but one even tone.")
    if detail(luma) < limits.detail_min:
        return Obstacle("blurred", "The image is blurred.")
    return None
