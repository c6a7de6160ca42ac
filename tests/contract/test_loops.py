"""The loops over pixels give the same results, whether C or numpy runs them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from tocsin.image.loops.choice import choice, chosen
from tocsin.image.loops.compiled import LIBRARY, SOURCE, Compiled
from tocsin.image.loops.plain import Plain
from tocsin.image.loops.ports import LUMA, Loops
from tocsin.image.preflight import loops_check
from tocsin.image.quality import light
from tocsin.image.types import Pixels
from tocsin.model_card import QualityLimits

from tests.support.absent import absent
from tests.support.pictures import textured

LIMITS: Final = QualityLimits(
    side_px_min=1, aspect_ratio_max=3, luma_mean_min=30, luma_mean_max=245, luma_deviation_min=3, detail_min=4
)  # fmt: skip
SIDES: Final = st.integers(1, 70)
STEPS: Final = (1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 40, 257, 258, 300)
"""Every way that C takes, and both sides of each border between two."""


def compiled() -> Compiled:
    try:
        return Compiled()
    except FileNotFoundError as reason:
        absent(f"the loops in C: {reason}; install Tocsin where there is a C compiler")


@pytest.fixture(params=[Plain, compiled], ids=["numpy", "C"])
def loops(request: pytest.FixtureRequest) -> Loops:
    made: Callable[[], Loops] = request.param
    return made()


def picture(height: int, width: int, seed: int = 1) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def block_averages(pixels: Pixels, step: int) -> npt.NDArray[np.float64]:
    """By the definition, in double precision."""
    rows, columns = pixels.shape[0] // step, pixels.shape[1] // step
    blocks = (pixels[: rows * step, : columns * step] @ LUMA.astype(np.float64)).reshape(rows, step, columns, step)
    averages: npt.NDArray[np.float64] = blocks.mean(axis=(1, 3))
    return averages


@pytest.mark.parametrize("step", STEPS)
def test_each_value_is_the_average_luma_of_its_block(loops: Loops, step: int) -> None:
    pixels = picture(2 * step + step // 2 + 1, 3 * step + step // 3 + 7)
    np.testing.assert_allclose(loops.luma(pixels, step), block_averages(pixels, step), atol=1e-4)


@pytest.mark.parametrize("step", STEPS)
def test_no_sum_of_a_white_block_runs_over(loops: Loops, step: int) -> None:
    np.testing.assert_allclose(loops.luma(np.full((step, 2 * step, 3), 255, np.uint8), step), 255, atol=1e-4)


def test_rows_wider_than_what_is_made_at_a_time_are_whole(loops: Loops) -> None:
    pixels = picture(9, 5000)
    np.testing.assert_allclose(loops.luma(pixels, 3), block_averages(pixels, 3), atol=1e-4)


@settings(deadline=None)
@given(SIDES, SIDES, st.integers(1, 20), st.integers(0, 9))
def test_both_average_a_picture_of_any_size_to_the_same_luma(h: int, w: int, step: int, seed: int) -> None:
    pixels, step = picture(h, w, seed), min(h, w, step)
    np.testing.assert_allclose(compiled().luma(pixels, step), Plain().luma(pixels, step), atol=1e-4)


@settings(deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 9), st.sampled_from([np.float16, np.float32]))
def test_both_bring_any_size_to_any_other_with_the_same_bits(
    h: int, w: int, height: int, width: int, seed: int, dtype: type[np.floating[Any]]
) -> None:
    pixels = picture(h, w, seed)
    assert_same_bits(compiled().resized(pixels, height, width, dtype), Plain().resized(pixels, height, width, dtype))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("target", [(254, 254), (1, 1), (300, 257), (513, 1)])
@pytest.mark.parametrize("source", [(450, 600), (224, 224), (1201, 1599), (1, 1), (1, 700), (700, 1), (2, 3), (257, 255)])
def test_both_bring_the_sizes_of_cameras_to_those_of_models_with_the_same_bits(
    source: tuple[int, int], target: tuple[int, int], dtype: type[np.floating[Any]]
) -> None:
    pixels = picture(*source)
    assert_same_bits(compiled().resized(pixels, *target, dtype), Plain().resized(pixels, *target, dtype))


def test_all_but_black_becomes_the_same_half(loops: Loops) -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[0, 0] = 1
    assert_same_bits(loops.resized(pixels, 9001, 7, np.float16), Plain().resized(pixels, 9001, 7, np.float16))


def assert_same_bits(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> None:
    assert (one.dtype, one.shape) == (other.dtype, other.shape)
    assert one.tobytes() == other.tobytes()


VIEWS: Final[dict[str, Callable[[Pixels], Pixels]]] = {
    "rows from below": lambda whole: whole[::-1],
    "every second row": lambda whole: whole[::2],
    "columns cut off": lambda whole: whole[:, 10:-7],
    "columns from the right": lambda whole: whole[:, ::-1],
    "turned": lambda whole: np.rot90(whole),
    "colours turned": lambda whole: whole[..., ::-1],
    "without its fourth colour": lambda whole: np.dstack([whole, whole[..., :1]])[..., :3],
    "one column": lambda whole: whole[:, 5:6],
    "one row": lambda whole: whole[5:6],
    "one row again and again": lambda whole: np.broadcast_to(whole[5:6], whole.shape),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_of_a_larger_picture_is_read_as_it_is_shown_and_left_as_it_was(loops: Loops, name: str) -> None:
    whole = picture(90, 110)
    whole.setflags(write=False)
    view = VIEWS[name](whole)
    assert np.array_equal(loops.luma(view, 1), loops.luma(view.copy(), 1))
    assert np.array_equal(loops.resized(view, 31, 37, np.float32), loops.resized(view.copy(), 31, 37, np.float32))
    assert np.array_equal(whole, picture(90, 110))


@pytest.mark.parametrize(("rows", "columns"), [(3, 3), (4, 257), (300, 400), (700, 3), (256, 258), (5, 1030)])
def test_both_measure_the_same(rows: int, columns: int) -> None:
    luma = Plain().luma(picture(rows, columns), 1)
    np.testing.assert_allclose(compiled().measures(luma), Plain().measures(luma), rtol=1e-5)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 9), (2, 300), (300, 2)])
def test_the_detail_of_what_has_no_inside_is_no_number(loops: Loops, rows: int, columns: int) -> None:
    found = loops.measures(loops.luma(picture(rows, columns), 1))
    assert math.isnan(found.detail)
    assert 0 <= found.mean <= 255


@pytest.mark.parametrize("tone", [0, 1, 127, 255])
def test_an_even_tone_deviates_by_nothing(loops: Loops, tone: int) -> None:
    found = loops.measures(loops.luma(np.full((600, 700, 3), tone, np.uint8), 2))
    assert found.mean == pytest.approx(tone, abs=1e-3)
    assert found.deviation == pytest.approx(0, abs=1e-3)
    assert found.detail == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (textured(), None),
        (Image.eval(textured(), lambda value: value // 10), "too-dark"),
        (Image.new("RGB", (320, 240), "white"), "too-bright"),
        (Image.new("RGB", (320, 240), (180, 140, 120)), "empty"),
        (textured().filter(ImageFilter.GaussianBlur(9)), "blurred"),
    ],
    ids=["clear", "too-dark", "too-bright", "empty", "blurred"],
)
def test_a_picture_gets_the_same_verdict(loops: Loops, image: Image.Image, reason: str | None) -> None:
    obstacle = light(loops.measures(loops.luma(np.asarray(image), 1)), LIMITS)
    assert (None if obstacle is None else obstacle.reason) == reason


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.int16), np.zeros((0, 4, 3), np.uint8)],
    ids=["grey", "four colours", "wider values", "no row"],
)
def test_what_is_no_picture_never_reaches_c(pixels: npt.NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="not pixels"):
        compiled().luma(pixels, 1)
    with pytest.raises(ValueError, match="not pixels"):
        compiled().resized(pixels, 2, 2, np.float32)


def test_what_no_loop_makes_never_reaches_c() -> None:
    for height, width in ((0, 2), (2, -1)):
        with pytest.raises(ValueError, match="below 1"):
            compiled().resized(picture(3, 3), height, width, np.float32)
    with pytest.raises(ValueError, match="below 1"):
        compiled().luma(picture(3, 3), 0)
    with pytest.raises(ValueError, match="float16 and float32"):
        compiled().resized(picture(3, 3), 2, 2, np.float64)
    for luma in (np.zeros(3, np.float32), np.zeros((0, 3), np.float32)):
        with pytest.raises(ValueError, match="not luma"):
            compiled().measures(luma)


def test_this_process_uses_the_loops_in_c() -> None:
    compiled()
    assert isinstance(chosen().loops, Compiled)
    assert (chosen().said, chosen().fix) == ("compiled", "")


def test_without_a_library_numpy_does_it_and_the_fix_is_said(tmp_path: Path) -> None:
    found = choice(tmp_path / "pixels.so")
    assert isinstance(found.loops, Plain)
    told = loops_check(found)
    assert (told.passed, told.warning) == (True, True)
    assert "pixels.so: it was not compiled" in told.found
    assert "C compiler" in told.fix


def test_a_library_of_another_source_is_not_used(tmp_path: Path) -> None:
    compiled()
    source = hashlib.sha256(SOURCE.read_bytes()).hexdigest().encode()
    (tmp_path / "old.so").write_bytes(LIBRARY.read_bytes().replace(source, source[::-1]))
    found = choice(tmp_path / "old.so")
    assert isinstance(found.loops, Plain)
    assert "another pixels.c" in found.said


def test_a_file_that_is_no_library_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "pixels.so").write_bytes(b"\x7fELF")
    assert isinstance(choice(tmp_path / "pixels.so").loops, Plain)
