"""What is known of each neighbour is told at once, however long the neighbour takes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from tocsin.errors import FhirRejected, Unavailable
from tocsin.telemetry.pings import Pings

from tests.support.waiting import eventually


@dataclass
class FakePing:
    """A neighbour that answers as it is told."""

    neighbour: str = "fhir"
    answer: Callable[[], object] = lambda: None
    asked: int = 0
    closed: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        self.asked += 1
        self.answer()

    def close(self) -> None:
        self.closed.set()


def failing(error: Exception) -> Callable[[], object]:
    def fail() -> None:
        raise error

    return fail


def test_nobody_is_reached_before_the_first_answer() -> None:
    reach = Pings([FakePing()], every_s=60).reaches()["fhir"]
    assert (reach.reached, reach.detail, reach.ever) == (False, "not asked yet", False)


def test_a_neighbour_that_answers_is_reached_and_asked_again() -> None:
    ping = FakePing()
    pings = Pings([ping], every_s=0.01)
    with pings.asking():
        eventually(lambda: ping.asked > 3, what="questions")
        reach = pings.reaches()["fhir"]
    assert (reach.reached, reach.detail) == (True, "")
    assert ping.closed.is_set()


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (Unavailable("fhir", "HTTP 503 for metadata"), "HTTP 503 for metadata"),
        (FhirRejected("HTTP 400: error processing"), "HTTP 400: error processing"),
        (KeyError("Canary-Quintessa"), "KeyError at telemetry/test_pings.py"),
    ],
    ids=["away", "refused", "unforeseen"],
)
def test_a_neighbour_that_fails_is_not_reached_for_a_reason_without_anybodys_words(error: Exception, detail: str) -> None:
    ping = FakePing(answer=failing(error))
    pings = Pings([ping], every_s=0.01)
    with pings.asking():
        eventually(lambda: ping.asked > 2, what="questions")
        reach = pings.reaches()["fhir"]
    assert (reach.reached, reach.ever) == (False, False)
    assert reach.detail.startswith(detail)


def reached_for(pings: Pings) -> float:
    """Seconds between the change and the last answer."""
    reach = pings.reaches()["fhir"]
    return reach.for_s - reach.asked_ago_s if reach.reached else 0.0


def test_its_state_is_as_old_as_the_last_change_and_not_as_the_last_answer() -> None:
    ping = FakePing()
    pings = Pings([ping], every_s=0.01)
    with pings.asking():
        eventually(lambda: reached_for(pings) > 0.1, what="a state that outlasts an answer")
        ping.answer = failing(Unavailable("fhir", "away"))
        eventually(lambda: not pings.reaches()["fhir"].reached, what="the change")
        assert pings.reaches()["fhir"].ever


def test_one_that_does_not_answer_holds_up_neither_the_others_nor_the_end() -> None:
    release = threading.Event()
    silent, well = FakePing("triton", answer=lambda: release.wait(30)), FakePing("fhir")
    pings = Pings([silent, well], every_s=0.01)
    with pings.asking():
        eventually(lambda: well.asked > 3, what="questions")
        assert pings.reaches()["fhir"].reached
        assert pings.reaches()["triton"].detail == "not asked yet"
    release.set()
    eventually(silent.closed.is_set, what="its end")


def test_one_that_is_away_is_told_of_once_and_once_more_when_it_is_back() -> None:
    told: list[tuple[str, bool, str]] = []
    ping = FakePing(answer=failing(Unavailable("fhir", "connection refused")))
    pings = Pings([ping, FakePing("triton")], 0.01, lambda *change: told.append(change))
    with pings.asking():
        eventually(lambda: ping.asked > 5, what="questions")
        assert told == [("fhir", False, "connection refused")]
        ping.answer = lambda: None
        eventually(lambda: len(told) == 2, what="that it is back")
        asked = ping.asked
        eventually(lambda: ping.asked > asked + 3, what="questions")
        ping.answer = failing(Unavailable("fhir", "HTTP 503"))
        eventually(lambda: len(told) == 3, what="that it is away again")
    assert told[1:] == [("fhir", True, ""), ("fhir", False, "HTTP 503")]


def test_one_that_gives_no_answer_at_all_is_told_of_in_time_and_not_again_when_it_gives_up() -> None:
    told: list[tuple[str, bool, str]] = []
    release = threading.Event()

    def silent() -> None:
        release.wait(30)
        raise Unavailable("kafka", "KafkaTimeoutError")

    ping = FakePing("kafka", answer=silent)
    with Pings([ping], 0.01, lambda *change: told.append(change), say_within_s=0.05).asking():
        eventually(lambda: told == [("kafka", False, "no answer within 0.05 s")], what="that it is away")
        release.set()
        eventually(lambda: ping.asked > 3, what="questions")
    assert len(told) == 1
