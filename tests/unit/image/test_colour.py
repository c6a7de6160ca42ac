"""A lesion looks the same to the model whichever colours its camera writes in."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from structlog.testing import capture_logs
from tocsin.image.decode import decode
from tocsin.image.profiles import ADOBE, BT2020, P3, SRGB, SRGB_CURVE, gamma, rgb_profile
from tocsin.image.types import Pixels

from tests.support.pictures import encoded
from tests.support.profiles import ADOBE_RGB, DISPLAY_P3
from tests.unit.image.test_damage import chunk, inserted

SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def lesion() -> Image.Image:
    """Brown on skin, without hard edges, so that JPEG adds little of its own."""
    y, x = np.mgrid[0:96, 0:128].astype(np.float64)
    inside = 1 / (1 + np.exp((np.hypot(x - 64, y - 48) - 24) / 6))[..., None]
    return Image.fromarray((inside * [110, 65, 50] + (1 - inside) * [222, 176, 158]).round().astype(np.uint8))


def written_in(profile: bytes) -> Image.Image:
    """The same lesion in a profile's colours."""
    written = ImageCms.profileToProfile(lesion(), ImageCms.createProfile("sRGB"), ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    assert written is not None
    written.info.clear()  # else the profile would be saved with it
    return written


def pixels_of(content: bytes) -> Pixels:
    return decode(content, pixels_max=1_000_000, reduce_to_px=None, reference="Media/m1")


def farthest(content: bytes) -> int:
    """How far any value is from the lesion's, of 255."""
    return int(np.abs(pixels_of(content).astype(int) - np.asarray(lesion())).max())


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    return encoded(image, form, **({"quality": 98, "subsampling": 0} if form == "JPEG" else {}), **options)


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("profile", [DISPLAY_P3, ADOBE_RGB, rgb_profile(BT2020, gamma(2.4))], ids=["Display P3", "Adobe RGB", "BT.2020"])
def test_a_picture_is_judged_in_srgb_whatever_profile_it_carries(form: str, profile: bytes) -> None:
    assert farthest(saved(written_in(profile), form)) > 5
    assert farthest(saved(written_in(profile), form, icc_profile=profile)) <= 4


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("profile", [SRGB_PROFILE, rgb_profile(SRGB, SRGB_CURVE)], ids=["lcms", "ours"])
def test_a_profile_that_is_srgb_leaves_every_value_as_it_is(form: str, profile: bytes) -> None:
    assert np.array_equal(pixels_of(saved(lesion(), form, icc_profile=profile)), pixels_of(saved(lesion(), form)))


def adobe_exif(*, by_index: bool) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F] = "camera"
    if by_index:
        exif.get_ifd(0x8769)[0xA001] = 0xFFFF
        exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    else:
        exif.get_ifd(0x8769)[0xA001] = 2
    return exif


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("by_index", [True, False], ids=["interoperability index", "colour space"])
def test_a_camera_that_says_adobe_rgb_without_a_profile_is_believed(form: str, by_index: bool) -> None:
    assert farthest(saved(written_in(ADOBE_RGB), form, exif=adobe_exif(by_index=by_index))) <= 4


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        (b"no profile at all", "damaged"),
        (DISPLAY_P3[:200], "damaged"),
        (DISPLAY_P3.replace(b"RGB XYZ", b"CMYKXYZ"), "damaged|another"),
    ],
    ids=["words", "cut", "for print"],
)
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_profile_that_cannot_be_applied_is_said_and_left(form: str, profile: bytes, said: str) -> None:
    with capture_logs() as lines:
        pixels = pixels_of(saved(lesion(), form, icc_profile=profile))
    assert np.array_equal(pixels, pixels_of(saved(lesion(), form)))
    [line] = lines
    assert line["media"] == "Media/m1"
    assert any(word in line["detail"] for word in said.split("|"))


def test_a_grey_picture_is_read_by_its_grey_profile() -> None:
    linear = b"para" + bytes(8) + struct.pack(">i", 65536)
    tags = [(b"wtpt", b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)), (b"kTRC", linear)]
    index, data, at = struct.pack(">I", 2), b"", 128 + 4 + 24
    for name, element in tags:
        index, data = index + name + struct.pack(">II", at + len(data), len(element)), data + element
    whole = bytearray(rgb_profile(SRGB, SRGB_CURVE)[:128] + index + data)
    whole[0:4], whole[16:20] = struct.pack(">I", len(whole)), b"GRAY"
    grey = Image.new("L", (32, 32), 128)
    for form in ("JPEG", "PNG"):
        assert abs(int(pixels_of(saved(grey, form, icc_profile=bytes(whole)))[5, 5, 0]) - 188) <= 2  # half the light


def note(name: bytes, *values: int) -> bytes:
    return chunk(name, struct.pack(f">{len(values)}{'B' if name in (b'cICP', b'sRGB') else 'I'}", *values))


P3_CHROMATICITIES = note(b"cHRM", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)


@pytest.mark.parametrize(
    ("profile", "notes"),
    [
        (DISPLAY_P3, [note(b"cICP", 12, 13, 0, 1)]),
        (rgb_profile(P3, SRGB_CURVE), [P3_CHROMATICITIES]),
        (rgb_profile(SRGB, gamma(1.0)), [note(b"gAMA", 100_000)]),
        (rgb_profile(ADOBE, gamma(2.2)), [note(b"cHRM", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000), note(b"gAMA", 45454)]),
    ],
    ids=["cICP", "cHRM", "gAMA", "cHRM and gAMA"],
)
def test_a_png_that_tells_its_colours_in_chunks_is_believed(profile: bytes, notes: list[bytes]) -> None:
    assert farthest(inserted(saved(written_in(profile), "PNG"), *notes)) <= 4


@pytest.mark.parametrize(
    "notes",
    [
        [note(b"sRGB", 0), note(b"gAMA", 100_000)],
        [note(b"gAMA", 45_455)],
        [note(b"cICP", 1, 13, 0, 1), P3_CHROMATICITIES],
        [note(b"gAMA", 0)],
        [note(b"cHRM", *[0] * 8)],
        [note(b"cICP", 9, 16, 0, 1)],
    ],
    ids=["sRGB", "usual gamma", "cICP first", "no gamma", "no colours", "wide range"],
)
def test_other_chunks_leave_the_colours_as_they_are(notes: list[bytes]) -> None:
    assert farthest(inserted(saved(lesion(), "PNG"), *notes)) == 0
