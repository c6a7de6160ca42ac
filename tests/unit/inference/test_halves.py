"""What is sent to the model in half precision is the nearest half of each float, as numpy would round it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.image.loops.plain import halves
from tocsin.inference.tensors import resized

from tests.unit.inference.test_tensors import picture

EVERY_HALF = np.arange(np.float16(6.2e-5).view(np.uint16), np.float16(256).view(np.uint16) + 1, dtype=np.uint16).view(np.float16)
EXACT = EVERY_HALF.astype(np.float32)
BETWEEN = (EXACT[1:] + EXACT[:-1]) / 2


@pytest.mark.parametrize(
    "values",
    [EXACT, BETWEEN, np.nextafter(BETWEEN, np.float32(0)), np.nextafter(BETWEEN, np.float32(300)), np.zeros(3, np.float32)],
    ids=["halves themselves", "ties", "just below a tie", "just above a tie", "black"],
)
def test_every_float_that_a_picture_can_hold_becomes_the_nearest_half(values: npt.NDArray[np.float32]) -> None:
    assert np.array_equal(halves(values.copy()), values.astype(np.float16))


def test_what_is_all_but_black_is_off_by_less_than_the_smallest_half() -> None:
    tiny = np.linspace(0, 6.2e-5, 100_000, dtype=np.float32)
    assert np.abs(halves(tiny.copy()) - tiny.astype(np.float16)).max() <= np.float16(6e-8)


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 300), st.integers(0, 9))
def test_a_picture_in_halves_is_the_picture_in_floats_rounded(h: int, w: int, side: int, seed: int) -> None:
    pixels = picture(h, w, seed)
    exact = resized(pixels, height=side, width=side)
    assert np.array_equal(resized(pixels, height=side, width=side, dtype=np.float16), exact.astype(np.float16))
