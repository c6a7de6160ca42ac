"""Pillow's pictures -> RGB pixels, a strip at a time, so that a picture is never held in two forms more than it must."""

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
"""How libjpeg-turbo (jerror.h, turbojpeg.c) and Pillow's decoders (codec status -9) say it; their words are all that is passed on."""


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
    """RGB pixels of ink, uint8 [height, width, 4], as Adobe writes it into JPEGs and others do since: 255 is no ink."""
    pixels: Pixels = np.empty((*inks.shape[:2], 3), dtype=np.uint8)
    for rows in bands(*inks.shape[:2]):
        strip = Image.fromarray(255 - inks[rows], "CMYK")
        pixels[rows] = np.asarray(strip.convert("RGB")) if colours.transform is None else colours.rgb(strip)
    return pixels


def _rgb(image: Image.Image) -> Image.Image:
    """16-bit grey is brought to 8 bits."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image, dtype=np.uint32) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
