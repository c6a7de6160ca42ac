"""Decodes an attachment's bytes to upright sRGB pixels, within a limit that is checked before decoding.

One rule for JPEG and PNG: where every pixel is there and undamaged the picture is judged, whatever else is wrong with the file (a warning
says what); where one pixel is missing or damaged, it is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from tocsin.errors import NotAnImage, TooManyPixels
from tocsin.image import jpeg, png
from tocsin.image.buffers import Buffers, Lend, fresh
from tocsin.image.jpeg import Jpeg
from tocsin.image.memory_budget import Allowance
from tocsin.image.png import Png
from tocsin.image.types import Picture, Pixels
from tocsin.telemetry.calls import stage
from tocsin.telemetry.log import logger

T = TypeVar("T")

FORMATS: Final = {"image/jpeg": "JPEG", "image/png": "PNG"}
"""Media type -> format, for the types that are decoded. No other decoder is ever tried."""


def form_of(content: bytes) -> str | None:
    """The format whose signature the bytes begin with, a value of FORMATS; None where they are neither."""
    if content.startswith(jpeg.SIGNATURE):
        return "JPEG"
    return "PNG" if content.startswith(png.SIGNATURE) else None


def decode(content: bytes, *, pixels_max: int, reduce_to_px: int | None, reference: str) -> Pixels:
    """Upright sRGB pixels, uint8 [height, width, 3].

    `reduce_to_px`: JPEGs may be decoded at 1/2, 1/4 or 1/8 size while both sides stay at least this long (libjpeg's scaled
    decoding); None decodes every pixel. Raises NotAnImage, TooManyPixels (from the header, before decoding) or ImageTruncated.
    """
    return _unfold(_opened(content, pixels_max, reference), reduce_to_px, fresh)


class Decoder:
    """Decodes pictures for one model, within a memory allowance that all share. Safe for threads."""

    def __init__(self, allowance: Allowance, *, pixels_max: int, reduce_to_px: int | None) -> None:
        """`pixels_max` and `reduce_to_px` as in `decode`."""
        self._allowance = allowance
        self._pixels_max = pixels_max
        self._reduce_to_px = reduce_to_px
        self._buffers = Buffers()

    def unfolded(self, picture: Picture, look: Callable[[Pixels], T]) -> T:
        """What `look` makes of the picture's pixels, with memory reserved for them and its bytes meanwhile; it must keep neither.

        Raises what `decode` and `look` raise, and Contended(memory) where there is no room in time. A JPEG that is decoded at a smaller
        size counts whole: the header tells what it needs before anything is decoded.
        """
        image = _opened(picture.content, self._pixels_max, picture.media)
        with self._allowance.room(len(picture.content) + image.unfolding_bytes):
            return self._seen(image, look)

    def _seen(self, image: Jpeg | Png, look: Callable[[Pixels], T]) -> T:
        """A function of its own, at whose end nothing refers to the pixels any more."""
        with stage("decode"):
            pixels = _unfold(image, self._reduce_to_px, self._buffers.lend)
        return look(pixels)


def _opened(content: bytes, pixels_max: int, reference: str) -> Jpeg | Png:
    """The picture of which the header alone was read. Raises NotAnImage, TooManyPixels or ImageTruncated."""
    match form_of(content):
        case "JPEG":
            image: Jpeg | Png = Jpeg.opened(content, reference)
        case "PNG":
            image = Png.opened(content, reference)
        case _:
            raise NotAnImage(f"{len(content)} bytes that are no JPEG or PNG", reference=reference)
    if image.width * image.height > pixels_max:
        raise TooManyPixels(f"{image.width} x {image.height} pixels, the limit is {pixels_max}", reference=reference)
    return image


def _unfold(image: Jpeg | Png, reduce_to_px: int | None, lend: Lend) -> Pixels:
    pixels = image.pixels(reduce_to_px, lend)
    if image.blemishes:
        logger().info("picture judged although its file is flawed", media=image.reference, detail="; ".join(image.blemishes))
    return pixels
