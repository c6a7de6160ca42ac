"""Small pictures for tests, made from a seed."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image


def textured(width: int = 320, height: int = 240, *, seed: int = 1) -> Image.Image:
    """A picture with detail in it."""
    coarse = np.random.default_rng(seed).integers(40, 220, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR)


def encoded(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    """The picture's file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()
