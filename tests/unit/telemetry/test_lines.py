"""What the log says can be sent by OTLP as well; sending it neither waits nor goes round in circles."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tocsin.settings import LogSettings, OtlpSettings
from tocsin.telemetry.lines import sending_lines
from tocsin.telemetry.log import WITHHELD, logger, set_up_logs
from tocsin.telemetry.metrics import EXPORTS_FAILED
from tocsin.telemetry.otlp import line_exporter, resource
from tocsin.telemetry.trace import span, trace_id

from tests.support.measured import measured
from tests.support.otlp import Protocol, collector
from tests.support.spans import exported
from tests.support.waiting import eventually

WHOSE = resource("tocsin-consume", site="s", model_version="m/1")
QUEUE = 64


@pytest.fixture(autouse=True)
def _logs() -> None:
    """The process's logs as they are set up for a command."""
    set_up_logs(LogSettings())


def settings(endpoint: str, protocol: Protocol = "http/protobuf") -> OtlpSettings:
    return OtlpSettings(endpoint=endpoint, protocol=protocol, signals=("logs",), every_s=0.05, queue_max=QUEUE, close_wait_s=1, timeout_s=1)


@contextmanager
def sent(otlp: OtlpSettings) -> Iterator[None]:
    with sending_lines(line_exporter(otlp), WHOSE, otlp):
        yield


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_line_arrives_with_its_trace_its_severity_and_its_fields(protocol: Protocol) -> None:
    with collector(protocol) as found, exported(), sent(settings(found.endpoint, protocol)):
        with span("fetch"):
            expected = trace_id()
            logger().warning("deferred", neighbour="fhir", attempts=2, patient_name="Jane Canary")
        eventually(lambda: bool(found.lines), what="the line")
        [line] = found.lines
    assert (line.body, line.severity, line.trace_id) == ("deferred", "warning", expected)
    assert line.attributes == {"neighbour": "fhir", "attempts": 2, "patient_name": WITHHELD}
    assert line.resource["service.name"] == "tocsin-consume"


def test_a_librarys_line_arrives_without_what_it_quotes() -> None:
    with collector() as found:
        with sent(settings(found.endpoint)):
            logging.getLogger("kafka").warning("no answer from %s", "Jane Canary")
        [line] = found.lines
    assert "Canary" not in str(line)
    assert line.attributes["logger"] == "kafka"


def test_what_is_left_is_sent_at_the_end() -> None:
    with collector() as found:
        with sent(settings(found.endpoint)):
            logger().info("drained", undecided=0)
        assert [line.body for line in found.lines] == ["drained"]


def test_a_line_about_the_sending_of_lines_is_not_sent() -> None:
    with collector() as found:
        with sent(settings(found.endpoint)):
            logging.getLogger("opentelemetry.sdk._shared_internal").warning("Queue full, dropping %s.", "Log")
            logger().info("consuming")
        assert [line.body for line in found.lines] == ["consuming"]


def test_a_collector_that_is_away_costs_a_count_and_no_time() -> None:
    with measured() as counted, sent(settings("http://127.0.0.1:1")):
        began = time.monotonic()
        for _ in range(10 * QUEUE):
            logger().info("published")
        assert time.monotonic() - began < 2
        eventually(lambda: counted.of(EXPORTS_FAILED, signal="logs") > 0, what="the count")


def test_a_collector_that_never_answers_keeps_nobody_waiting() -> None:
    with collector() as found:
        found.hangs = True
        with sent(settings(found.endpoint)):
            began = time.monotonic()
            for _ in range(10 * QUEUE):
                logger().info("published")
            assert time.monotonic() - began < 2
            began = time.monotonic()
    assert time.monotonic() - began < 3
