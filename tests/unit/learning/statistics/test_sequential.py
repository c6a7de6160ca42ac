"""Alarms that may be looked at after every label: how often they are false, and how soon they come."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta, binom
from tocsin.learning.statistics.columns import Unusable
from tocsin.learning.statistics.sequential import PRIOR, Stream, log_evidence, merged, named

from tests.learning.alarms import LIMIT, NEVER, delays


def test_false_alarms_stay_below_5_of_100_over_600_cases() -> None:
    assert (delays(LIMIT, 200, 1) < NEVER).mean() <= 0.05


@pytest.mark.parametrize(("true", "cancers"), [(0.2, 25), (0.45, 8)])
def test_an_alarm_comes_soon(true: float, cancers: int) -> None:
    assert np.median(delays(true, 150, 3, cases=100)) <= cancers


@pytest.mark.parametrize(("failed", "seen", "limit"), [(0, 0, 0.05), (3, 10, 0.05), (1, 60, 0.05), (20, 60, 0.3)])
def test_the_evidence_is_the_likelihood_averaged_over_worse_rates(failed: int, seen: int, limit: float) -> None:
    def share(p: float) -> float:
        return float(binom.pmf(failed, seen, p) * beta.pdf(p, *PRIOR))

    average = quad(share, limit, 1)[0] / float(beta.sf(limit, *PRIOR))
    assert log_evidence(failed, seen, limit) == pytest.approx(math.log(average / float(binom.pmf(failed, seen, limit))), abs=1e-6)


@pytest.mark.parametrize("seen", [1, 7, 25])
def test_at_the_limit_the_evidence_is_worth_1_and_below_it_less(seen: int) -> None:
    def worth(rate: float) -> float:
        return sum(float(binom.pmf(k, seen, rate)) * math.exp(log_evidence(k, seen, LIMIT)) for k in range(seen + 1))

    assert worth(LIMIT) == pytest.approx(1)
    assert worth(0.03) < 1


def test_a_stream_is_plain_numbers_and_an_alarm_stays() -> None:
    stream = Stream(0.05, "model/1")
    for _ in range(4):
        stream = stream.after(True)
    assert stream.alarms()
    for _ in range(400):
        stream = stream.after(False)
    assert stream.log_evidence < 0
    assert stream.alarms()
    assert Stream(**json.loads(json.dumps(asdict(stream)))) == stream


def test_another_version_starts_anew() -> None:
    stream = Stream(0.05, "model/1", seen=4, failed=4, highest=9.0)
    after = stream.after(False, "model/2")
    assert (after.version, after.seen, after.failed, after.alarms()) == ("model/2", 1, 0, False)
    assert stream.after(False, "model/1").seen == 5


def test_long_good_streams_and_long_bad_ones_stay_numbers() -> None:
    assert log_evidence(0, 1_000_000, 0.05) < -10
    assert log_evidence(1_000_000, 1_000_000, 0.05) > 1e5
    assert not math.isnan(log_evidence(50_000, 1_000_000, 0.05))


def test_streams_are_averaged_and_named_by_holm() -> None:
    good, bad, worse = (Stream(0.05, "1", 40, failed, max(0.0, log_evidence(failed, 40, 0.05))) for failed in (1, 9, 20))
    streams = {"good": good, "bad": bad, "worse": worse}
    mean = np.mean([math.exp(each.log_evidence) for each in streams.values()])
    assert merged(streams) == pytest.approx(math.log(mean))
    assert named(streams) == ("worse", "bad")
    assert named({f"{n}": good for n in range(3)}) == ()
    just = Stream(0.05, "1", 5, 2, math.log(21))
    assert named({"just": just}) == ("just",)
    assert named({"just": just, "good": good}) == ()
    assert merged({}) == 0


@pytest.mark.parametrize(("limit", "seen", "failed"), [(0.0, 0, 0), (1.0, 0, 0), (0.05, 1, 2)])
def test_what_is_no_stream_is_refused(limit: float, seen: int, failed: int) -> None:
    with pytest.raises(Unusable):
        Stream(limit, "1", seen, failed)
