"""Decodes a PNG to upright RGB pixels, or refuses it where a pixel is missing or damaged.

W3C PNG, third edition.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from PIL import PngImagePlugin

from tocsin.errors import ImageTruncated, NotAnImage
from tocsin.image.buffers import Lend
from tocsin.image.exif import upright
from tocsin.image.pillow import UNREADABLE, pass_on_lack_of_memory, rgb_of
from tocsin.image.png_notes import Notes
from tocsin.image.types import Pixels

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"

_PIXELS: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT"})
"""Chunks that hold the pixels. PNG gives a chunk's name a small first letter where a picture can be shown without it."""
_MOTION: Final = frozenset({b"acTL", b"fcTL", b"fdAT"})
"""Chunks of an animated PNG's other pictures, and of when each is shown."""
_GREY: Final = frozenset({0, 4})
"""IHDR's colour types for grey pictures."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    name: bytes
    data: memoryview
    whole: bool
    """Whether all of the chunk's data is there."""
    checksum: bytes
    """The checksum that the chunk states; fewer than four bytes where the file ends early."""

    @property
    def sound(self) -> bool:
        return self.checksum == self._reckoned()

    def packed(self) -> bytes:
        return b"".join([len(self.data).to_bytes(4, "big"), self.name, self.data, self._reckoned()])

    def _reckoned(self) -> bytes:
        return zlib.crc32(self.data, zlib.crc32(self.name)).to_bytes(4, "big")


_END: Final = _Chunk(b"IEND", memoryview(b""), True, b"").packed()


@dataclass(slots=True)
class Png:
    """A PNG picture of which the header was read."""

    content: bytes = field(repr=False)
    reference: str
    width: int
    height: int
    grey: bool
    blemishes: list[str] = field(default_factory=list)
    """What is wrong with the picture though all its pixels are there."""

    @classmethod
    def opened(cls, content: bytes, reference: str) -> Png:
        """A PNG of which the header alone was read.

        Raises NotAnImage for a kind that is not read, and ImageTruncated where the header ends early or is damaged.
        """
        first = next(_chunks(content), None)
        if first is None or not first.whole:
            raise ImageTruncated("the PNG ends within its header", reference=reference)
        if first.name != b"IHDR":
            raise NotAnImage(
                "a PNG whose first chunk is not its header (IHDR), as in the variant that some devices write for themselves",
                reference=reference,
            )
        if len(first.data) != 13 or not first.sound:
            raise ImageTruncated("the PNG's header is damaged", reference=reference)
        width, height = struct.unpack(">II", first.data[:8])
        if width == 0 or height == 0:
            raise NotAnImage(f"a PNG whose header says {width} x {height} pixels", reference=reference)
        return cls(content, reference, width, height, grey=first.data[9] in _GREY)

    @property
    def unfolding_bytes(self) -> int:
        """Bytes of memory that `pixels` takes at its peak besides the content, measured.

        They are the chunks again, 4 bytes a pixel in Pillow, and 3 bytes a pixel that are left.
        """
        return len(self.content) + 8 * self.width * self.height

    def pixels(self, reduce_to_px: int | None, lend: Lend) -> Pixels:
        """The picture's pixels, upright. Raises ImageTruncated where one is damaged or missing, and NotAnImage.

        `reduce_to_px` and `lend` are for JPEGs: a PNG is decoded whole, by Pillow, in memory of its own.
        """
        notes = Notes()
        image = self._image(notes)
        camera = notes.camera()
        colours = notes.colours("L" if self.grey else "RGB", camera)
        try:
            pixels = rgb_of(image, colours)
        except UNREADABLE as error:
            pass_on_lack_of_memory(error)
            raise self._damaged("its rows end early or are damaged") from None
        del image  # turning copies the pixels, and Pillow's image holds them once more
        self.blemishes += [] if colours.blemish is None else [colours.blemish]
        return upright(pixels, camera.orientation)

    def _image(self, notes: Notes) -> PngImagePlugin.PngImageFile:
        """Pillow's image of the chunks alone that hold pixels; `notes` takes the others.

        No other chunk can then stand in the pixels' way, unpack to gigabytes or animate the picture.
        """
        parts, ended = [SIGNATURE], False
        for chunk in _chunks(self.content):
            if chunk.name in _PIXELS:
                self._check(chunk)
                parts.append(chunk.packed())
            elif chunk.name == b"IEND":
                ended = True
            elif chunk.whole and not chunk.name[0] & 0x20:
                raise NotAnImage("a PNG with a critical chunk that Tocsin does not know", reference=self.reference)
            elif chunk.whole:
                notes.take(chunk.name, chunk.data, sound=chunk.sound)
        self.blemishes += [] if ended else ["its end is missing"]
        self.blemishes += [] if notes.pictures < 2 else ["it holds several pictures, of which the first was judged"]
        try:
            return PngImagePlugin.PngImageFile(io.BytesIO(b"".join([*parts, _END])))
        except UNREADABLE:
            raise self._damaged("its header is damaged or its rows are missing") from None

    def _check(self, chunk: _Chunk) -> None:
        if not chunk.whole or (len(chunk.checksum) < 4 and not self._is_complete()):
            raise self._damaged("it ends within its pixels")
        if len(chunk.checksum) == 4 and not chunk.sound:
            raise self._damaged("a checksum of its pixels is wrong")

    def _is_complete(self) -> bool:
        """Whether the packed rows end with a right checksum of their own, so that the chunk's is not missed."""
        unpacking = zlib.decompressobj()
        try:
            for chunk in _chunks(self.content):
                left: bytes | memoryview = chunk.data if chunk.name == b"IDAT" else b""
                while left and not unpacking.eof:
                    unpacking.decompress(left, 1 << 20)
                    left = unpacking.unconsumed_tail
        except zlib.error:
            return False
        return unpacking.eof

    def _damaged(self, what: str) -> ImageTruncated:
        return ImageTruncated(f"the PNG ends early or is damaged: {what}", reference=self.reference)


def still(content: bytes) -> bytes:
    """The PNG without what would animate it: whoever shows it shows the picture that is judged, and no other in its place."""
    if not any(name in content for name in _MOTION):
        return content
    parts, at = [SIGNATURE], len(SIGNATURE)
    for chunk in _chunks(content):
        end = at + 12 + len(chunk.data)
        parts += [] if chunk.name in _MOTION else [content[at:end]]
        at = end
    return b"".join([*parts, content[at:]])


def _chunks(content: bytes) -> Iterator[_Chunk]:
    """Each chunk, up to the end chunk or to where the bytes end."""
    whole, at = memoryview(content), len(SIGNATURE)
    while at + 8 <= len(content):
        length, name = int.from_bytes(whole[at : at + 4], "big"), bytes(whole[at + 4 : at + 8])
        begin, end = at + 8, at + 8 + length
        yield _Chunk(name, whole[begin:end], end <= len(content), bytes(whole[end : end + 4]))
        if name == b"IEND":
            return
        at = end + 4
