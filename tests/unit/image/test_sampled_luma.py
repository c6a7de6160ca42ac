"""What the quality checks look at is the average of each block of pixels, whatever the picture's size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from tocsin.image.loops.ports import LUMA
from tocsin.image.quality import SAMPLE_PX, sampled_luma
from tocsin.image.types import Pixels


def picture(height: int, width: int) -> Pixels:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


def block_averages(pixels: Pixels, step: int) -> npt.NDArray[np.float64]:
    """By the definition, in double precision."""
    rows, columns = pixels.shape[0] // step, pixels.shape[1] // step
    blocks = (pixels[: rows * step, : columns * step] @ LUMA.astype(np.float64)).reshape(rows, step, columns, step)
    averages: npt.NDArray[np.float64] = blocks.mean(axis=(1, 3))
    return averages


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (224, 224), (450, 600), (511, 900), (512, 513), (1200, 1600), (1601, 1199), (771, 4100)]
)
def test_each_value_is_the_average_luma_of_its_block(height: int, width: int) -> None:
    pixels, step = picture(height, width), max(1, min(height, width) // SAMPLE_PX)
    np.testing.assert_allclose(sampled_luma(pixels), block_averages(pixels, step), atol=1e-3)


def test_a_view_of_a_larger_picture_is_read_as_it_is_shown() -> None:
    view = picture(1100, 1200)[::-2, 10:1110][:, ::-1]
    assert np.array_equal(sampled_luma(view), sampled_luma(view.copy()))
