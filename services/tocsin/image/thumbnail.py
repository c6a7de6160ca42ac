"""A small picture for a list: JPEG, upright, sRGB, without anything that the original says beside its pixels."""

from __future__ import annotations

from io import BytesIO
from typing import Final

from PIL import Image

from tocsin.image.decode import decode

QUALITY: Final = 80


def thumbnail(content: bytes, *, side_px: int, pixels_max: int, reference: str) -> bytes:
    """A JPEG whose longer side has `side_px` pixels, or fewer where the original has. Raises what `decode` raises."""
    pixels = decode(content, pixels_max=pixels_max, reduce_to_px=side_px, reference=reference)
    small = Image.fromarray(pixels)
    small.thumbnail((side_px, side_px), Image.Resampling.BOX)
    written = BytesIO()
    small.save(written, "JPEG", quality=QUALITY)
    return written.getvalue()
