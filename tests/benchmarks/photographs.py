"""Pictures made by seed, as a clinic's devices hand them over: photographs of a camera and pictures of a dermatoscope."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from tocsin.sandbox.demo.lesions import lesion

COUNT: Final = 8
"""Different pictures of one benchmark."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What pictures of one kind have in common."""

    name: str
    width: int
    height: int
    bytes_wanted: int
    """A picture has as many bytes, give or take a twentieth."""
    grain: float
    """Standard deviation of the sensor's noise, in steps of 8 bits: what gives a JPEG of this size and usual quality so many bytes."""

    def __str__(self) -> str:
        size = f"{self.bytes_wanted / 1e6:g} MB" if self.bytes_wanted >= 1e6 else f"{self.bytes_wanted / 1e3:g} KB"
        return f"{self.name} of {size}, {self.width} x {self.height}"


PHOTOGRAPH: Final = Kind("photographs", 1600, 1200, 200_000, 2.5)
LARGE_PHOTOGRAPH: Final = Kind("photographs", 3000, 2250, 1_500_000, 4.0)
DERMOSCOPY: Final = Kind("dermoscopy-like pictures", 600, 450, 100_000, 6.0)
TINY: Final = Kind("tiny pictures", 256, 256, 10_000, 4.0)
"""Little beyond the smallest that the reference card has judged: what is left of an event's cost is the journey's."""


def write_photographs(folder: Path, kind: Kind = PHOTOGRAPH) -> list[Path]:
    """COUNT pictures in the folder, in the order of their names."""
    folder.mkdir(parents=True)
    for seed in range(COUNT):
        (folder / f"{seed:02d}.jpg").write_bytes(photograph(seed, kind))
    return photographs(folder)


def photographs(folder: Path) -> list[Path]:
    """What write_photographs left there."""
    return sorted(folder.glob("*.jpg"))


def photograph(seed: int, kind: Kind = PHOTOGRAPH) -> bytes:
    """A drawn lesion at the kind's size, with grain; the JPEG quality is whatever brings it to the kind's bytes."""
    small = Image.open(io.BytesIO(lesion(seed))).resize((kind.width, kind.height), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(seed).normal(0, kind.grain, (kind.height, kind.width, 1))
    return _sized(Image.fromarray(np.clip(np.asarray(small) + noise, 0, 255).astype(np.uint8)), kind.bytes_wanted)


def _sized(picture: Image.Image, wanted: int) -> bytes:
    """By halving the range of qualities: size grows with quality."""
    low, high = 1, 100
    while low < high:
        middle = (low + high) // 2
        content = _jpeg(picture, middle)
        if abs(len(content) - wanted) <= wanted / 20:
            return content
        low, high = (middle + 1, high) if len(content) < wanted else (low, middle)
    raise ValueError(f"no JPEG quality brings this picture to about {wanted} bytes: change the kind's grain")


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
