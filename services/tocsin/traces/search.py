"""Which questions find every trace of one event: by its id, by its tags, and by the trace that its record states."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from tocsin.telemetry.trace import EVENT_TRACE_ID, MEDIA, REPORT
from tocsin.traces.ports import NoAnswer, Tagged, TraceStore
from tocsin.traces.types import Span, Subject, guarded, hex_id

TRACES_MAX: Final = 20
"""Most traces asked for in one question."""
FOLLOWED_MAX: Final = 10
"""Most traces looked for because others name them."""
QUESTIONS_AT_ONCE: Final = 8

_TAGS: Final = {"report": REPORT, "media": MEDIA}

Question = Callable[[], Sequence[Span]]


@dataclass(frozen=True, slots=True)
class Window:
    """Which services' traces are looked for, and when they began; times are aware."""

    services: Sequence[str]
    since: datetime
    until: datetime

    def questions(self, store: TraceStore, attribute: str, value: str) -> list[Question]:
        """The question to each service for the traces in which a span has the attribute."""
        return [partial(store.tagged, Tagged(each, attribute, value, self.since, self.until), TRACES_MAX) for each in self.services]


@dataclass(frozen=True, slots=True)
class Found:
    """What the back end answered."""

    spans: tuple[Span, ...] = ()
    troubles: tuple[str, ...] = ()
    """Why some questions were not answered; each reason once."""


def search(store: TraceStore, subject: Subject, window: Window) -> Found:
    """Every span about the subject that the back end keeps: two rounds of questions, those of a round at the same time.

    The first finds the traces that name the subject, the second all other attempts at the same event, which began traces of their own.
    """
    first = _asked(_first(store, subject, window))
    more = _asked([question for each in _named_by(first.spans, subject.name) for question in _by_id(store, each, window)])
    told = (guarded(each, window.services) for each in first.spans + more.spans)
    return Found(tuple(told), tuple(dict.fromkeys(first.troubles + more.troubles)))


def _first(store: TraceStore, subject: Subject, window: Window) -> list[Question]:
    if subject.kind == "trace":
        return _by_id(store, subject.name, window)
    return window.questions(store, _TAGS[subject.kind], subject.name)


def _by_id(store: TraceStore, trace_id: str, window: Window) -> list[Question]:
    """The trace itself, and those of the event whose record states it."""
    return [partial(store.trace, trace_id), *window.questions(store, EVENT_TRACE_ID, trace_id)]


def _named_by(spans: Iterable[Span], but: str) -> list[str]:
    """The traces that the spans name as their event's."""
    named = dict.fromkeys(hex_id(each.attributes.get(EVENT_TRACE_ID), 32) for each in spans)
    return [each for each in named if each is not None and each != but][:FOLLOWED_MAX]


def _asked(questions: Sequence[Question]) -> Found:
    if not questions:
        return Found()
    spans: list[Span] = []
    troubles: dict[str, None] = {}
    with ThreadPoolExecutor(min(len(questions), QUESTIONS_AT_ONCE), thread_name_prefix="tocsin-trace") as pool:
        for answer in [pool.submit(each) for each in questions]:
            try:
                spans += answer.result()
            except NoAnswer as trouble:
                troubles[str(trouble)] = None
    return Found(tuple(spans), tuple(troubles))
