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
_PACKED_BYTES: Final = 1 << 16
"""So much of the packed rows is unpacked at a time; what is left of it is copied for each piece."""
_PIECE_BYTES: Final = 0xFFFF
"""As much as one stored block of a deflated stream may hold (RFC 1951, 3.2.4)."""
_DEFLATED: Final = b"\x78\x01"
"""Header of a deflated stream (RFC 1950, 2.2)."""


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
_NO_ROWS: Final = _Chunk(b"IDAT", memoryview(b""), True, b"").packed()


class _Rowed(PngImagePlugin.PngImageFile):
    """Pillow's image of a PNG without rows, which are given to it unpacked.

    Pillow takes the end of a deflated stream for the end of the picture, whatever row it has come to. The stream that it reads here never
    ends, so that the picture does when its last row is there; else nothing more comes, and Pillow calls it truncated.
    """

    def __init__(self, bare: bytes, rows: Iterator[bytes]) -> None:
        """`bare` as in `_NO_ROWS`. Raises what Pillow raises where the header is damaged."""
        super().__init__(io.BytesIO(bare))
        self._stored = _stored(rows)

    def load_read(self, read_bytes: int) -> bytes:
        """The stream's next bytes, however many were asked for; none where the rows have ended."""
        return next(self._stored, b"")


class _Rows:
    """A PNG's rows, unpacked once in pieces of at most _PIECE_BYTES, each of them only when it is asked for."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._unpacking = zlib.decompressobj()

    def __iter__(self) -> Iterator[bytes]:
        """The pieces, empty ones among them. Raises zlib.error where the packed rows are damaged."""
        for chunk in _chunks(self._content):
            for begin in range(0, len(chunk.data) if chunk.name == b"IDAT" else 0, _PACKED_BYTES):
                left: bytes | memoryview = chunk.data[begin : begin + _PACKED_BYTES]
                while left and not self.ended:
                    yield self._unpacking.decompress(left, _PIECE_BYTES)
                    left = self._unpacking.unconsumed_tail
        yield self._unpacking.decompress(b"", _PIECE_BYTES)  # what waits behind the last byte of rows that have lost their end

    @property
    def ended(self) -> bool:
        """Whether their end was unpacked, with a right checksum of their own."""
        return self._unpacking.eof


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
        """Bytes of memory that `pixels` takes at its peak besides the content, at most.

        Measured: 4 bytes a pixel in Pillow, and 3 bytes a pixel that are left. The rest is to spare, and settings reckon with it.
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
        except (*UNREADABLE, zlib.error) as error:
            pass_on_lack_of_memory(error)
            raise self._damaged("its rows end early or are damaged") from None
        del image  # turning copies the pixels, and Pillow's image holds them once more
        self.blemishes += [] if colours.blemish is None else [colours.blemish]
        return upright(pixels, camera.orientation)

    def _image(self, notes: Notes) -> _Rowed:
        """Pillow's image of the chunks alone that hold pixels; `notes` takes the others.

        No other chunk can then stand in the pixels' way, unpack to gigabytes or animate the picture.
        """
        parts, ended = [SIGNATURE], False
        for chunk in _chunks(self.content):
            if chunk.name in _PIXELS:
                self._check(chunk)
                parts.append(_NO_ROWS if chunk.name == b"IDAT" else chunk.packed())
            elif chunk.name == b"IEND":
                ended = True
            elif chunk.whole and not chunk.name[0] & 0x20:
                raise NotAnImage("a PNG with a critical chunk that Tocsin does not know", reference=self.reference)
            elif chunk.whole:
                notes.take(chunk.name, chunk.data, sound=chunk.sound)
        self.blemishes += [] if ended else ["its end is missing"]
        self.blemishes += [] if notes.pictures < 2 else ["it holds several pictures, of which the first was judged"]
        try:
            return _Rowed(b"".join([*parts, _END]), iter(_Rows(self.content)))
        except UNREADABLE:
            raise self._damaged("its header is damaged or its rows are missing") from None

    def _check(self, chunk: _Chunk) -> None:
        if not chunk.whole or (len(chunk.checksum) < 4 and not self._is_complete()):
            raise self._damaged("it ends within its pixels")
        if len(chunk.checksum) == 4 and not chunk.sound:
            raise self._damaged("a checksum of its pixels is wrong")

    def _is_complete(self) -> bool:
        """Whether the packed rows end with a right checksum of their own, so that the chunk's is not missed."""
        rows = _Rows(self.content)
        try:
            for _ in rows:
                pass
        except zlib.error:
            return False
        return rows.ended

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


def _stored(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """A deflated stream that holds the pieces as they are, each as a stored block of which none is the last (RFC 1951, 3.2.4)."""
    yield _DEFLATED
    for piece in filter(None, pieces):
        yield b"".join([struct.pack("<BHH", 0, len(piece), len(piece) ^ 0xFFFF), piece])


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
