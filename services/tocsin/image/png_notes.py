"""What a PNG says of its picture: colours, orientation, and whether it holds several (W3C PNG, third edition, 11.3)."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from tocsin.image.colour import BROKEN, UNKNOWN, Colours, Kind, adobe_rgb
from tocsin.image.exif import CameraNotes, camera_notes
from tocsin.image.profiles import BT2020, P3, SRGB, SRGB_CURVE, Primaries, gamma, rgb_profile

NOTE_BYTES_MAX: Final = 8_388_608
"""Largest colour profile or text that is unpacked; printers' profiles, the largest there are, have some 2 MB."""

_WANTED: Final = frozenset({b"iCCP", b"sRGB", b"cICP", b"gAMA", b"cHRM", b"acTL", b"eXIf", b"tEXt", b"zTXt", b"iTXt"})
_XMP: Final = b"XML:com.adobe.xmp"
_RAW_EXIF: Final = b"Raw profile type exif"
"""Keyword under which ImageMagick writes EXIF: a line with its length, then hexadecimal digits."""
_SRGB_GAMMAS: Final = range(43_182, 47_728)
"""Values of gAMA within 5 per cent of 45455, which programs write for sRGB, though sRGB's curve is no power."""
_CICP_PRIMARIES: Final = {1: SRGB, 9: BT2020, 12: P3}
_CICP_CURVES: Final = {1: SRGB_CURVE, 4: gamma(2.2), 5: gamma(2.8), 8: gamma(1.0), 13: SRGB_CURVE}
"""Code points of ITU-T H.273, tables 2 and 3, without those for high dynamic range and film.

Video's own curve is shown as sRGB's.
"""


@dataclass(slots=True)
class Notes:
    """A PNG's notes as far as they can be read; no note refuses pixels that are whole."""

    profile: bytes | None = None
    """The ICC profile; empty where it is damaged."""
    is_srgb: bool = False
    cicp: bytes | None = None
    gamma: int | None = None
    """100,000 times the exponent that turns light into a pixel's value."""
    chromaticities: bytes | None = None
    pictures: int = 1
    exif: bytes | None = None
    xmp: bytes | None = None

    def take(self, name: bytes, chunk: memoryview, *, sound: bool) -> None:
        """Takes what a whole chunk says; `sound`: its checksum is right."""
        if name not in _WANTED or len(chunk) > NOTE_BYTES_MAX:
            return
        data = bytes(chunk)
        match name:
            case b"iCCP":
                self.profile = (_unpacked(data.partition(b"\0")[2][1:]) if sound else None) or b""
            case _ if not sound:
                return
            case b"sRGB":
                self.is_srgb = True
            case b"cICP" if len(data) == 4:
                self.cicp = data
            case b"gAMA" if len(data) == 4:
                self.gamma = int.from_bytes(data, "big")
            case b"cHRM" if len(data) == 32:
                self.chromaticities = data
            case b"acTL" if len(data) == 8:
                self.pictures = int.from_bytes(data[:4], "big")
            case b"eXIf":
                self.exif = data
            case b"tEXt" | b"zTXt" | b"iTXt" if data.startswith((_XMP + b"\0", _RAW_EXIF + b"\0")):
                self._take_text(name, *data.split(b"\0", 1))

    def _take_text(self, name: bytes, keyword: bytes, rest: bytes) -> None:
        text: bytes | None = rest
        if name == b"zTXt":
            text = _unpacked(rest[1:])
        elif name == b"iTXt":
            packed, text = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
            text = _unpacked(text) if packed else text
        if keyword == _XMP:
            self.xmp = text
        elif self.exif is None and text is not None:
            self.exif = _from_hexadecimal(text)

    def camera(self) -> CameraNotes:
        """The camera's notes from EXIF and XMP."""
        return camera_notes(self.exif, self.xmp)

    def colours(self, kind: Kind, camera: CameraNotes) -> Colours:
        """How pixels of this kind are converted, by the first of the notes (PNG, 4.3).

        The order is cICP, iCCP, sRGB, gAMA with cHRM; else EXIF.
        """
        if self.cicp is not None and (named := _by_code_points(self.cicp)) is not None:
            return named
        if self.profile is not None:
            return Colours.of(self.profile, kind) if self.profile else BROKEN
        if self.is_srgb:
            return Colours()
        if self.gamma is not None or self.chromaticities is not None:
            return _by_light(self.gamma, self.chromaticities)
        if self.cicp is not None:
            return UNKNOWN
        return adobe_rgb() if camera.adobe_rgb else Colours()


def _unpacked(data: bytes) -> bytes | None:
    """The unpacked data; None where it is damaged, or unpacks to more than NOTE_BYTES_MAX."""
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(data, NOTE_BYTES_MAX)
    except zlib.error:
        return None
    return text if unpacking.eof else None


def _from_hexadecimal(text: bytes) -> bytes | None:
    try:
        return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return None


def _by_code_points(cicp: bytes) -> Colours | None:
    """The conversion for cICP's code points; None where they name a colour space that is not known here."""
    primaries, curve, matrix, full_range = cicp
    if primaries not in _CICP_PRIMARIES or curve not in _CICP_CURVES or matrix != 0 or full_range != 1:
        return None
    return Colours.of(rgb_profile(_CICP_PRIMARIES[primaries], _CICP_CURVES[curve]), "RGB")


def _by_light(exponent: int | None, chromaticities: bytes | None) -> Colours:
    primaries = SRGB
    if chromaticities is not None:
        x_and_y = [value / 100_000 for value in struct.unpack(">8I", chromaticities)]
        white, red, green, blue = zip(x_and_y[::2], x_and_y[1::2], strict=True)
        primaries = Primaries(red, green, blue, white)
    if exponent == 0:
        return BROKEN
    curve = SRGB_CURVE if exponent is None or exponent in _SRGB_GAMMAS else gamma(100_000 / exponent)
    try:
        return Colours.of(rgb_profile(primaries, curve), "RGB")
    except (ValueError, struct.error):
        return BROKEN
