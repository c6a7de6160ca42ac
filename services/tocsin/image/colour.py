"""Converts a picture's colours to sRGB, which the model reads (littleCMS)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal

import numpy as np
from PIL import Image, ImageCms

from tocsin.image.profiles import ADOBE, gamma, rgb_profile
from tocsin.image.types import Pixels

Kind = Literal["RGB", "L", "CMYK"]
"""Pillow's modes for the pixels that are converted."""

STRIP_PIXELS: Final = 65_536
"""Pixels that are converted at a time, and so are in memory twice."""
PROFILES_KEPT: Final = 16
"""Transforms that are kept, since pictures of one camera or program follow each other; making one takes some 10 ms."""
STEPS_UNSEEN_MAX: Final = 1
"""A profile that moves no colour by more than this, of 255 steps, counts as sRGB."""

_SPACES: Final[dict[str, Kind]] = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""Colour space signature of an ICC profile (ICC.1:2022, table 19) -> Pillow's mode."""
_SRGB: Final = ImageCms.createProfile("sRGB")


@dataclass(frozen=True, slots=True)
class Colours:
    """How one picture's colours are converted to sRGB."""

    transform: ImageCms.ImageCmsTransform | None = field(default=None, repr=False)
    """None: the colours are sRGB, or are read as if they were."""
    blemish: str | None = None
    """Why a colour profile or space that the picture states is not applied; None where nothing is wrong."""

    @classmethod
    def of(cls, profile: bytes, kind: Kind) -> Colours:
        """The conversion by the ICC profile in a picture of this kind; a damaged or unfit profile is not applied."""
        try:
            space, transform = _transform(profile)
        except (OSError, ValueError, ImageCms.PyCMSError):
            return BROKEN
        if space == kind or (space == "RGB" and kind == "L"):  # an RGB profile converts grey, too
            return cls(transform)
        return cls(blemish="its colour profile is for another kind of picture; its colours were read as they are")

    def applied(self, pixels: Pixels) -> Pixels:
        """Converts the array [height, width, 3] to sRGB in place, and returns it."""
        if self.transform is not None:
            for rows in bands(*pixels.shape[:2]):
                pixels[rows] = self.rgb(Image.fromarray(pixels[rows, :, 0] if self.transform.input_mode == "L" else pixels[rows]))
        return pixels

    def rgb(self, image: Image.Image) -> Pixels:
        """The sRGB pixels of an image in the transform's input mode."""
        assert self.transform is not None
        brought: Pixels = np.asarray(ImageCms.applyTransform(image, self.transform))
        return brought


BROKEN: Final = Colours(blemish="its colour profile is damaged; its colours were read as sRGB")
UNKNOWN: Final = Colours(blemish="its colours are of a space that is not known here; they were read as sRGB")


def bands(height: int, width: int) -> Iterator[slice]:
    """Slices of rows from top to bottom, each of STRIP_PIXELS pixels at most, or of one row."""
    step = max(1, STRIP_PIXELS // max(1, width))
    return (slice(top, min(top + step, height)) for top in range(0, height, step))


@lru_cache(maxsize=1)
def adobe_rgb() -> Colours:
    """The conversion for a picture that says it is in Adobe RGB (1998) and carries no profile."""
    return Colours.of(rgb_profile(ADOBE, gamma(563 / 256)), "RGB")


@lru_cache(maxsize=PROFILES_KEPT)
def _transform(profile: bytes) -> tuple[Kind | None, ImageCms.ImageCmsTransform | None]:
    """The kind of picture that a profile is for, and its transform to sRGB where it moves any colour."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    kind = _SPACES.get(source.profile.xcolor_space.strip())
    if kind is None:
        return None, None
    transform = ImageCms.buildTransform(
        source, _SRGB, kind, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    )
    return kind, transform if kind == "CMYK" or _seen(transform, kind) else None


def _seen(transform: ImageCms.ImageCmsTransform, kind: Kind) -> bool:
    """Whether the transform moves any colour of a grid, or any grey, by more than STEPS_UNSEEN_MAX."""
    values = np.arange(0, 256, 1 if kind == "L" else 15, dtype=np.uint8)
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    grid = np.stack(np.meshgrid(values, values, values), -1).reshape(1, -1, 3) if kind == "RGB" else greys
    before = np.concatenate([grid, greys], axis=1)
    after = ImageCms.applyTransform(Image.fromarray(before if kind == "RGB" else before[..., 0]), transform)
    return bool(np.abs(np.asarray(after).astype(np.int16) - before).max() > STEPS_UNSEEN_MAX)
