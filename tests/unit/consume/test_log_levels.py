"""A warning is worth a look today, an error a look now; what ends by itself is neither."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs
from tocsin import errors
from tocsin.consume.attempt import Attempt
from tocsin.event.types import ImagingEvent
from tocsin.outcome import Published

from tests.builders import record
from tests.fakes.bus import FakeBus, FakeSink
from tests.unit.consume.test_handler import handler


@pytest.mark.parametrize(
    ("failure", "event", "level"),
    [
        (errors.MediaUnknown("x"), "dead-lettered", "warning"),
        (errors.SubjectMismatch("x"), "dead-lettered", "warning"),
        (ValueError("x"), "dead-lettered", "error"),
        (errors.Unavailable("triton", "UNAVAILABLE"), "deferred", "warning"),
        (errors.Contended("fhir", "HTTP 412"), "deferred", "info"),
        (MemoryError(), "deferred", "warning"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_the_end_of_an_attempt_is_told_as_urgently_as_somebody_has_to_look(failure: Exception, event: str, level: str) -> None:
    def journey(_event: ImagingEvent) -> Published:
        raise failure

    with capture_logs() as lines:
        handler(journey, FakeSink(FakeBus())).handle(Attempt(record()))
    assert [(line["event"], line["log_level"]) for line in lines] == [(event, level)]


def test_poison_is_told_as_an_error() -> None:
    with capture_logs() as lines:
        handler(lambda event: Published("r", "b"), FakeSink(FakeBus())).handle(Attempt(record(), refusal=errors.Poisoned("x")))
    assert [(line["event"], line["log_level"]) for line in lines] == [("dead-lettered", "error")]
