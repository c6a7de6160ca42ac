"""Sends what the log says by OTLP as well: the same lines, of which everything is withheld that telemetry/log.py withholds."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from opentelemetry._logs import Logger, LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.resources import Resource

from tocsin.settings import OtlpSettings
from tocsin.telemetry import SCOPE
from tocsin.telemetry.log import copied_to
from tocsin.telemetry.otlp import end_within

SEVERITIES: Final[Mapping[str, SeverityNumber]] = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}
APART: Final = frozenset({"event", "level", "timestamp", "trace_id"})
"""Fields of a line that OpenTelemetry has a place of its own for."""
BATCH_MAX: Final = 512


@contextmanager
def sending_lines(exporter: LogRecordExporter | None, resource: Resource, otlp: OtlpSettings) -> Iterator[None]:
    """Send each line of the log until the block ends, and then what is left within `otlp.close_wait_s`; nothing without an exporter.

    A process forked from this one sends none of its lines until it enters a block of its own.
    """
    if exporter is None:
        yield
        return
    provider = LoggerProvider(resource, shutdown_on_exit=False)
    provider.add_log_record_processor(
        BatchLogRecordProcessor(
            exporter,
            schedule_delay_millis=otlp.every_s * 1000,
            max_export_batch_size=min(BATCH_MAX, otlp.queue_max),
            max_queue_size=otlp.queue_max,
        )
    )
    try:
        with copied_to(partial(_send, provider.get_logger(SCOPE), os.getpid())):
            yield
    finally:
        end_within(otlp.close_wait_s, provider.shutdown, "lines-end")


def _send(logger: Logger, process: int, line: Mapping[str, Any]) -> None:
    if process != os.getpid():
        return
    level, now = str(line.get("level", "info")), time.time_ns()
    fields = {name: value if isinstance(value, str | bool | int | float) else str(value) for name, value in line.items()}
    logger.emit(
        LogRecord(
            timestamp=now,
            observed_timestamp=now,
            severity_text=level,
            severity_number=SEVERITIES.get(level, SeverityNumber.INFO),
            body=str(line.get("event", "")),
            attributes={name: value for name, value in fields.items() if name not in APART},
        )
    )
