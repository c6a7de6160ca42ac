"""Structured logs that cannot carry a person's name: only the fields listed here pass, everything else is withheld."""

from __future__ import annotations

import ast
import logging
import sys
import threading
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TextIO

from opentelemetry import context, trace

from tocsin.errors import where
from tocsin.settings import LogSettings
from tocsin.telemetry.structured import structlog

FIELDS: Final = frozenset(
    {
        "event", "level", "timestamp", "trace_id",  # what every line has
        "advice", "announced", "attempts", "backfill", "band", "detail", "duration_ms", "figure", "flag_not_known", "found", "group",
        "judged", "logger", "media", "missed", "moved", "neighbour", "not_assessable", "of", "offset", "partition", "partitions", "place",
        "port", "reason", "report", "sentence", "signal", "skipped", "stages_ms", "task", "topic", "undecided", "verdict", "workers",
    }
)  # fmt: skip
"""Every field a log line may have; `detail` holds what Tocsin wrote itself about references, sizes and codes."""

WITHHELD: Final = "[withheld]"


def withhold_unlisted(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The line, in which a field that is not in FIELDS keeps its name and loses its value."""
    return {name: value if name in FIELDS else WITHHELD for name, value in line.items()}


def add_trace_id(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The line with the W3C trace id of the journey that it belongs to, where there is one."""
    current = trace.get_current_span().get_span_context()
    if current.is_valid:
        line["trace_id"] = trace.format_trace_id(current.trace_id)
    return line


Taker = Callable[[MutableMapping[str, Any]], None]
"""Is given each line as it is written, on the writing thread; must not wait, and not change the line."""

_takers: Final[list[Taker]] = []


@contextmanager
def copied_to(taker: Taker) -> Iterator[None]:
    """Give each line to `taker` as well, until the block ends, but for lines about the sending of lines."""
    _takers.append(taker)
    try:
        yield
    finally:
        _takers.remove(taker)


def copy(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The line itself, once the takers have it."""
    if _takers and not _about_sending(line):
        for taker in tuple(_takers):
            with suppress(Exception):  # a border: a line that cannot be sent is written all the same
                taker(line)
    return line


def _about_sending(line: MutableMapping[str, Any]) -> bool:
    """Whether the line tells of an export or is written while one is under way: sending it could go on without end."""
    return str(line.get("logger", "")).startswith("opentelemetry") or context.get_value("suppress_instrumentation") is not None


class Sparsely(logging.Filter):
    """Lets a line through once in `every_s` seconds, by where in a library it is written. Safe for threads."""

    def __init__(self, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._every_s = every_s
        self._clock = clock
        self._said: OrderedDict[tuple[str, str, int], float] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line is due again."""
        what, now = (record.name, record.pathname, record.lineno), self._clock()
        last = self._said.get(what)
        if last is not None and now - last < self._every_s:
            return False
        self._said[what] = now
        if len(self._said) > PLACES_MAX:
            self._said.popitem(last=False)
        return True


LIBRARY_LINE_EVERY_S: Final = 30.0
PLACES_MAX: Final = 500
"""Most places in libraries that are remembered; the line of a forgotten place passes a little sooner."""
SOURCES_MAX: Final = 64
"""Most files of libraries whose string literals are remembered."""
TOLD: Final = "tocsin_told"
"""The attribute of Tocsin's own log records that holds what may be told."""
UNTOLD: Final = "\u2026"
REPORT_IT: Final = "This is a defect of Tocsin or of a library: report the detail."


class LibraryLine(logging.Formatter):
    """Writes a library's line as one of Tocsin's: its template, its numbers and kinds of errors, and its place.

    Whatever else the library's line quotes stays out.
    """

    def __init__(self, render: Callable[[MutableMapping[str, Any]], str]) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        """The line, never with the text of an argument or exception: it may quote what a server or a sender wrote."""
        line: dict[str, Any] = {
            "event": said_by(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "place": place_of(record),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["detail"] = where(record.exc_info[1])
        return self._render(line)


def place_of(record: logging.LogRecord) -> str:
    """The folder, file and line that wrote the record, for whoever looks it up in the library's source."""
    path = Path(record.pathname)
    return f"{path.parent.name}/{path.name}:{record.lineno}"


def said_by(record: logging.LogRecord) -> str:
    """What may be told of a library's message: its template, if that stands in the library's source, with its harmless arguments."""
    told = getattr(record, TOLD, None)
    if told is not None:
        return str(told)
    template = record.msg
    if not isinstance(template, str) or not _is_literal(template, record):
        return "a library logged a line whose text Tocsin withholds"
    arguments = record.args if isinstance(record.args, tuple) else ()
    try:
        return template % tuple(map(_harmless, arguments)) if arguments else template
    except (TypeError, ValueError):  # a %d whose argument is told as a word
        return template


def _is_literal(template: str, record: logging.LogRecord) -> bool:
    """Whether the template is a literal in the library's source; a text that was put together (f-strings) is not."""
    return len(template) > len("%s") and template in _literals(record.pathname)


@lru_cache(maxsize=SOURCES_MAX)
def _literals(source: str) -> frozenset[str]:
    try:
        tree = ast.parse(Path(source).read_bytes())
    except (OSError, SyntaxError, ValueError):  # the library has no source to look at
        return frozenset()
    return frozenset(_texts(tree))


def _texts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif not isinstance(node, ast.JoinedStr):
        for child in ast.iter_child_nodes(node):
            yield from _texts(child)


def _harmless(argument: object) -> object:
    match argument:
        case bool() | int() | float() | None:
            return argument
        case BaseException():
            return type(argument).__name__
        case type():
            return argument.__name__
        case _:
            return UNTOLD


def _tell_warning(
    message: object, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None, line: str | None = None
) -> None:
    """Log a warning by its category alone: Pillow warns of what it skips in a damaged picture, and may quote it."""
    record = logging.LogRecord("py.warnings", logging.WARNING, filename, lineno, "", (), None)
    setattr(record, TOLD, f"a library warned: {category.__name__}")
    logging.getLogger("py.warnings").handle(record)


def _tell_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None:
        logger().error("a thread failed", detail=where(failed.exc_value), advice=REPORT_IT)


def _tell_unraisable(failed: sys.UnraisableHookArgs) -> None:
    """Log what fails where nobody can catch it, as while an object is thrown away."""
    if failed.exc_value is not None:
        logger().warning(
            "an error could not be raised to any caller; the process goes on", detail=where(failed.exc_value), advice=REPORT_IT
        )


def set_up_logs(settings: LogSettings) -> None:
    """Send every line to standard error, in the form the settings ask for; libraries speak from warning on.

    No line can fail its writer: where a line cannot be made, another line says so.
    """
    renderer = structlog.processors.JSONRenderer() if settings.form == "json" else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    shared: list[structlog.types.Processor] = [structlog.processors.TimeStamper(fmt="iso", utc=True), add_trace_id, withhold_unlisted, copy]

    def rendered(line: MutableMapping[str, Any]) -> str:
        for processor in (*shared, renderer):
            line = processor(None, "", line)  # type: ignore[assignment] # the last one makes the text
        return str(line)

    structlog.configure(
        processors=[structlog.processors.add_log_level, *shared, renderer],
        wrapper_class=_never_failing(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),  # a line and its end in one write
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Sparsely(LIBRARY_LINE_EVERY_S))
    handler.setFormatter(LibraryLine(rendered))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.raiseExceptions = False  # else a line that cannot be made is printed with all it quotes
    warnings.showwarning = _tell_warning
    threading.excepthook = _tell_thread
    sys.unraisablehook = _tell_unraisable


def _never_failing(level: int) -> type[Any]:
    class Logger(structlog.make_filtering_bound_logger(level)):  # type: ignore[misc] # made by a function
        def _proxy_to_logger(self, method_name: str, event: str | None = None, *args: Any, **fields: Any) -> Any:
            try:
                return super()._proxy_to_logger(method_name, event, *args, **fields)
            except Exception as error:  # a border: a log line must never change how an event ends
                return _tell_untold(event, error)

    return Logger


def _tell_untold(event: str | None, error: Exception) -> None:
    with suppress(Exception):  # the border's own border
        print(f"tocsin: the line {event!r} could not be written: {where(error)}", file=sys.stderr)


def quiet_libraries() -> None:
    """Silence libraries' warnings, for commands that print their own findings: the warnings would only repeat them."""
    logging.basicConfig(level=logging.CRITICAL, force=True)


def logger() -> structlog.stdlib.BoundLogger:
    """The logger that every package of Tocsin uses."""
    bound: structlog.stdlib.BoundLogger = structlog.get_logger()
    return bound
