"""What a forked process measures is recorded in the process that it was forked from, whatever becomes of the forked one."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

from tocsin.telemetry.forked import ROOM_BYTES, MeasuresPipe, hearing
from tocsin.telemetry.metrics import ANNOUNCED, HTTP_DURATION, MEASURES_DROPPED, NEIGHBOUR_REACHED, REPLAYS, record_told

from tests.support.measured import measured
from tests.support.waiting import eventually

LABELS = {"http.request.method": "GET", "url.template": "Media", "server.address": "fhir.example", "server.port": "443"}


def forked(measure: Callable[[], object]) -> int:
    """The id of a process forked from this one, which measures and is killed."""
    child = os.fork()
    if child == 0:
        measure()
        os.kill(os.getpid(), signal.SIGKILL)
    return child


def test_what_a_killed_process_has_measured_is_recorded() -> None:
    def measure() -> None:
        for _ in range(3):
            REPLAYS.add(1, {"by": "redrive"})
        HTTP_DURATION.record(0.25, LABELS)

    with measured() as found:
        with hearing(wait_s=10):
            os.waitpid(forked(measure), 0)
        assert (found.of(REPLAYS, by="redrive"), found.of(HTTP_DURATION, url_template="Media")) == (3, 1)


def test_processes_that_measure_at_the_same_time_do_not_mix_their_measures() -> None:
    def measure() -> None:
        for _ in range(500):
            HTTP_DURATION.record(0.25, LABELS)

    with measured() as found:
        with hearing(wait_s=10):
            children = [forked(measure) for _ in range(4)]
            for child in children:
                os.waitpid(child, 0)
        assert found.of(HTTP_DURATION) + found.of(MEASURES_DROPPED) == 2000
        assert found.labels(HTTP_DURATION) == [LABELS]


def test_a_process_whose_measures_nobody_takes_goes_on_and_what_it_dropped_is_counted() -> None:
    many, (reading, writing), (waiting, going) = ROOM_BYTES // 20, os.pipe(), os.pipe()
    pipe = MeasuresPipe()
    os.register_at_fork(after_in_child=pipe.forked)

    def measure() -> None:
        for _ in range(many):
            ANNOUNCED.add(1, {"by": "backfill"})
        os.write(writing, b"!")
        os.read(waiting, 1)
        ANNOUNCED.add(1, {"by": "backfill"})

    with measured() as found:
        child = forked(measure)
        assert os.read(reading, 1) == b"!"
        pipe.close()
        hearing_late = threading.Thread(target=pipe.hear)
        hearing_late.start()
        eventually(lambda: found.of(ANNOUNCED) > 0, what="room in the pipe")
        os.write(going, b"!")
        os.waitpid(child, 0)
        hearing_late.join(10)
        assert found.of(MEASURES_DROPPED) > 0
        assert found.of(ANNOUNCED) + found.of(MEASURES_DROPPED) == many + 1


def test_what_is_told_may_name_no_metric_or_label_of_its_own() -> None:
    with measured() as found:
        record_told("tocsin.invented", 1, {})
        record_told(REPLAYS.name, 1, {"by": "redrive", "media": "Media/1"})
        record_told(NEIGHBOUR_REACHED.name, 1, {"neighbour": "fhir"})
        assert [each for each in found.series() if each.name in ("tocsin.invented", REPLAYS.name)] == []
