"""The sink that is opened when something is first sent."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from tocsin.errors import KAFKA, Unavailable
from tocsin.kafka.lazy import LazySink
from tocsin.kafka.ports import EventSink


class Kept:
    """A sink that keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed = 0

    def send(self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        self.sent.append(value)

    def close(self) -> None:
        self.closed += 1


def test_nothing_is_opened_before_something_is_sent_and_nothing_closed_that_never_was() -> None:
    def opened() -> EventSink:
        raise AssertionError("nobody sent anything")

    LazySink(opened).close()


def test_a_sink_that_cannot_be_opened_is_tried_again_at_the_next_send() -> None:
    kept, answers = Kept(), iter([Unavailable(KAFKA, "no broker"), None])

    def opened() -> EventSink:
        error = next(answers)
        if error is not None:
            raise error
        return kept

    sink = LazySink(opened)
    with pytest.raises(Unavailable):
        sink.send("t", None, b"lost")
    sink.send("t", None, b"first")
    sink.send("t", None, b"second")
    sink.close()
    assert (kept.sent, kept.closed) == ([b"first", b"second"], 1)


def test_many_threads_at_once_open_one_sink() -> None:
    kept, opens, together = Kept(), list[int](), threading.Barrier(8)

    def opened() -> EventSink:
        opens.append(1)
        return kept

    sink = LazySink(opened)

    def send(number: int) -> None:
        together.wait(5)
        sink.send("t", None, b"%d" % number)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(send, range(8)))
    assert (len(opens), sorted(kept.sent)) == (1, [b"%d" % number for number in range(8)])
