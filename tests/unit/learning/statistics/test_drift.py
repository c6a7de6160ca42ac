"""Drift: that its limits have the rate of false alarms that was asked for."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from scipy.stats import chi2
from tocsin.learning.statistics.columns import Unusable
from tocsin.learning.statistics.drift import Cusum, cusum_limit, cusum_run, psi, psi_limit

from tests.learning.alarms import psi_false, run_lengths


def test_a_false_alarm_comes_as_rarely_as_asked_and_a_shift_is_found_soon() -> None:
    limit = cusum_limit(50)
    assert run_lengths(limit, 0.0, 300, 1, 1_000).mean() == pytest.approx(50, rel=0.2)
    assert run_lengths(limit, 1.0, 300, 2, 1_000).mean() == pytest.approx(cusum_run(limit, shift=1.0), rel=0.1)
    assert cusum_run(cusum_limit(365)) == pytest.approx(365)
    assert cusum_limit(365, two_sided=False) < cusum_limit(365)


def test_siegmund_is_close_to_the_table_of_montgomery() -> None:
    """Introduction to Statistical Quality Control, table 9.3, k 0.5, h 4 and 5: average run lengths 168, 465; at shift 1: 8.38, 10.4."""
    assert [cusum_run(4), cusum_run(5)] == pytest.approx([168, 465], rel=0.02)
    assert [cusum_run(4, shift=1), cusum_run(5, shift=1)] == pytest.approx([8.38, 10.4], rel=0.02)


def test_batches_of_any_size_are_measured_by_their_own_error() -> None:
    small, large = (Cusum(0.2, 0.1, 4.0).after(0.25, of) for of in (4, 100))
    assert small.up == pytest.approx(0.05 / 0.05 - 0.5)
    assert large.up == pytest.approx(0.05 / 0.01 - 0.5)
    assert (large.alarms, small.alarms, large.down) == (True, False, 0)
    assert Cusum(0.2, 0.1, 4.0).after(0.1, 100).alarms
    assert Cusum(**json.loads(json.dumps(asdict(large)))) == large


@pytest.mark.parametrize("baseline", [np.full(5, 400), np.array([900, 80, 15, 5])])
def test_the_index_exceeds_its_limit_as_rarely_as_asked(baseline: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    assert 0.01 <= psi_false(baseline, 100, 0.05, 300, 3) <= 0.088  # 0.05, within three standard errors; counts are lumpy below


def test_with_full_bins_the_limit_is_that_of_chi_square() -> None:
    expected = chi2.isf(0.01, 9) * (1 / 5_000 + 1 / 20_000)
    assert psi_limit(np.full(10, 2_000), 5_000, 0.01) == pytest.approx(expected, rel=0.05)
    assert psi_limit([500, 300], 50, 1 / 30) > psi_limit([500, 300], 500, 1 / 30)


def test_the_index_of_what_has_not_moved_is_small_and_an_empty_bin_has_one() -> None:
    assert psi([100, 200, 300], [10, 20, 30]) < 0.01
    assert psi([50, 50], [90, 10]) == pytest.approx((90.5 - 50.5) / 101 * np.log(90.5 / 10.5 * 50.5 / 50.5), rel=1e-6)
    assert 0 < psi([100, 0], [50, 50]) < 10


def test_what_is_no_histogram_or_batch_is_refused() -> None:
    for counts in ([], [0, 0], [1, -1], [np.nan, 1]):
        with pytest.raises(Unusable):
            psi(counts, counts)
    with pytest.raises(Unusable, match="same bins"):
        psi([1, 2], [1, 2, 3])
    with pytest.raises(Unusable, match="limit needs"):
        psi_limit([1, 2], 0, 0.01)
    with pytest.raises(Unusable, match="batch"):
        Cusum(0.2, 0.0, 4.0).after(0.1, 10)
    with pytest.raises(Unusable, match="rarer"):
        cusum_limit(1)
