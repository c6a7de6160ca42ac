"""A picture with a missing or damaged pixel is refused; one that has them all is judged, whatever else is wrong with it."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from structlog.testing import capture_logs
from tocsin.errors import ContentUnusable, ImageTruncated, NotAnImage
from tocsin.image.decode import decode
from tocsin.image.types import Pixels

from tests.support.pictures import encoded, textured

JPEG = encoded(textured())
PROGRESSIVE = encoded(textured(), progressive=True)
RESTARTING = encoded(textured(), restart_marker_blocks=5)
PNG = encoded(textured(), "PNG")
MISSING_END = "its end marker is missing"


def pixels_of(content: bytes) -> Pixels:
    return decode(content, pixels_max=1_000_000, reduce_to_px=None, reference="Media/m1")


def warnings_of(content: bytes) -> list[str]:
    with capture_logs() as lines:
        pixels_of(content)
    return [f"{line['media']}: {line['detail']}" for line in lines if line["event"] == "picture judged although its file is flawed"]


def scan_of(jpeg: bytes) -> slice:
    return slice(jpeg.index(b"\xff\xda") + 14, len(jpeg) - 2)


def zeroed(content: bytes, begin: int, count: int) -> bytes:
    return content[:begin] + bytes(count) + content[begin + count :]


def cut_scans(jpeg: bytes) -> list[bytes]:
    """What is left of a progressive picture that stops between two scans, with an end marker put behind."""
    return [jpeg[: found.start()] + b"\xff\xd9" for found in re.finditer(rb"\xff\xda", jpeg)][1:]


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def chunks(png: bytes) -> Iterator[tuple[bytes, int, int]]:
    at = 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        yield png[at + 4 : at + 8], at, at + 12 + length
        at += 12 + length


def inserted(png: bytes, *new: bytes) -> bytes:
    """Behind the header."""
    return png[:33] + b"".join(new) + png[33:]


IDAT = next((begin, end) for name, begin, end in chunks(PNG) if name == b"IDAT")
MIDDLE = scan_of(JPEG).start + 3000


@pytest.mark.parametrize(
    "content",
    [
        zeroed(JPEG, MIDDLE, 2048),
        JPEG[: len(JPEG) // 2] + b"\xff\xd9",
        JPEG[: len(JPEG) // 2],
        JPEG[:-2][:-500],
        JPEG[:-2] + b"\xff\xe6\x9a\xd4 of a segment that runs past the end",
        zeroed(PROGRESSIVE, len(PROGRESSIVE) // 3, 1500),
        PROGRESSIVE[: len(PROGRESSIVE) // 2],
        RESTARTING.replace(b"\xff\xd3", b"\xff\xd5", 1),
        RESTARTING.replace(b"\xff\xd2", b"", 1),
        encoded(textured().convert("CMYK"))[: -len(JPEG) // 4],
        zeroed(encoded(textured().convert("CMYK")), MIDDLE, 2048),
        zeroed(encoded(textured().convert("L")), MIDDLE, 1024),
        JPEG[:300],
        *cut_scans(PROGRESSIVE),
    ],
)
def test_a_jpeg_with_damaged_or_missing_pixels_is_refused(content: bytes) -> None:
    with pytest.raises(ImageTruncated, match="Media/m1"):
        pixels_of(content)


@pytest.mark.parametrize(
    "content",
    [
        PNG[: (IDAT[0] + IDAT[1]) // 2],
        zeroed(PNG, (IDAT[0] + IDAT[1]) // 2, 64),
        zeroed(PNG, IDAT[1] - 4, 4),
        PNG[: IDAT[1] - 8],
        PNG[:20],
        PNG[: IDAT[0]],
        zeroed(PNG, 17, 2),
        PNG[: IDAT[0]] + chunk(b"IDAT", zlib.compress(bytes(1000))) + PNG[IDAT[1] :],
    ],
    ids=["cut", "zeroed", "wrong checksum", "cut in the last row", "cut in the header", "no rows", "damaged header", "few rows"],
)
def test_a_png_with_damaged_or_missing_pixels_is_refused(content: bytes) -> None:
    with pytest.raises(ImageTruncated, match="Media/m1"):
        pixels_of(content)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("jpeg", [JPEG, PROGRESSIVE, RESTARTING, encoded(textured().convert("CMYK")), encoded(textured().convert("L"))])
def test_a_jpeg_that_lacks_its_end_marker_alone_is_judged_with_a_warning(jpeg: bytes, count: int) -> None:
    assert np.array_equal(pixels_of(jpeg[:-count]), pixels_of(jpeg))
    assert warnings_of(jpeg[:-count]) == [f"Media/m1: {MISSING_END}"]


@pytest.mark.parametrize("count", [1, 4, 11, 12, 13, 16])
def test_a_png_that_lacks_its_end_alone_is_judged_with_a_warning(count: int) -> None:
    assert np.array_equal(pixels_of(PNG[:-count]), pixels_of(PNG))
    assert warnings_of(PNG[:-count]) == ([] if count <= 4 else ["Media/m1: its end is missing"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (JPEG.replace(b"JFIF\0\1", b"JFIF\0\2"), ["its header breaks the rules of JPEG"]),
        (JPEG[:2] + b"abc" + JPEG[2:], ["its header breaks the rules of JPEG"]),
        (JPEG + b"SEFT" + JPEG + bytes(100), []),
        (JPEG[:-2] + b"\xff\xff\xff\xd9", []),
        (inserted(PNG, b"\0\0\0\4tEXtnote\0\0\0\0"), []),
        (PNG + b"whatever", []),
    ],
    ids=["later JFIF", "bytes before a marker", "bytes behind its end", "fill bytes", "damaged text", "bytes behind a PNG"],
)
def test_what_is_wrong_beside_the_pixels_stands_in_nobodys_way(content: bytes, said: list[str]) -> None:
    assert np.array_equal(pixels_of(content), pixels_of(PNG if content.startswith(b"\x89") else JPEG))
    assert warnings_of(content) == [f"Media/m1: {each}" for each in said]


def test_a_text_that_unpacks_to_gigabytes_is_never_unpacked_and_stands_in_nobodys_way() -> None:
    packed = zlib.compress(bytes(200_000_000))
    bomb = [chunk(b"zTXt", b"note\0\0" + packed), chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + packed)]
    assert np.array_equal(pixels_of(inserted(PNG, *bomb)), pixels_of(PNG))


def test_of_several_pictures_in_one_png_the_first_is_judged_and_a_warning_says_so() -> None:
    frames = encoded(textured(), "PNG", save_all=True, append_images=[textured(seed=2)])
    assert np.array_equal(pixels_of(frames), pixels_of(PNG))
    assert warnings_of(frames) == ["Media/m1: it holds several pictures, of which the first was judged"]


def test_of_several_pictures_in_one_jpeg_the_first_is_judged() -> None:
    frames = encoded(textured(), "MPO", save_all=True, append_images=[textured(seed=2)])
    assert np.array_equal(pixels_of(frames), pixels_of(JPEG))


def frame_of(jpeg: bytes, **changes: int) -> bytes:
    """With other values in the frame's header."""
    at = jpeg.index(b"\xff\xc0")
    places = {"marker": 1, "precision": 4, "sampling": 11}
    patched = bytearray(jpeg)
    for name, value in changes.items():
        patched[at + places[name]] = value
    return bytes(patched)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (frame_of(JPEG, precision=12), "12 bits a sample"),
        (frame_of(JPEG, sampling=0x43), "of a kind that is not read"),
        (frame_of(JPEG, marker=0xC5), "of a kind that is not read"),
        (PNG[:8] + chunk(b"CgBI", b"\0\0\0\0") + PNG[8:], "some devices"),
        (inserted(PNG, chunk(b"ABCD", b"x")), "a critical chunk"),
    ],
    ids=["12 bits", "sampling", "hierarchical", "a device's own PNG", "a part that must be known"],
)
def test_a_kind_of_picture_that_is_not_read_is_called_by_its_name(content: bytes, said: str) -> None:
    with pytest.raises(NotAnImage, match=said):
        pixels_of(content)


def test_a_jpeg_of_a_thousand_scans_costs_no_more_than_its_refusal() -> None:
    begin = PROGRESSIVE.rindex(b"\xff\xda")
    with pytest.raises(ContentUnusable):
        pixels_of(PROGRESSIVE[:begin] + b"\xff\xda\x00\x08\x01\x01\x00\x01\x05\x21\x00" * 1000 + PROGRESSIVE[begin:])
