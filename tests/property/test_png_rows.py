"""A PNG that Pillow writes is judged as Pillow reads it; with any number of its rows' bytes missing it is refused."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tocsin.errors import ImageTruncated
from tocsin.image.decode import decode
from tocsin.image.types import Pixels

from tests.support.pictures import encoded, textured

OPAQUE: Final = ("1", "L", "P", "RGB")
MODES: Final = (*OPAQUE, "LA", "RGBA", "I;16")


def pixels_of(content: bytes) -> Pixels:
    return decode(content, pixels_max=100_000, reduce_to_px=None, reference="Media/m1")


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def with_part_of_its_rows(png: bytes, share: float) -> bytes:
    """In order throughout, but for what is missing of its unpacked rows."""
    begin = png.index(b"IDAT") - 4
    end = begin + 12 + int.from_bytes(png[begin : begin + 4], "big")
    rows = zlib.decompress(png[begin + 8 : end - 4])
    return png[:begin] + chunk(b"IDAT", zlib.compress(rows[: int(share * len(rows))])) + png[end:]


@given(
    mode=st.sampled_from(MODES),
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    level=st.integers(0, 9),
    share=st.floats(0, 1, exclude_max=True),
)
@settings(max_examples=150, deadline=None)
def test_a_png_of_any_mode_and_size_is_judged_whole_or_refused(mode: str, width: int, height: int, level: int, share: float) -> None:
    drawn = textured(width, height, seed=width)
    image = Image.fromarray(np.asarray(drawn.convert("L")).astype(np.uint16) * 257) if mode == "I;16" else drawn.convert(mode)
    assert image.mode == mode
    png = encoded(image, "PNG", compress_level=level)
    pixels = pixels_of(png)
    assert pixels.shape == (height, width, 3)
    if mode in OPAQUE:
        assert np.array_equal(pixels, np.asarray(Image.open(io.BytesIO(png)).convert("RGB")))
    with pytest.raises(ImageTruncated, match="its rows end early"):
        pixels_of(with_part_of_its_rows(png, share))
