"""A PNG is judged with all of its rows or refused, whatever its packed rows say of their own end."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
import pytest
from PIL import Image
from tocsin.errors import ImageTruncated
from tocsin.image.decode import decode
from tocsin.image.types import Pixels

from tests.support.pictures import encoded, textured

PASSES: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column, first row, and the steps to the next of each pass (PNG, third edition, 8.1)."""
SAMPLES: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Colour type -> samples a pixel."""
KINDS: Final = [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8), (4, 8), (4, 16), (6, 8), (6, 16)]
"""Every colour type with every number of bits that it may have (PNG, third edition, table 11.1)."""
SIZES: Final = [(1, 1), (3, 5), (5, 3), (9, 2), (2, 9), (64, 64)]


def pixels_of(content: bytes) -> Pixels:
    return decode(content, pixels_max=1_000_000, reduce_to_px=None, reference="Media/m1")


def by_pillow(content: bytes) -> Pixels:
    """For pictures without transparency and of 8 bits at most."""
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        return np.asarray(image.convert("RGB"))


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def rows_of(width: int, height: int, kind: tuple[int, int], *, interlaced: bool = False) -> list[bytes]:
    """Rows of noise, each with its filter, in the order in which a file holds them."""
    bits, chance = SAMPLES[kind[0]] * kind[1], np.random.default_rng(width)
    passes = PASSES if interlaced else ((0, 0, 1, 1),)
    return [
        bytes([number % 5, *chance.integers(0, 256, -(-len(columns) * bits // 8), dtype=np.uint8)])
        for left, top, over, down in passes
        if (columns := range(left, width, over))
        for number in range(len(range(top, height, down)))
    ]


def png_of(width: int, height: int, kind: tuple[int, int], rows: Sequence[bytes], *, interlaced: bool = False) -> bytes:
    """A file of these rows that is in order but for how many they are: checksums, the end of the packed rows, and its own end."""
    colour_type, bits = kind
    palette = chunk(b"PLTE", bytes(range(256)) * 3) if colour_type == 3 else b""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, int(interlaced)))
    return b"".join([b"\x89PNG\r\n\x1a\n", header, palette, chunk(b"IDAT", zlib.compress(b"".join(rows))), chunk(b"IEND", b"")])


def without_a_checksum(png: bytes) -> bytes:
    """The file up to the last of its packed rows, whose chunk loses its checksum."""
    return png[:-16]


FILES: Final[list[Callable[[bytes], bytes]]] = [bytes, without_a_checksum]


@pytest.mark.parametrize("file", FILES, ids=["in order", "without a checksum"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 32, 63])
def test_a_png_whose_rows_stop_early_is_refused_though_everything_else_is_in_order(
    count: int, kind: tuple[int, int], file: Callable[[bytes], bytes]
) -> None:
    rows = rows_of(64, 64, kind)
    with pytest.raises(ImageTruncated, match="its rows end early"):
        pixels_of(file(png_of(64, 64, kind, rows[:count])))


@pytest.mark.parametrize("file", FILES, ids=["in order", "without a checksum"])
@pytest.mark.parametrize("size", SIZES[1:])
def test_an_interlaced_png_is_refused_after_any_row_but_its_last(size: tuple[int, int], file: Callable[[bytes], bytes]) -> None:
    rows = rows_of(*size, (2, 8), interlaced=True)
    for count in range(len(rows)):
        with pytest.raises(ImageTruncated, match="its rows end early"):
            pixels_of(file(png_of(*size, (2, 8), rows[:count], interlaced=True)))


def test_a_row_that_lacks_its_last_byte_is_missing() -> None:
    *rows, last = rows_of(64, 64, (2, 8))
    with pytest.raises(ImageTruncated, match="its rows end early"):
        pixels_of(png_of(64, 64, (2, 8), [*rows, last[:-1]]))


def test_bytes_behind_the_packed_rows_do_not_pass_for_rows() -> None:
    rows = rows_of(64, 64, (2, 8))
    png = png_of(64, 64, (2, 8), rows[:20])
    second = chunk(b"IDAT", zlib.compress(b"".join(rows[20:])))
    with pytest.raises(ImageTruncated, match="its rows end early"):
        pixels_of(png[:-12] + second + png[-12:])


@pytest.mark.parametrize("file", FILES, ids=["in order", "without a checksum"])
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_a_png_with_all_its_rows_is_judged(
    size: tuple[int, int], kind: tuple[int, int], interlaced: bool, file: Callable[[bytes], bytes]
) -> None:
    whole = png_of(*size, kind, rows_of(*size, kind, interlaced=interlaced), interlaced=interlaced)
    pixels = pixels_of(file(whole))
    assert pixels.shape == (size[1], size[0], 3)
    if kind[0] in (0, 2, 3) and kind[1] <= 8:
        assert np.array_equal(pixels, by_pillow(whole))


@pytest.mark.parametrize("more", [b"\0", bytes(200_000_000)], ids=["a byte", "what would fill a machine"])
def test_what_stands_behind_the_last_row_is_no_pixel_and_is_not_unpacked(more: bytes) -> None:
    rows = rows_of(64, 64, (2, 8))
    assert np.array_equal(pixels_of(png_of(64, 64, (2, 8), [*rows, more])), pixels_of(png_of(64, 64, (2, 8), rows)))


def parted(png: bytes, sizes: Iterator[int]) -> bytes:
    """The same picture, with its packed rows in chunks of these sizes."""
    begin = png.index(b"IDAT") - 4
    length = int.from_bytes(png[begin : begin + 4], "big")
    packed, parts = png[begin + 8 : begin + 8 + length], list[bytes]()
    while packed:
        size = next(sizes)
        parts.append(chunk(b"IDAT", packed[:size]))
        packed = packed[size:]
    return b"".join([png[:begin], *parts, png[begin + 12 + length :]])


def test_rows_may_be_packed_in_chunks_of_any_size_none_included() -> None:
    png = encoded(textured(90, 70), "PNG")
    chance = np.random.default_rng(3)
    assert np.array_equal(pixels_of(parted(png, iter(lambda: int(chance.integers(0, 40)), -1))), by_pillow(png))


@pytest.mark.parametrize("picture", [Image.new("RGB", (1200, 900), "tan"), textured(1200, 900)], ids=["one tone", "textured"])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_a_picture_of_many_pieces_is_the_one_that_pillow_reads(picture: Image.Image, level: int) -> None:
    large = encoded(picture, "PNG", compress_level=level)
    assert np.array_equal(decode(large, pixels_max=2_000_000, reduce_to_px=None, reference="Media/m1"), np.asarray(picture))
