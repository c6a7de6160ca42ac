"""A picture on which nothing can be seen is not assessable, and the report says why."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter
from tocsin.image.decode import decode
from tocsin.image.quality import assess
from tocsin.image.types import Obstacle
from tocsin.model_card import QualityLimits

from tests.builders import card
from tests.support.pictures import encoded, textured

LIMITS = QualityLimits(
    side_px_min=100, aspect_ratio_max=3, luma_mean_min=30, luma_mean_max=245, luma_deviation_min=3, detail_min=4
)  # fmt: skip


def dimmed(image: Image.Image, factor: float) -> Image.Image:
    return Image.fromarray((np.asarray(image) * factor).astype(np.uint8))


def test_a_clear_picture_passes() -> None:
    assert assess(np.asarray(textured()), LIMITS) is None


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (textured(90, 90), "too-small"),
        (textured(1200, 120), "wrong-shape"),
        (dimmed(textured(), 0.1), "too-dark"),
        (Image.new("RGB", (320, 240), "white"), "too-bright"),
        (Image.new("RGB", (320, 240), (180, 140, 120)), "empty"),
        (textured().filter(ImageFilter.GaussianBlur(9)), "blurred"),
    ],
    ids=["too-small", "wrong-shape", "too-dark", "too-bright", "empty", "blurred"],
)
def test_a_picture_on_which_nothing_can_be_seen_is_not_assessable(image: Image.Image, reason: str) -> None:
    obstacle = assess(np.asarray(image), LIMITS)
    assert obstacle is not None
    assert obstacle.reason == reason


BASE = card()
REDUCING = card(
    image=BASE.image.model_dump() | {"height": 224, "width": 224, "reduced_decoding": True},
    accepts=BASE.accepts.model_dump() | {"quality": BASE.accepts.quality.model_dump() | {"side_px_min": 600}},
)


def found_on(side: int, form: str) -> Obstacle | None:
    content = encoded(Image.new("RGB", (side + 20, side), (180, 140, 120)), form)
    pixels = decode(content, pixels_max=10_000_000, reduce_to_px=REDUCING.reduce_to_px, reference="Media/m1")
    return assess(pixels, REDUCING.accepts.quality)


@pytest.mark.parametrize("side", [449, 599, *range(600, 2401, 149)])
def test_a_picture_is_as_large_as_it_is_however_it_is_decoded(side: int) -> None:
    """Between 600 and 1199 pixels a JPEG at half size would be too small."""
    found = found_on(side, "JPEG")
    assert found == found_on(side, "PNG")
    assert found is not None
    assert (found.reason, found.values) == (("too-small", {"short": side, "least": 600}) if side < 600 else ("empty", {}))
