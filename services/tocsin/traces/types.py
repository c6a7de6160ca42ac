"""What is asked for, and what a back end of traces answers. Nothing of an answer is believed: texts are words of a known form or absent."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, get_args

from tocsin.fhir.datatypes import FHIR_ID
from tocsin.report.types import TRACE_ID
from tocsin.telemetry.trace import ATTEMPT, ENDING, EVENT_TRACE_ID, MEDIA, REASON, REPORT

SpanKind = Literal["INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]
"""OpenTelemetry's kinds of span."""
_KINDS: Final[Mapping[str, SpanKind]] = {kind: kind for kind in get_args(SpanKind)}

SubjectKind = Literal["report", "media", "trace"]

Value = str | int | bool

_SUBJECTS: Final[Mapping[SubjectKind, str]] = {
    "report": rf"DiagnosticReport/{FHIR_ID}",
    "media": rf"Media/{FHIR_ID}",
    "trace": TRACE_ID,
}

SHOWN: Final = frozenset(
    {
        *(MEDIA, REPORT, ENDING, REASON, ATTEMPT, EVENT_TRACE_ID),
        *("messaging.destination.name", "messaging.destination.partition.id", "messaging.kafka.offset", "messaging.consumer.group.name"),
        *("http.request.method", "http.response.status_code", "url.template", "rpc.method", "rpc.response.status_code", "error.type"),
    }
)
"""The attributes that are read of a span: codes, counts and ids of resources. Every other one stays unread."""

STATUS: Final = ("http.response.status_code", "rpc.response.status_code")
"""Those of them that say how a request ended."""

_WORDS: Final = re.compile(r"[A-Za-z0-9._:/{}\[\]$@ -]{1,120}")
WITHHELD: Final = "(withheld)"
"""Stands for a text that is not of the form that Tocsin gives its own."""

LATEST_US: Final = 100_000_000_000_000_000
"""Latest time of a span, and longest duration, in microseconds since 1970 (UTC): in the year 5138, so that their sum is a time too."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose story is asked for: a report, a picture, or a trace."""

    kind: SubjectKind
    name: str
    """DiagnosticReport/<id>, Media/<id>, or the trace's id: 32 lower-case hex digits."""


def subject_of(text: str) -> Subject | None:
    """The subject that the text names; a trace id also in capitals. None where it names none."""
    for kind, pattern in _SUBJECTS.items():
        name = text.lower() if kind == "trace" else text
        if re.fullmatch(pattern, name) and not name.endswith(("/.", "/..")):
            return Subject(kind, name)
    return None


@dataclass(frozen=True, slots=True)
class Span:
    """One span as a back end tells it."""

    trace_id: str
    id: str
    """16 lower-case hex digits."""
    parent: str | None
    service: str
    name: str
    kind: SpanKind
    start_us: int
    """Microseconds since 1970 (UTC)."""
    duration_us: int
    failed: bool
    """Whether its status is an error."""
    attributes: Mapping[str, Value] = field(default_factory=dict)
    """Those that SHOWN lists."""
    links: tuple[str, ...] = ()
    """Ids of other traces."""

    @property
    def end_us(self) -> int:
        """When it ended, microseconds since 1970 (UTC)."""
        return self.start_us + self.duration_us


def guarded(span: Span, services: Collection[str]) -> Span:
    """The span as it may be told: of one that none of these services sent, its kind, times and status alone, since it may say anything."""
    if span.service in services:
        return span
    told = {name: value for name, value in span.attributes.items() if name in STATUS}
    return replace(span, name=f"({span.kind.lower()} span)", attributes=told)


def moment(us: int) -> datetime:
    """The aware time (UTC) that so many microseconds since 1970 are."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)


def micros(when: datetime) -> int:
    """Microseconds from 1970 (UTC) to the aware time."""
    return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def words(text: object) -> str:
    """The text where it is of the form of Tocsin's own names and codes; else WITHHELD, so that foreign text is never repeated."""
    return text if isinstance(text, str) and _WORDS.fullmatch(text) else WITHHELD


def kind_of(stated: object) -> SpanKind:
    """The kind that is stated, in capitals or not; INTERNAL for anything else, as OpenTelemetry has it."""
    return _KINDS.get(stated.upper() if isinstance(stated, str) else "", "INTERNAL")


def time_us(value: object) -> int | None:
    """The microseconds, of a time or a duration; None for what is no number or no time that can be."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LATEST_US else None


def value_of(value: object) -> Value:
    """The value of an attribute: a number, a Boolean, or words."""
    return value if isinstance(value, bool | int) else words(value)


def hex_id(value: object, digits: int) -> str | None:
    """The id of so many hex digits, whose zeros in front a back end may leave out; None for anything else, or zeros alone."""
    text = value.lower() if isinstance(value, str) else ""
    if re.fullmatch(rf"[0-9a-f]{{1,{digits}}}", text) is None or not text.strip("0"):
        return None
    return text.zfill(digits)
