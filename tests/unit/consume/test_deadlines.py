"""No time limit of the watchdog is below what a slow but healthy process may wait for in one go, and none is far above."""

from __future__ import annotations

import pytest
from tocsin.consume.liveness.deadlines import OWN_S, deadlines_of, longest_silence_s, longest_turn_s, too_low
from tocsin.settings import ConsumeSettings, FhirSettings, ImageSettings, KafkaSettings, Settings, TritonSettings


def test_unless_told_a_limit_follows_the_other_time_limits() -> None:
    slow = Settings(fhir=FhirSettings(request_timeout_s=60), kafka=KafkaSettings(connect_timeout_s=90))
    assert deadlines_of(slow).wedged_after_s == 120 + OWN_S
    assert deadlines_of(slow).turn_max_s == 90 + 2 * 15 + OWN_S


@pytest.mark.parametrize(
    "slower",
    [
        Settings(fhir=FhirSettings(request_timeout_s=400)),
        Settings(triton=TritonSettings(timeout_s=400)),
        Settings(kafka=KafkaSettings(send_timeout_s=400)),
        Settings(kafka=KafkaSettings(read_timeout_s=400)),
        Settings(kafka=KafkaSettings(connect_timeout_s=400)),
        Settings(image=ImageSettings(in_flight_wait_s=400)),
    ],
    ids=["fhir", "triton", "a-send", "a-read", "a-connection", "room-for-the-picture"],
)
def test_a_journey_may_be_silent_for_as_long_as_each_of_its_neighbours(slower: Settings) -> None:
    assert longest_silence_s(slower) >= 400 + OWN_S


@pytest.mark.parametrize(
    "slower",
    [
        Settings(kafka=KafkaSettings(commit_timeout_s=400)),
        Settings(kafka=KafkaSettings(poll_wait_ms=400_000)),
        Settings(consume=ConsumeSettings(drain_timeout_s=400)),
        Settings(consume=ConsumeSettings(retry_max_s=400)),
    ],
    ids=["a-commit", "a-poll", "the-drain", "a-failed-poll"],
)
def test_a_turn_may_take_as_long_as_each_of_its_waits(slower: Settings) -> None:
    assert longest_turn_s(slower) >= 400 + OWN_S


def test_what_an_operator_says_counts_and_is_called_too_low_where_it_is() -> None:
    settings = Settings(consume=ConsumeSettings(turn_max_s=3600, wedged_after_s=5))
    assert (deadlines_of(settings).turn_max_s, deadlines_of(settings).wedged_after_s) == (3600, 5)
    [sentence] = too_low(settings)
    assert "TOCSIN_CONSUME__WEDGED_AFTER_S is 5 s" in sentence
    assert list(too_low(Settings())) == []


def test_a_member_that_would_leave_its_group_while_it_drains_is_told() -> None:
    [sentence] = too_low(Settings(consume=ConsumeSettings(drain_timeout_s=120)))
    assert "TOCSIN_KAFKA__POLL_SILENCE_MAX_S is 90 s, and a healthy process may wait 120 s" in sentence
