"""A load and Tocsin are read alike, so that their ratio says who kept the model busier."""

from __future__ import annotations

import pytest

from tests.benchmarks.contenders import TOCSIN
from tests.benchmarks.model import IN_FLIGHT, LOAD, WARM_UP, Measured, measured, ratio

EVEN = [number / 20 for number in range(WARM_UP + 100 + IN_FLIGHT)]
"""20 images a second."""


def test_images_a_second_are_those_between_warm_up_and_the_last_requests() -> None:
    slow_start = [each - 30 for each in EVEN[: WARM_UP - 1]]
    slow_end = [each + 30 for each in EVEN[-IN_FLIGHT:]]
    run = measured(LOAD, "apart", [*slow_end, *slow_start, *EVEN[WARM_UP - 1 : -IN_FLIGHT]], triton_s=len(EVEN) * 0.05)
    assert run.images == 100
    assert (run.images_a_second, run.triton_ms) == pytest.approx((20, 50))


def test_the_ratio_is_the_median_of_the_passes_of_one_placement() -> None:
    def run(contender: str, a_second: float) -> Measured:
        return Measured(contender, "apart", 100, a_second, 50.0)

    passes = [(20.0, 19.0), (10.0, 9.7), (20.0, 10.0)]
    runs = [each for load, ours in passes for each in (run(LOAD, load), run(TOCSIN, ours))]
    elsewhere = Measured(TOCSIN, "shared", 100, 1.0, 50.0)
    assert ratio([*runs, elsewhere], "apart") == pytest.approx(0.95)
