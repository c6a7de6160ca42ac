"""Draws skin lesions. They look a little like dermoscopy and mean nothing: no score on them says anything about a model."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

Floats = npt.NDArray[np.float64]

WIDTH, HEIGHT = 600, 450
SKINS: Final = ((226, 178, 154), (205, 150, 118), (176, 122, 92), (142, 98, 76))
PIGMENTS: Final = ((122, 72, 48), (92, 52, 38), (70, 42, 40), (52, 40, 48))


def lesion(seed: int) -> bytes:
    """A drawn lesion as a JPEG of 600 x 450 pixels; the same seed draws the same picture."""
    random = np.random.default_rng(seed)
    irregular = random.uniform(0, 1)
    skin = _toned(SKINS[random.integers(len(SKINS))], _clouds(random, 6) * 10 + _clouds(random, 90) * 6 + _clouds(random, 260) * 9)
    pigment = _toned(
        PIGMENTS[random.integers(len(PIGMENTS))],
        _clouds(random, 14) * (14 + 40 * irregular) + _clouds(random, 60) * 14 + _clouds(random, 260) * 12,
    )
    share = _blob(random, irregular)[..., None]
    picture = Image.fromarray(np.clip(skin * (1 - share) + pigment * share, 0, 255).astype(np.uint8))
    return _jpeg(_with_hairs(picture, random))


def too_dark(seed: int) -> bytes:
    """A drawn lesion as a JPEG so dark that nothing can be seen."""
    return _jpeg(Image.open(io.BytesIO(lesion(seed))).point(lambda value: value * 0.06))


def _toned(colour: tuple[int, int, int], change: Floats) -> Floats:
    toned: Floats = np.array(colour, dtype=np.float64) + change[..., None]
    return toned


def _clouds(random: np.random.Generator, cells: int) -> Floats:
    """Smooth noise about -1..1 with `cells` bumps across the picture."""
    rows = max(2, cells * HEIGHT // WIDTH)
    grains = Image.fromarray(random.uniform(0, 255, (rows, cells)).astype(np.uint8))
    noise = np.asarray(grains.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), dtype=np.float64)
    return (noise - 127.5) / 127.5


def _blob(random: np.random.Generator, irregular: float) -> Floats:
    """The pigment on each pixel, 0..1: a disc, whose border waves as much as `irregular` says."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    x, y = x - WIDTH / 2 - random.uniform(-30, 30), (y - HEIGHT / 2 - random.uniform(-25, 25)) * random.uniform(0.9, 1.4)
    angle, radius = np.arctan2(y, x), np.hypot(x, y)
    border = random.uniform(75, 140) * np.ones_like(radius)
    for waves in range(2, 9):
        border += irregular * random.uniform(0, 60 / waves) * np.sin(waves * angle + random.uniform(0, 2 * np.pi))
    softness = 4 + 10 * random.uniform()
    share: Floats = 1 / (1 + np.exp((radius - border) / softness))
    return share


def _with_hairs(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    layer = picture.copy()
    draw = ImageDraw.Draw(layer)
    for _ in range(random.integers(0, 6)):
        start, end = (tuple(int(place) for place in random.integers(0, (WIDTH, HEIGHT))) for _ in range(2))
        draw.line([start, end], fill=(48, 36, 30), width=2)
    return Image.blend(picture, layer.filter(ImageFilter.GaussianBlur(0.6)), 0.8)


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
