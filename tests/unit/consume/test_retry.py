"""When a deferred event is tried again."""

from __future__ import annotations

import pytest
from tocsin.consume.flow.retry import RetryPolicy

POLICY = RetryPolicy(attempts_max=3, give_up_after_s=60.0, initial_s=1.0, max_s=10.0)


@pytest.mark.parametrize(
    ("attempt", "retry_after_s", "jitter", "delay_s"),
    [
        (1, None, 0.5, 0.5),
        (2, None, 0.5, 1.0),
        (3, None, 0.5, 2.0),
        (9, None, 0.5, 5.0),
        (1, 4.0, 0.0, 4.0),
        (1, 4.0, 0.5, 4.5),
        (1, 99.0, 0.5, 10.0),
    ],
)
def test_the_pause_doubles_up_to_a_ceiling_and_honours_retry_after(
    attempt: int, retry_after_s: float | None, jitter: float, delay_s: float
) -> None:
    assert POLICY.delay_s(attempt, retry_after_s, jitter) == delay_s


@pytest.mark.parametrize(
    ("counted", "since_s", "enough"), [(0, 99.0, False), (2, 99.0, False), (3, 99.0, True), (3, 59.0, False), (99, 0.0, False)]
)
def test_an_event_is_given_up_after_enough_failures_over_enough_time(counted: int, since_s: float, enough: bool) -> None:
    assert POLICY.exhausted(counted, since_s) is enough


@pytest.mark.parametrize(
    ("attempt", "jitter", "delay_s"), [(1, 0.0, 0.5), (1, 0.5, 0.75), (3, 0.0, 2.0), (99, 0.0, 5.0), (10_000, 0.5, 7.5)]
)
def test_a_race_is_never_run_again_at_once(attempt: int, jitter: float, delay_s: float) -> None:
    assert POLICY.apart_s(attempt, jitter) == delay_s
