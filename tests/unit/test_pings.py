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
    assert (reach.reached, reach.detail) == (False, "not asked yet")


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
        (KeyError("Canary-Quintessa"), "KeyError at unit/test_pings.py"),
    ],
    ids=["away", "refused", "unforeseen"],
)
def test_a_neighbour_that_fails_is_not_reached_for_a_reason_without_anybodys_words(error: Exception, detail: str) -> None:
    ping = FakePing(answer=failing(error))
    pings = Pings([ping], every_s=0.01)
    with pings.asking():
        eventually(lambda: ping.asked > 2, what="questions")
        reach = pings.reaches()["fhir"]
    assert not reach.reached
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
