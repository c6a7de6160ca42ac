"""Attachment bytes -> upright RGB pixels, bounded before anything is unfolded."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
from PIL import Image, UnidentifiedImageError

from tocsin.errors import ImageTruncated, NotAnImage, TooManyPixels
from tocsin.image.allowance import Allowance
from tocsin.image.model import Picture, Pixels

FORMATS: Final = {"image/jpeg": "JPEG", "image/png": "PNG"}
"""Media types taken in, and Pillow's names for them. No other decoder is ever tried."""


UNFOLDING_BYTES_A_PIXEL: Final = 10
"""What unfolding takes at its peak, measured: 4 in Pillow and two copies of 3. A picture that is turned or transparent takes up to 16 for a
moment; 3 are left in the end."""

_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF 2.3 Orientation -> what sets the picture upright; 1 is upright."""


def decode(content: bytes, *, pixels_max: int, reduce_to_px: int | None, reference: str) -> Pixels:
    """Upright RGB pixels, uint8 [height, width, 3].

    `reduce_to_px`: JPEGs may be decoded at 1/2, 1/4 or 1/8 size while both sides stay at least this long (libjpeg's scaled
    decoding); None decodes every pixel. Raises NotAnImage, TooManyPixels (from the header, before decoding) or ImageTruncated.
    """
    return _unfold(_opened(content, pixels_max, reference), reduce_to_px, reference)


class Decoder:
    """Unfolds pictures as one model wants them, within a common allowance of memory. Safe for threads."""

    def __init__(self, allowance: Allowance, *, pixels_max: int, reduce_to_px: int | None) -> None:
        """`pixels_max` and `reduce_to_px` as in `decode`."""
        self._allowance = allowance
        self._pixels_max = pixels_max
        self._reduce_to_px = reduce_to_px

    @contextmanager
    def unfolded(self, picture: Picture) -> Iterator[Pixels]:
        """The picture's pixels, and room for them and its bytes until the block ends; keep nothing of them.

        Raises what `decode` raises, and Contended(memory) where there is no room in time. A JPEG that is decoded at a smaller size counts
        whole: the header tells what it needs before anything is unfolded.
        """
        image = _opened(picture.content, self._pixels_max, picture.media)
        with self._allowance.room(len(picture.content) + UNFOLDING_BYTES_A_PIXEL * image.width * image.height):
            pixels = _unfold(image, self._reduce_to_px, picture.media)
            del image  # it holds the picture a second time
            yield pixels


def _opened(content: bytes, pixels_max: int, reference: str) -> Image.Image:
    """Its header alone."""
    try:
        image = Image.open(io.BytesIO(content), formats=tuple(FORMATS.values()))
    except Image.DecompressionBombError:
        raise TooManyPixels(f"more than {pixels_max} pixels", reference=reference) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        raise NotAnImage(f"{len(content)} bytes that are no JPEG or PNG", reference=reference) from None
    if image.width * image.height > pixels_max:
        raise TooManyPixels(f"{image.width} x {image.height} pixels, the limit is {pixels_max}", reference=reference)
    return image


def _unfold(image: Image.Image, reduce_to_px: int | None, reference: str) -> Pixels:
    if reduce_to_px is not None:
        image.draft("RGB", (reduce_to_px, reduce_to_px))
    try:
        image.load()
        turn = _TURNS.get(_orientation(image))
        pixels: Pixels = np.asarray(_rgb(image if turn is None else image.transpose(turn)))
    except (OSError, ValueError, SyntaxError, EOFError, struct.error):
        raise ImageTruncated("the picture's bytes end early or are damaged", reference=reference) from None
    return pixels


def _orientation(image: Image.Image) -> int:
    """EXIF's Orientation (tag 0x0112), or 1 where EXIF is absent or damaged: the picture itself is whole."""
    try:
        value = image.getexif().get(0x0112)
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, AttributeError, struct.error):
        return 1
    return value if isinstance(value, int) else 1


def _rgb(image: Image.Image) -> Image.Image:
    """Transparency is laid on white, as a viewer would show it; 16-bit grey is brought to 8 bits."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image, dtype=np.uint32) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
