"""Only JPEG and PNG are unfolded, upright, and never more than the limits allow."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from tocsin.errors import ContentUnusable, ImageTruncated, NotAnImage, TooManyPixels
from tocsin.image.decode import decode
from tocsin.image.types import Pixels
from tocsin.settings import ImageSettings

from tests.support.pictures import encoded, textured


def pixels_of(content: bytes, *, pixels_max: int = 1_000_000, reduce_to_px: int | None = None) -> Pixels:
    return decode(content, pixels_max=pixels_max, reduce_to_px=reduce_to_px, reference="Media/m1")


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_pixels_are_rgb_bytes(form: str) -> None:
    pixels = pixels_of(encoded(textured(320, 240), form))
    assert pixels.shape == (240, 320, 3)
    assert pixels.dtype == np.uint8


def test_a_picture_taken_sideways_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to view
    assert pixels_of(encoded(textured(320, 240), exif=exif)).shape == (320, 240, 3)


def test_transparency_is_laid_on_white() -> None:
    assert pixels_of(encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 0)), "PNG")).min() == 255


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1", "I;16"])
def test_every_colour_mode_becomes_rgb(mode: str) -> None:
    form = "JPEG" if mode == "CMYK" else "PNG"
    assert pixels_of(encoded(Image.new(mode, (16, 12)), form)).shape == (12, 16, 3)


def test_a_large_jpeg_may_be_decoded_at_half_size() -> None:
    content = encoded(textured(1600, 1200))
    assert pixels_of(content, pixels_max=2_000_000, reduce_to_px=508).shape == (600, 800, 3)
    assert pixels_of(content, pixels_max=2_000_000).shape == (1200, 1600, 3)


def test_a_decompression_bomb_is_refused_from_its_header() -> None:
    bomb = encoded(Image.new("1", (20_000, 20_000)), "PNG")
    assert len(bomb) < 100_000
    with pytest.raises(TooManyPixels):
        pixels_of(bomb)


def test_the_limit_is_the_settings_own_and_no_librarys() -> None:
    """Pillow refuses 179 million pixels of itself."""
    large = encoded(Image.new("1", (14_000, 13_000)), "PNG")
    with pytest.raises(TooManyPixels, match="14000 x 13000 pixels, the limit is 181999999"):
        pixels_of(large, pixels_max=181_999_999)
    with pytest.raises(ImageTruncated):
        pixels_of(large[:-100], pixels_max=182_000_000)  # taken on: it is cut, so that a test need not unfold it


def test_a_limit_beyond_what_decoders_count_is_refused_at_start() -> None:
    assert ImageSettings(pixels_max=400_000_000).pixels_max == 400_000_000
    with pytest.raises(ValidationError, match="500000000"):
        ImageSettings(pixels_max=500_000_001)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", NotAnImage),
        (b"%PDF-1.7 no picture", NotAnImage),
        (encoded(textured(), "GIF"), NotAnImage),
        (encoded(textured(), "TIFF"), NotAnImage),
        (encoded(textured())[:2000], ImageTruncated),
        (encoded(textured(), "PNG")[:2000], ImageTruncated),
    ],
    ids=["nothing", "pdf", "gif", "tiff", "short jpeg", "short png"],
)
def test_anything_else_is_refused(content: bytes, error: type[ContentUnusable]) -> None:
    with pytest.raises(error, match="Media/m1"):
        pixels_of(content)


def test_damage_at_any_byte_is_a_refusal_or_a_picture_but_never_a_crash() -> None:
    content = encoded(textured(64, 48), "PNG")
    for index in range(0, len(content), max(1, len(content) // 150)):
        damaged = io.BytesIO(content[:index] + bytes([content[index] ^ 0xFF]) + content[index + 1 :])
        try:
            pixels_of(damaged.getvalue())
        except ContentUnusable:
            continue


@pytest.mark.parametrize("seed", range(40))
def test_damaged_exif_never_stands_in_the_way_of_a_whole_picture(seed: int) -> None:
    """Every byte of the EXIF block may be wrong; the picture is upright then, as far as anyone knows."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"
    whole = bytearray(encoded(textured(), exif=exif))
    begin = whole.index(b"Exif") + 6
    random = np.random.default_rng(seed)
    for at in random.integers(begin, begin + len(exif.tobytes()) - 6, 6):
        whole[at] = random.integers(256)
    shape = decode(bytes(whole), pixels_max=1_000_000, reduce_to_px=None, reference="Media/m1").shape
    assert sorted(shape) == [3, 240, 320]
