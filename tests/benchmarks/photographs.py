"""Photographs as a camera in a clinic hands them over: 1600 x 1200 JPEGs of about 200 KB, made by seed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from tocsin.sandbox.demo.lesions import lesion

WIDTH, HEIGHT = 1600, 1200
BYTES_MIN, BYTES_MAX = 190_000, 210_000
COUNT: Final = 8
"""Different pictures of one benchmark."""
GRAIN: Final = 2.5
"""Standard deviation of the sensor's noise, in steps of 8 bits: what makes a photograph of this size about 200 KB."""


def write_photographs(folder: Path) -> list[Path]:
    """COUNT pictures in the folder, in the order of their names."""
    folder.mkdir(parents=True)
    for seed in range(COUNT):
        (folder / f"{seed:02d}.jpg").write_bytes(photograph(seed))
    return photographs(folder)


def photographs(folder: Path) -> list[Path]:
    """What write_photographs left there."""
    return sorted(folder.glob("*.jpg"))


def photograph(seed: int) -> bytes:
    """A drawn lesion, enlarged, with grain; the JPEG quality is whatever brings it between BYTES_MIN and BYTES_MAX."""
    small = Image.open(io.BytesIO(lesion(seed))).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(seed).normal(0, GRAIN, (HEIGHT, WIDTH, 1))
    return _sized(Image.fromarray(np.clip(np.asarray(small) + noise, 0, 255).astype(np.uint8)))


def _sized(picture: Image.Image) -> bytes:
    """By halving the range of qualities: size grows with quality."""
    low, high = 1, 100
    while low < high:
        middle = (low + high) // 2
        content = _jpeg(picture, middle)
        if BYTES_MIN <= len(content) <= BYTES_MAX:
            return content
        low, high = (middle + 1, high) if len(content) < BYTES_MIN else (low, middle)
    raise ValueError(f"no JPEG quality brings this picture between {BYTES_MIN} and {BYTES_MAX} bytes: change GRAIN")


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
