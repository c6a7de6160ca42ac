"""Whatever is judged of a JPEG, damaged or not, are the very pixels that Pillow reads, whose decoder complains of less."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import numpy as np
import pytest
from PIL import Image, ImageOps, UnidentifiedImageError
from tocsin.errors import ImageTruncated, NotAnImage, TooManyPixels
from tocsin.image.decode import Decoder, decode
from tocsin.image.memory_budget import Allowance
from tocsin.image.types import Pixels

from tests.builders import picture
from tests.support.pictures import encoded, textured

ROUNDS: Final = 200
"""Damaged pictures of each kind; 42,000 were tried once: 17,799 were judged and read by Pillow, and all of them alike."""
PIXELS_MAX: Final = 100_000
END: Final = b"\xff\xd9"
"""Pillow refuses a picture that lacks its end marker."""

SMALL = textured(72, 56)
REFUSED: Final = (NotAnImage, ImageTruncated, TooManyPixels)


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("RGB", {}),
    "full colour": ("RGB", {"subsampling": 0}),
    "half colour": ("RGB", {"subsampling": 1}),
    "progressive": ("RGB", {"progressive": True}),
    "restarts": ("RGB", {"restart_marker_blocks": 3}),
    "turned": ("RGB", {"exif": turned()}),
    "grey": ("L", {}),
}


def by_pillow(content: bytes) -> Pixels | None:
    """None where Pillow cannot read it: it wants more of a header, and orientations that it can understand."""
    try:
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
            return np.asarray(ImageOps.exif_transpose(image.convert("RGB")))
    except (UnidentifiedImageError, SyntaxError):
        return None


def damaged(content: bytes, chance: np.random.Generator) -> bytes:
    """With one to three bytes changed, or a stretch zeroed, left out or doubled, anywhere behind the first marker."""
    changed = bytearray(content)
    at, count = int(chance.integers(2, len(content))), int(chance.integers(1, 40))
    match chance.integers(5):
        case 0:
            changed[at : at + count] = bytes(len(changed[at : at + count]))
        case 1:
            del changed[at : at + count]
        case 2:
            changed[at:at] = changed[at : at + count]
        case _:
            for place in chance.integers(2, len(content), chance.integers(1, 4)):
                changed[place] ^= int(chance.integers(1, 256))
    return bytes(changed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_jpeg_is_refused_or_shows_what_pillow_shows(kind: str) -> None:
    compared = 0
    for content in damaged_pictures(kind):
        pixels = judged(content)
        shown = by_pillow(content + END) if pixels is not None else None
        if pixels is not None and shown is not None:
            assert np.array_equal(pixels, shown), content.hex()
            compared += 1
    assert 0 < compared < ROUNDS


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_buffer_held_before_changes_neither_pixels_nor_refusals(kind: str) -> None:
    decoder = Decoder(Allowance(100_000_000, 10), pixels_max=PIXELS_MAX, reduce_to_px=None)
    for content in damaged_pictures(kind):
        again = ending(partial(decoder.unfolded, picture(content=content), np.copy))
        assert again == ending(partial(decoded, content)), content.hex()


def damaged_pictures(kind: str) -> Iterator[bytes]:
    mode, options = KINDS[kind]
    whole, chance = encoded(SMALL.convert(mode), **options), np.random.default_rng(len(kind))
    return (damaged(whole, chance) for _ in range(ROUNDS))


def decoded(content: bytes) -> Pixels:
    return decode(content, pixels_max=PIXELS_MAX, reduce_to_px=None, reference="Media/m1")


def judged(content: bytes) -> Pixels | None:
    """None where it is refused."""
    try:
        return decoded(content)
    except REFUSED:
        return None


def ending(decoding: Callable[[], Pixels]) -> bytes | str:
    """The pixels, or how they were refused."""
    try:
        return decoding().tobytes()
    except REFUSED as refused:
        return f"{refused.reason}: {refused}"
