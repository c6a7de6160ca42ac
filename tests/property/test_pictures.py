"""Whatever bytes come as a picture, they end in pixels or in one of the refusals that name it, and no damage is ever judged in silence."""

from __future__ import annotations

import numpy as np
import pytest
import simplejpeg  # type: ignore[import-untyped]  # its stubs come without a py.typed
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tocsin.errors import ImageTruncated, NotAnImage, TooManyPixels
from tocsin.image.decode import decode
from tocsin.image.types import Pixels

from tests.support.pictures import encoded, textured
from tests.support.profiles import DISPLAY_P3

SMALL = textured(72, 56)


def with_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif.get_ifd(0x8769)[0xA001] = 6, 2
    return exif


WHOLE = [
    encoded(SMALL),
    encoded(SMALL, progressive=True, icc_profile=DISPLAY_P3),
    encoded(SMALL, restart_marker_blocks=3, exif=with_exif()),
    encoded(SMALL.convert("CMYK")),
    encoded(SMALL.convert("L")),
    encoded(SMALL, "PNG", icc_profile=DISPLAY_P3, exif=with_exif()),
    encoded(SMALL.convert("P"), "PNG", transparency=3),
    encoded(SMALL.convert("LA"), "PNG"),
    encoded(SMALL, "PNG", save_all=True, append_images=[textured(72, 56, seed=2)]),
]


def pixels_of(content: bytes) -> Pixels | None:
    """None where they are refused, as they may be."""
    try:
        return decode(content, pixels_max=100_000, reduce_to_px=None, reference="Media/m1")
    except (NotAnImage, ImageTruncated, TooManyPixels):
        return None


@st.composite
def mutations(draw: st.DrawFn, content: bytes, begin: int = 0) -> bytes:
    """These bytes with some of them changed, left out, doubled or cut off, from `begin` on."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(begin, len(changed)))
        count = draw(st.integers(1, 64))
        match draw(st.sampled_from(["change", "zero", "leave out", "insert", "cut"])):
            case "change":
                changed[at : at + count] = draw(st.binary(min_size=count, max_size=count))[: len(changed[at : at + count])]
            case "zero":
                changed[at : at + count] = bytes(len(changed[at : at + count]))
            case "leave out":
                del changed[at : at + count]
            case "insert":
                changed[at:at] = draw(st.binary(min_size=1, max_size=count))
            case _:
                del changed[at:]
    return bytes(changed)


@given(content=st.binary(max_size=300), begins=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", WHOLE[0][:200], WHOLE[5][:60]]))
def test_any_bytes_end_in_pixels_or_in_a_refusal(content: bytes, begins: bytes) -> None:
    pixels_of(begins + content)


@pytest.mark.parametrize("whole", WHOLE, ids=["jpeg", "progressive", "restarts", "cmyk", "grey", "png", "palette", "alpha", "animated"])
@given(data=st.data())
def test_any_damage_ends_in_pixels_or_in_a_refusal(whole: bytes, data: st.DataObject) -> None:
    pixels = pixels_of(data.draw(mutations(whole)))
    assert pixels is None or (pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8)


@given(data=st.data())
def test_damage_that_libjpeg_complains_of_is_never_judged(data: st.DataObject) -> None:
    whole = WHOLE[0]
    damaged = data.draw(mutations(whole[:-2], whole.index(b"\xff\xda") + 14)) + b"\xff\xd9"
    try:
        simplejpeg.decode_jpeg(damaged, strict=True)
    except ValueError:
        pixels, undamaged = pixels_of(damaged), pixels_of(whole)
        assert undamaged is not None
        assert pixels is None or np.array_equal(pixels, undamaged)  # equal where it lies behind the last pixel


@given(data=st.data())
def test_a_png_whose_rows_changed_is_never_judged(data: st.DataObject) -> None:
    whole = WHOLE[7]
    rows = whole.index(b"IDAT") + 4
    end = rows + int.from_bytes(whole[rows - 8 : rows - 4], "big")
    at = data.draw(st.integers(rows, end - 1))
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(1, 255))
    assert pixels_of(bytes(changed)) is None
