"""Two ways to look at a picture: with Tocsin's decoder and gate, and as Pillow's documentation would have it."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, ImageStat
from tocsin.image.gate import gate
from tocsin.image.types import Obstacle, Picture, Pixels
from tocsin.inference.inputs import image_tensor
from tocsin.model_card import QualityLimits
from tocsin.risk.judge import suits

from tests.benchmarks.peers.journey import Site, Tensor

SAMPLE_PX = 256
"""The quality checks look at about so many pixels a side, as the card's limits were chosen."""


def with_tocsins_functions(picture: Picture, here: Site) -> Obstacle | Tensor:
    """Tocsin's decoder with its buffers, gate and tensor: what the peer saves is everything else. Raises Refused, Contended."""
    return here.decoder.unfolded(picture, lambda pixels: _gated(picture, pixels, here))


def _gated(picture: Picture, pixels: Pixels, here: Site) -> Obstacle | Tensor:
    obstacle = gate(picture, pixels, here.acceptance) or suits(picture.facts, here.card.accepts.age)
    return image_tensor(pixels, here.card.image) if obstacle is None else obstacle


def with_pillow(picture: Picture, here: Site) -> Obstacle | Tensor:
    """Pillow alone, and the card's limits by its own means; of damage it sees what Pillow sees. Raises OSError.

    The tensor is Tocsin's: Pillow's own resizing smooths, and the model would answer otherwise.
    """
    image = opened(picture.content)
    obstacle = obstacle_by_pillow(picture, image, here)
    return image_tensor(np.asarray(image), here.card.image) if obstacle is None else obstacle


def opened(content: bytes) -> Image.Image:
    """The picture in memory, upright and in RGB. Raises OSError."""
    with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return image if image.mode == "RGB" else image.convert("RGB")


def obstacle_by_pillow(picture: Picture, image: Image.Image, here: Site) -> Obstacle | None:
    """The card's rules and limits by Pillow's means; the first that the picture breaks."""
    return _kind(picture, here) or _quality(image, here.acceptance.limits) or suits(picture.facts, here.card.accepts.age)


def _kind(picture: Picture, here: Site) -> Obstacle | None:
    stated = set(picture.modality)
    if stated & here.acceptance.modalities and not stated & here.acceptance.refused:
        return None
    return Obstacle("modality-not-accepted" if stated else "modality-unknown", "The image is not of a kind this model can read.")


def _quality(image: Image.Image, limits: QualityLimits) -> Obstacle | None:
    short, long = sorted(image.size)
    if short < limits.side_px_min:
        return Obstacle("too-small", "The image is too small.")
    if long > short * limits.aspect_ratio_max:
        return Obstacle("wrong-shape", "The image is far longer than wide.")
    return _light(image.convert("L").reduce(max(1, short // SAMPLE_PX)), limits)


def _light(luma: Image.Image, limits: QualityLimits) -> Obstacle | None:
    light = ImageStat.Stat(luma)
    if light.mean[0] < limits.luma_mean_min:
        return Obstacle("too-dark", "The image is too dark.")
    if light.mean[0] > limits.luma_mean_max:
        return Obstacle("too-bright", "The image is too bright.")
    if light.stddev[0] < limits.luma_deviation_min:
        return Obstacle("empty", "The image shows nothing but one even tone.")
    return Obstacle("blurred", "The image is blurred.") if _detail(np.asarray(luma, np.float32)) < limits.detail_min else None


def _detail(luma: npt.NDArray[np.float32]) -> float:
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * luma[1:-1, 1:-1]
    return float(laplacian.var())
