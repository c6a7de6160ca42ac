"""Rates come from two answers of one process and are never negative; quantiles are those that Prometheus estimates."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

import pytest
from tocsin.telemetry.top.growth import STEPS, WINDOW_S, Growth, History, Scrape, grown, quantile, with_scrape
from tocsin.telemetry.top.samples import Samples, Series

PUBLISHED = Series("tocsin_events_total", (("ending", "published"),))
REFUSED = Series("tocsin_events_total", (("ending", "refused"),))
LAG = Series("tocsin_consumer_lag", ())


def history(*scrapes: tuple[float, Samples]) -> History:
    made: History = ()
    for at_s, values in scrapes:
        made = with_scrape(made, Scrape(at_s, values))
    return made


def growth(*scrapes: tuple[float, Samples]) -> Growth:
    found = grown(history(*scrapes))
    assert found is not None
    return found


def test_a_rate_is_what_was_counted_between_two_answers_in_each_second() -> None:
    assert growth((10.0, {PUBLISHED: 100.0}), (14.0, {PUBLISHED: 120.0})).per_second == {PUBLISHED: 5.0}


def test_one_answer_gives_no_rate() -> None:
    assert grown(()) is None
    assert grown(history((10.0, {PUBLISHED: 100.0}))) is None


def test_two_answers_of_the_same_moment_give_no_rate() -> None:
    assert grown(history((10.0, {PUBLISHED: 1.0}), (10.0, {PUBLISHED: 2.0}))) is None


def test_a_series_that_appears_counts_from_0() -> None:
    assert growth((10.0, {PUBLISHED: 100.0}), (11.0, {PUBLISHED: 100.0, REFUSED: 3.0})).values == {PUBLISHED: 0.0, REFUSED: 3.0}


def test_a_gauge_has_no_rate() -> None:
    assert growth((10.0, {LAG: 5.0}), (11.0, {LAG: 2.0})).values == {}


def test_a_process_that_was_started_anew_counts_from_0_after_the_last_answer_before_that() -> None:
    found = growth((10.0, {PUBLISHED: 90.0}), (20.0, {PUBLISHED: 100.0}), (24.0, {PUBLISHED: 8.0}))
    assert (found.seconds, found.values) == (4.0, {PUBLISHED: 8.0})


def test_a_new_process_is_known_also_where_one_of_its_counts_is_higher_already() -> None:
    found = growth((10.0, {PUBLISHED: 4.0, REFUSED: 1.0}), (14.0, {PUBLISHED: 8.0}))
    assert found.values == {PUBLISHED: 8.0}


def test_only_the_last_minute_counts_and_few_answers_are_kept() -> None:
    made = history(*((float(second), {PUBLISHED: float(second)}) for second in range(300)))
    found = grown(made)
    assert found is not None
    assert WINDOW_S * (1 - 1 / STEPS) <= found.seconds <= WINDOW_S
    assert found.per_second == {PUBLISHED: 1.0}
    assert len(made) <= STEPS + 2


def test_answers_further_apart_than_the_window_are_compared_all_the_same() -> None:
    assert growth((0.0, {PUBLISHED: 0.0}), (600.0, {PUBLISHED: 60.0})).per_second == {PUBLISHED: 0.1}


@pytest.mark.parametrize(
    ("share", "buckets", "wanted"),
    [
        (0.5, {1.0: 10.0, 2.0: 10.0, inf: 10.0}, 0.5),
        (0.95, {1.0: 0.0, 2.0: 100.0, inf: 100.0}, 1.95),
        (0.5, {1.0: 2.0, 2.0: 4.0, 4.0: 8.0, inf: 8.0}, 2.0),
        (0.95, {1.0: 50.0, 2.0: 60.0, inf: 100.0}, 2.0),
        (0.5, {1.0: 5.0, 2.0: 3.0, inf: 10.0}, 1.0),
        (0.5, {1.0: 0.0, inf: 0.0}, None),
        (0.5, {inf: 7.0}, None),
        (0.5, {1.0: 7.0}, None),
        (0.5, {}, None),
    ],
    ids=["inside the first", "inside a later", "on a bound", "above the last", "fallen counts", "nothing", "no bound", "no end", "none"],
)
def test_a_quantile_is_the_one_that_prometheus_estimates(share: float, buckets: Mapping[float, float], wanted: float | None) -> None:
    assert quantile(share, buckets) == (None if wanted is None else pytest.approx(wanted))
