"""One event's trouble is its own, and what is nobody's fault costs no event."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from structlog.testing import capture_logs
from tocsin import errors, outcome
from tocsin.clock import utc_now
from tocsin.consume.attempt import Attempt
from tocsin.consume.handler import Handler, Journey, RefusedBefore
from tocsin.event.types import ImagingEvent
from tocsin.kafka.types import Record

from tests.builders import record
from tests.fakes.bus import FakeBus, FakeSink, NoneRefused


def handler(
    journey: Journey, sink: FakeSink, is_member: Callable[[], bool] = lambda: True, refused_before: RefusedBefore | None = None
) -> Handler:
    return Handler(
        journey,
        sink,
        "letters",
        is_member=is_member,
        refused_before=refused_before or NoneRefused(),
        letter_bytes_max=1_000_000,
        now=utc_now,
        group="g",
        producer="parent",
    )


def test_a_process_that_lost_its_membership_while_it_read_the_dead_letters_sends_none() -> None:
    """To read them takes seconds, in which a process may stand still and another refuse the same event."""
    ours = [True]

    class Slow(NoneRefused):
        def stands(self, record: Record) -> bool:
            ours.clear()
            return False

    bus = FakeBus()
    handles = handler(lambda event: outcome.Published("r", "b"), FakeSink(bus), lambda: bool(ours), Slow())
    ending = handles.handle(Attempt(record(b"not json"), seen_before=True))
    assert isinstance(ending, outcome.Contended)
    assert ending.neighbour == errors.KAFKA
    assert bus.records("letters") == []


def test_a_process_that_is_no_member_reads_no_dead_letters_either() -> None:
    read = list[Record]()

    class Read(NoneRefused):
        def stands(self, record: Record) -> bool:
            read.append(record)
            return False

        def forget(self) -> None:
            raise AssertionError("nothing was sent")

    bus = FakeBus()
    handles = handler(lambda event: outcome.Published("r", "b"), FakeSink(bus), lambda: False, Read())
    assert isinstance(handles.handle(Attempt(record(b"not json"), seen_before=True)), outcome.Contended)
    assert read == []
    assert bus.records("letters") == []


class NumpysMemoryError(MemoryError):
    """numpy and Pillow raise their own."""


@pytest.mark.parametrize("error", [MemoryError("Jane Canary"), NumpysMemoryError("Jane Canary")], ids=["python", "numpy"])
def test_an_event_that_finds_no_memory_waits_for_it_and_is_no_dead_letter(error: MemoryError) -> None:
    def journey(event: ImagingEvent) -> outcome.Published:
        raise error

    bus = FakeBus()
    with capture_logs() as lines:
        ending = handler(journey, FakeSink(bus)).handle(Attempt(record()))
    assert isinstance(ending, outcome.Contended)
    assert ending.neighbour == errors.MEMORY
    assert bus.records("letters") == []
    assert "Canary" not in str(lines)


def test_a_dead_letter_that_finds_no_memory_waits_for_it() -> None:
    class Full(FakeSink):
        def send(self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
            raise MemoryError

    refused = Attempt(record(), refusal=errors.Poisoned("x"))
    for attempt in (refused, Attempt(record(b"not json"))):
        ending = handler(lambda event: outcome.Published("r", "b"), Full(FakeBus())).handle(attempt)
        assert isinstance(ending, outcome.Contended)
