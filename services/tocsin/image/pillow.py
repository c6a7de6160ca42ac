"""Converts Pillow's pictures to RGB pixels, a strip at a time, so that little is in memory twice."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from PIL import Image

from tocsin.image.colour import Colours, bands
from tocsin.image.types import Pixels

UNREADABLE: Final = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, struct.error)
"""What Pillow raises on a picture that is damaged."""

_NO_MEMORY: Final = ("Insufficient memory", "Memory allocation failure", "tjDecompress2(): Memory allocation failure", "out of memory")
"""How decoders' messages for want of memory begin; nothing else tells them from damage.

Of libjpeg-turbo (jerror.h, turbojpeg.c) and of Pillow's decoders (codec status -9).
"""


def pass_on_lack_of_memory(error: Exception) -> None:
    """Raises MemoryError where a decoder failed for want of memory, which is not the picture's fault."""
    if str(error).startswith(_NO_MEMORY):
        raise MemoryError from None


def rgb_of(image: Image.Image, colours: Colours) -> Pixels:
    """RGB pixels, uint8 [height, width, 3], in sRGB; transparency is laid on white, as a viewer would show it.

    Raises what Pillow raises where the picture is damaged.
    """
    image.load()
    pixels: Pixels = np.empty((image.height, image.width, 3), dtype=np.uint8)
    for rows in bands(image.height, image.width):
        strip = image.crop((0, rows.start, image.width, rows.stop))
        pixels[rows] = colours.applied(np.array(_rgb(strip)))
    return pixels


def rgb_of_cmyk(inks: Pixels, colours: Colours) -> Pixels:
    """RGB pixels, uint8 [height, width, 3], of CMYK inks, uint8 [height, width, 4].

    255 is no ink, as Adobe writes it into JPEGs and others do since.
    """
    pixels: Pixels = np.empty((*inks.shape[:2], 3), dtype=np.uint8)
    for rows in bands(*inks.shape[:2]):
        strip = Image.fromarray(255 - inks[rows], "CMYK")
        pixels[rows] = np.asarray(strip.convert("RGB")) if colours.transform is None else colours.rgb(strip)
    return pixels


def _rgb(image: Image.Image) -> Image.Image:
    """The image in RGB, with 16-bit grey brought to 8 bits and transparency laid on white."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image, dtype=np.uint32) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
