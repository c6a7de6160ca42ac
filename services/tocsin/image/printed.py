"""A judged picture as it is printed: upright, in sRGB, no larger than asked for. The same bytes give the same picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import simplejpeg  # type: ignore[import-untyped]  # its stubs come without a py.typed
from PIL import Image

from tocsin.image.decode import decode

QUALITY: Final = 88
"""Of the JPEG, 1 to 100."""


@dataclass(frozen=True, slots=True)
class Photograph:
    """A picture as JPEG, upright."""

    jpeg: bytes = field(repr=False)
    width_px: int
    height_px: int


def for_print(content: bytes, *, side_px_max: int, pixels_max: int, reference: str) -> Photograph:
    """The picture of an attachment, its longer side at most `side_px_max`; a smaller one keeps its pixels.

    `pixels_max` as in `decode`, which tells what is raised; `reference` names the picture in errors.
    """
    pixels = decode(content, pixels_max=pixels_max, reduce_to_px=side_px_max, reference=reference)
    height, width = pixels.shape[:2]
    longer = max(height, width)
    if longer > side_px_max:
        size = (max(1, round(width * side_px_max / longer)), max(1, round(height * side_px_max / longer)))
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
    jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=QUALITY, colorsubsampling="420")
    return Photograph(jpeg, pixels.shape[1], pixels.shape[0])
