"""Can anything be seen on this picture? Cheap checks that keep a model from judging what it cannot."""

from __future__ import annotations

from typing import Final

from tocsin.image.loops.choice import loops
from tocsin.image.loops.ports import Floats, Measures
from tocsin.image.types import Obstacle, Pixels
from tocsin.model_card import QualityLimits

SAMPLE_PX: Final = 256
"""Checks look at about this many values a side, each the average of a block of pixels."""


def assess(pixels: Pixels, limits: QualityLimits) -> Obstacle | None:
    """The first limit that the picture (uint8 [height, width, 3], RGB) breaks, or None."""
    return _shape(pixels, limits) or light(measured(pixels), limits)


def light(found: Measures, limits: QualityLimits) -> Obstacle | None:
    """The first limit on light that these measures break, or None."""
    if found.mean < limits.luma_mean_min:
        return Obstacle("too-dark", "The image is too dark.")
    if found.mean > limits.luma_mean_max:
        return Obstacle("too-bright", "The image is too bright.")
    if found.deviation < limits.luma_deviation_min:
        return Obstacle("empty", "The image shows nothing but one even tone.")
    if found.detail < limits.detail_min:
        return Obstacle("blurred", "The image is blurred.")
    return None


def measured(pixels: Pixels) -> Measures:
    """What the light limits bound."""
    return loops().measures(sampled_luma(pixels))


def sampled_luma(pixels: Pixels) -> Floats:
    """Luma 0..255, averaged over blocks to about SAMPLE_PX a side, so that noise does not pass for detail."""
    return loops().luma(pixels, max(1, min(pixels.shape[:2]) // SAMPLE_PX))


def _shape(pixels: Pixels, limits: QualityLimits) -> Obstacle | None:
    short, long = sorted(pixels.shape[:2])
    if short < limits.side_px_min:
        return Obstacle(
            "too-small",
            "The image is too small: its shorter side has {short} pixels, {least} are needed.",
            {"short": short, "least": limits.side_px_min},
        )
    if long > short * limits.aspect_ratio_max:
        return Obstacle("wrong-shape", "The image is far longer than wide and cannot show a lesion as the model expects it.")
    return None
