"""A picture reaches the model at the model's size, computed as the model was trained on it."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.image.types import Pixels
from tocsin.inference.tensors import resized


def picture(height: int, width: int, seed: int = 1) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def one_pixel(pixels: Pixels, row: int, column: int, height: int, width: int) -> list[float]:
    """The same by plain arithmetic, in double precision."""
    y, x = (row + 0.5) * pixels.shape[0] / height - 0.5, (column + 0.5) * pixels.shape[1] / width - 0.5
    top, bottom = max(math.floor(y), 0), min(math.ceil(y), pixels.shape[0] - 1)
    left, right = max(math.floor(x), 0), min(math.ceil(x), pixels.shape[1] - 1)
    down, across = y - math.floor(y), x - math.floor(x)
    return [
        (float(pixels[top, left, c]) * (1 - across) + float(pixels[top, right, c]) * across) * (1 - down)
        + (float(pixels[bottom, left, c]) * (1 - across) + float(pixels[bottom, right, c]) * across) * down
        for c in range(3)
    ]


def by_plain_arithmetic(pixels: Pixels, height: int, width: int) -> npt.NDArray[np.float64]:
    return np.array([[one_pixel(pixels, row, column, height, width) for column in range(width)] for row in range(height)])


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(0, 9))
def test_any_size_is_brought_to_any_other_as_the_definition_says(h: int, w: int, height: int, width: int, seed: int) -> None:
    pixels = picture(h, w, seed)
    answer = resized(pixels, height=height, width=width)
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer, by_plain_arithmetic(pixels, height, width), atol=1e-3)


@pytest.mark.parametrize(("h", "w"), [(450, 600), (224, 224), (1200, 1600), (1, 1), (1, 700), (700, 1)])
def test_the_sizes_cameras_make_agree_with_the_definition_at_every_tenth_pixel(h: int, w: int) -> None:
    pixels = picture(h, w)
    answer = resized(pixels, height=254, width=254)
    expected = [[one_pixel(pixels, row, column, 254, 254) for column in range(3, 254, 50)] for row in range(3, 254, 50)]
    assert answer.shape == (254, 254, 3)
    np.testing.assert_allclose(answer[3::50, 3::50], expected, atol=0.02)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40))
def test_a_picture_of_the_right_size_is_not_changed(h: int, w: int) -> None:
    pixels = picture(h, w)
    assert (resized(pixels, height=h, width=w) == pixels).all()


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 255))
def test_an_even_tone_stays_that_tone(h: int, w: int, tone: int) -> None:
    assert (resized(np.full((h, w, 3), tone, dtype=np.uint8), height=17, width=23) == tone).all()


def test_nothing_is_averaged_when_a_picture_shrinks() -> None:
    pixels = picture(90, 90)
    assert (resized(pixels, height=30, width=30) == pixels[1::3, 1::3]).all()


def test_the_picture_itself_is_left_as_it_was() -> None:
    pixels = picture(40, 40)
    pixels.setflags(write=False)
    resized(pixels, height=20, width=40)
    assert (pixels == picture(40, 40)).all()


def test_a_view_of_a_larger_picture_is_read_as_it_is_shown() -> None:
    pixels = picture(60, 80)
    view = pixels[::-2, 10:50][:, ::-1]
    assert (resized(view, height=25, width=31) == resized(view.copy(), height=25, width=31)).all()
