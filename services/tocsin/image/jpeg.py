"""Decodes a JPEG to upright RGB pixels, or refuses it where a pixel is missing or damaged.

ITU-T T.81; libjpeg-turbo tells of damage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

import simplejpeg  # type: ignore[import-untyped]  # its stubs come without a py.typed

from tocsin.errors import ImageTruncated, NotAnImage
from tocsin.image.buffers import Buffer, Lend
from tocsin.image.colour import BROKEN, Colours, Kind, adobe_rgb
from tocsin.image.exif import CameraNotes, camera_notes, upright
from tocsin.image.pillow import pass_on_lack_of_memory, rgb_of_cmyk
from tocsin.image.types import Pixels

SIGNATURE: Final = b"\xff\xd8"
SCANS_MAX: Final = 500
"""More scans than any camera writes; each costs a decoder as much time as a picture (libjpeg-turbo's tools have the same limit)."""
SEGMENTS_MAX: Final = 10_000
"""More segments than any camera writes."""

_EOI, _SOS, _COM = 0xD9, 0xDA, 0xFE
_DATA: Final = 0
"""Stands in the place of a marker for the data of a scan."""
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE: Final = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers without a segment behind them (T.81, table B.1)."""
_APP: Final = range(0xE0, 0xF0)
_KINDS: Final[dict[int, Kind]] = {1: "L", 3: "RGB", 4: "CMYK"}
"""Number of colour components -> kind of picture."""
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_JFIF: Final = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"

_MARKER: Final = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
_BEHIND_A_SCAN: Final = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Segment:
    marker: int
    begin: int
    """Offset of the marker's last byte, or of a scan's data; bytes before a marker belong to no segment."""
    payload: int
    end: int


@dataclass(slots=True)
class Jpeg:
    """A JPEG picture of which the header was read."""

    content: bytes = field(repr=False)
    reference: str
    width: int = 0
    height: int = 0
    frame: int = 0
    """Second byte of its SOFn marker."""
    components: tuple[int, ...] = ()
    """Ids of the colour components."""
    exif: bytes | None = field(default=None, repr=False)
    xmp: bytes | None = field(default=None, repr=False)
    blemishes: list[str] = field(default_factory=list)
    """What is wrong with the picture though all its pixels are there."""
    _profile: list[bytes] = field(default_factory=list, repr=False)

    @classmethod
    def opened(cls, content: bytes, reference: str) -> Jpeg:
        """A JPEG of which the header alone was read.

        Raises NotAnImage for a kind that no photograph is, and ImageTruncated where the header ends early or is damaged.
        """
        picture = cls(content, reference)
        for segment in _segments(content, reference):
            picture._take(segment)
            if segment.marker == _SOS:
                break
        else:
            raise ImageTruncated("the JPEG ends within its header", reference=reference)
        if picture.frame == 0:
            raise ImageTruncated("the JPEG's header is damaged", reference=reference)
        return picture

    @property
    def unfolding_bytes(self) -> int:
        """Bytes of memory that `pixels` takes at its peak besides the content, measured; 3 bytes a pixel are left in the end.

        libjpeg keeps a progressive picture's coefficients, CMYK has a byte more a pixel, and turning takes a copy.
        """
        if self.frame in _PROGRESSIVE:
            a_pixel = 13 if len(self.components) == 4 else 10
        elif len(self.components) == 4:
            a_pixel = 8
        else:
            a_pixel = 4 if camera_notes(self.exif, self.xmp).orientation == 1 else 7
        return a_pixel * self.width * self.height

    def pixels(self, reduce_to_px: int | None, lend: Lend) -> Pixels:
        """The picture's pixels, upright. Raises ImageTruncated where one is damaged or missing, and NotAnImage.

        `reduce_to_px`: see image/decode.py. The pixels may lie in what `lend` gives.
        """
        self._look_for_missing_scans()
        camera = camera_notes(self.exif, self.xmp)
        colours = self._colours(camera)
        self.blemishes += [] if colours.blemish is None else [colours.blemish]
        if len(self.components) == 4:
            return upright(rgb_of_cmyk(self._sound("CMYK", reduce_to_px, lend), colours), camera.orientation)
        return upright(colours.applied(self._sound("RGB", reduce_to_px, lend)), camera.orientation)

    def _sound(self, colours: Literal["RGB", "CMYK"], reduce_to_px: int | None, lend: Lend) -> Pixels:
        """The pixels, decoded without a complaint of libjpeg from the content, or else from the bare picture.

        Raises ImageTruncated or NotAnImage where neither can be decoded so.
        """
        width, height = _reduced(self.width, self.height, reduce_to_px)
        buffer = lend(len(colours) * width * height)
        try:
            return _strictly(self.content, colours, width, height, buffer)
        except ValueError as error:
            pass_on_lack_of_memory(error)
        bare, ended = self._bare()
        try:
            pixels = _strictly(bare, colours, width, height, buffer)
        except ValueError as error:
            pass_on_lack_of_memory(error)
            raise self._refusal(bare, str(error)) from None
        self.blemishes.append("its header breaks the rules of JPEG" if ended else "its end marker is missing")
        return pixels

    def _bare(self) -> tuple[bytes, bool]:
        """The bare picture: only what its pixels need, and an end marker; also whether it had one of its own.

        Where that decodes without a complaint, nothing but the end marker was missing, or a segment was wrong that the pixels do not need.
        Raises ImageTruncated where a segment runs past the end of the bytes: its marker may be damage in a scan, and what follows pixels.
        """
        parts, ended, end = [b"\xff\xd8"], False, len(SIGNATURE)
        for segment in _segments(self.content, self.reference):
            end = segment.end
            if segment.marker == _EOI:
                ended = True
            elif segment.marker == 0xE0 and self.content.startswith(b"JFIF\0", segment.payload):
                parts.append(_JFIF)
            elif segment.marker == _DATA:
                parts.append(self.content[segment.begin : segment.end])
            elif segment.marker == 0xEE or not (segment.marker in _APP or segment.marker == _COM):
                parts += [b"\xff", self.content[segment.begin : segment.end]]
        if not ended and self.content[end:].strip(b"\xff"):
            raise ImageTruncated("the JPEG ends early or is damaged (a segment runs past its end)", reference=self.reference)
        return b"".join([*parts, b"\xff\xd9"]), ended

    def _refusal(self, bare: bytes, said: str) -> ImageTruncated | NotAnImage:
        try:
            simplejpeg.decode_jpeg_header(bare, strict=False)
        except ValueError as error:
            pass_on_lack_of_memory(error)
            return NotAnImage(f"a JPEG of a kind that is not read ({error})", reference=self.reference)
        return ImageTruncated(f"the JPEG ends early or is damaged ({said})", reference=self.reference)

    def _colours(self, camera: CameraNotes) -> Colours:
        kind = _KINDS[len(self.components)]
        parts = sorted(self._profile)
        if not parts:
            return adobe_rgb() if camera.adobe_rgb and kind == "RGB" else Colours()
        if [part[0] for part in parts] != list(range(1, parts[0][1] + 1)):
            return BROKEN
        return Colours.of(b"".join(part[2:] for part in parts), kind)

    def _take(self, segment: _Segment) -> None:
        payload = self.content[segment.payload : segment.end]
        if segment.marker in _FRAMES:
            self._take_frame(segment.marker, payload)
        elif segment.marker == 0xE1 and payload.startswith(b"Exif\0\0"):
            self.exif = payload if self.exif is None else self.exif + payload[6:]
        elif segment.marker == 0xE1 and payload.startswith(_XMP):
            self.xmp = payload[len(_XMP) :]
        elif segment.marker == 0xE2 and payload.startswith(b"ICC_PROFILE\0") and len(payload) > 14:
            self._profile.append(payload[12:])

    def _take_frame(self, marker: int, payload: bytes) -> None:
        if len(payload) < 6 or len(payload) < 6 + 3 * payload[5]:
            raise ImageTruncated("the JPEG's header is damaged", reference=self.reference)
        precision, count = payload[0], payload[5]
        if precision != 8:
            raise NotAnImage(f"a JPEG of {precision} bits a sample: only those of 8 are read", reference=self.reference)
        if count not in (1, 3, 4):
            raise NotAnImage(f"a JPEG of {count} colour components: only those of 1, 3 and 4 are read", reference=self.reference)
        self.frame, self.components = marker, tuple(payload[6 : 6 + 3 * count : 3])
        self.height, self.width = int.from_bytes(payload[1:3], "big"), int.from_bytes(payload[3:5], "big")
        if self.height == 0 or self.width == 0:
            raise NotAnImage(f"a JPEG whose header says {self.width} x {self.height} pixels", reference=self.reference)

    def _look_for_missing_scans(self) -> None:
        """Raises ImageTruncated where scans are missing, and NotAnImage where there are more than SCANS_MAX.

        A picture that stops between two scans looks whole to libjpeg, with less detail or colour in it.
        """
        left = {component: [1] * 64 for component in self.components}
        scans = 0
        for segment in _segments(self.content, self.reference):
            if segment.marker != _SOS:
                continue
            scans += 1
            if scans > SCANS_MAX:
                raise NotAnImage(f"a JPEG of more than {SCANS_MAX} scans", reference=self.reference)
            scan = _scan(self.content[segment.payload : segment.end], whole=self.frame not in _PROGRESSIVE)
            for component in left.keys() & scan.components:
                left[component][scan.coefficients] = [scan.bits_left] * len(range(64)[scan.coefficients])
            if not any(map(any, left.values())):
                return
        raise ImageTruncated("the JPEG ends early: some of its scans are missing", reference=self.reference)


@dataclass(frozen=True, slots=True)
class _Scan:
    components: frozenset[int]
    coefficients: slice
    bits_left: int
    """How many of the coefficients' lowest bits later scans bring."""


def _scan(header: bytes, *, whole: bool) -> _Scan:
    """What a scan brings, by its header (T.81, B.2.3); `whole`: all of its components, whatever else the header says."""
    count = header[0] if header else 0
    if len(header) < 4 + 2 * count:
        return _Scan(frozenset(), slice(0), 1)
    components = frozenset(header[1 : 1 + 2 * count : 2])
    first, last, bits = header[1 + 2 * count : 4 + 2 * count]
    return _Scan(components, slice(0, 64), 0) if whole else _Scan(components, slice(first, last + 1), bits & 15)


def _segments(content: bytes, reference: str) -> Iterator[_Segment]:
    """Each segment and each scan's data, up to the end marker or to where the bytes end."""
    at, pattern = len(SIGNATURE), _MARKER
    for _ in range(SEGMENTS_MAX):
        found = pattern.search(content, at)
        if found is None:
            return
        marker, begin = found[1][0], found.start(1)
        if marker == _EOI:
            yield _Segment(marker, begin, begin + 1, begin + 1)
            return
        payload, end = begin + 1, begin + 1
        if marker not in _ALONE:
            length = int.from_bytes(content[begin + 1 : begin + 3], "big")
            if length < 2 or begin + 1 + length > len(content):
                return
            payload, end = begin + 3, begin + 1 + length
        yield _Segment(marker, begin, payload, end)
        at = end
        if marker == _SOS:
            behind = _BEHIND_A_SCAN.search(content, end)
            at = len(content) if behind is None else behind.start()
            yield _Segment(_DATA, end, end, at)
    raise NotAnImage(f"a JPEG of more than {SEGMENTS_MAX} parts", reference=reference)


def _strictly(content: bytes, colours: str, width: int, height: int, buffer: Buffer) -> Pixels:
    """The decoded pixels, of this size, in the buffer. Raises ValueError for whatever libjpeg complains of."""
    pixels: Pixels = simplejpeg.decode_jpeg(content, colours, min_height=height, min_width=width, buffer=buffer, strict=True)
    return pixels


def _reduced(width: int, height: int, reduce_to_px: int | None) -> tuple[int, int]:
    """Width and height at the smallest of 1/1, 1/2, 1/4 and 1/8 that leaves both sides at `reduce_to_px` or above."""
    if reduce_to_px is None:
        return width, height
    fits = [by for by in (8, 4, 2) if min(width, height) // by >= reduce_to_px]
    by = fits[0] if fits else 1
    return -(-width // by), -(-height // by)
