"""What a camera says of its own picture: which way is up, and in which colours it is written."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import ExifTags, Image

from tocsin.image.types import Pixels

ADOBE_RGB: Final = "R03"
"""Interoperability index of DCF's optional colour space, which is Adobe RGB (DCF 2.0, 3.2.2)."""

_UNREADABLE: Final = (OSError, ValueError, SyntaxError, KeyError, IndexError, TypeError, AttributeError, EOFError, struct.error)
"""What Pillow raises on a damaged EXIF block."""


@dataclass(frozen=True, slots=True)
class CameraNotes:
    """A camera's notes as far as they can be read; notes that cannot be read refuse no picture."""

    orientation: int = 1
    """EXIF 2.3 Orientation: 1 is upright."""
    adobe_rgb: bool = False
    """Whether EXIF says that the colours are Adobe RGB, as cameras do that embed no profile."""


def camera_notes(exif: bytes | None, xmp: bytes | None) -> CameraNotes:
    """The notes in a picture's EXIF and XMP blocks; XMP is asked where EXIF states no orientation."""
    carrier = Image.Image()
    carrier.info = {name: block for name, block in (("exif", exif), ("xmp", xmp)) if block}
    try:
        tags = carrier.getexif()
        orientation = tags.get(ExifTags.Base.Orientation)
    except _UNREADABLE:
        return CameraNotes()
    return CameraNotes(orientation if isinstance(orientation, int) else 1, _in_adobe_rgb(tags))


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """The pixels as a viewer would show them, contiguous."""
    match orientation:
        case 2:
            pixels = pixels[:, ::-1]
        case 3:
            pixels = pixels[::-1, ::-1]
        case 4:
            pixels = pixels[::-1]
        case 5:
            pixels = pixels.swapaxes(0, 1)
        case 6:
            pixels = np.rot90(pixels, -1)
        case 7:
            pixels = pixels[::-1, ::-1].swapaxes(0, 1)
        case 8:
            pixels = np.rot90(pixels)
    return np.ascontiguousarray(pixels)


def _in_adobe_rgb(tags: Image.Exif) -> bool:
    try:
        colour_space = tags.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.ColorSpace)
        index = str(tags.get_ifd(ExifTags.IFD.Interop).get(ExifTags.Interop.InteropIndex, ""))
    except _UNREADABLE:
        return False
    return colour_space == 2 or (colour_space != 1 and index.rstrip("\0 ") == ADOBE_RGB)
