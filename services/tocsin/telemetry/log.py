"""Structured logs that cannot carry a person's name: only the fields listed here pass, everything else is withheld."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, MutableMapping
from typing import Any, Final

import structlog
from opentelemetry import trace

from tocsin.settings import LogSettings

FIELDS: Final = frozenset(
    {
        "event", "level", "timestamp", "trace_id",  # what every line has
        "advice", "announced", "attempts", "backfill", "band", "detail", "duration_ms", "found", "group", "media", "moved",
        "neighbour", "offset", "partition", "partitions", "port", "reason", "report", "sentence", "skipped", "topic",
        "undecided", "workers",
    }
)  # fmt: skip
"""Every field a log line may have; `detail` holds what Tocsin wrote itself about references, sizes and codes."""

WITHHELD: Final = "[withheld]"


def withhold_unlisted(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A field that is not on the list keeps its name and loses its value."""
    return {name: value if name in FIELDS else WITHHELD for name, value in line.items()}


def add_trace_id(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The W3C trace id of the journey this line belongs to, where there is one."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        line["trace_id"] = trace.format_trace_id(context.trace_id)
    return line


class Sparsely(logging.Filter):
    """Lets the same complaint of the same library through once in `every_s` seconds."""

    def __init__(self, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._every_s = every_s
        self._clock = clock
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line is due again."""
        what, now = (record.name, str(record.msg)), self._clock()
        last = self._said.get(what)
        if last is not None and now - last < self._every_s:
            return False
        self._said[what] = now
        return True


LIBRARY_LINE_EVERY_S: Final = 30.0


def set_up_logs(settings: LogSettings) -> None:
    """Send every line to standard error, in the form the settings ask for; libraries speak from warning on."""
    renderer = structlog.processors.JSONRenderer() if settings.form == "json" else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    shared: list[structlog.types.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_trace_id,
        withhold_unlisted,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Sparsely(LIBRARY_LINE_EVERY_S))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer], foreign_pre_chain=shared
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)  # Pillow warns of what it skips in a damaged picture


def quiet_libraries() -> None:
    """For commands that print their own findings: libraries' warnings would only repeat them."""
    logging.basicConfig(level=logging.CRITICAL, force=True)


def logger() -> structlog.stdlib.BoundLogger:
    """The logger every room uses."""
    bound: structlog.stdlib.BoundLogger = structlog.get_logger()
    return bound
