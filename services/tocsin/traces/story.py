"""The story of one event: its traces where a back end keeps them, else what record and bus tell, and what is missing and why."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tocsin.errors import ContractError, Deferred, FhirRejected, TocsinError
from tocsin.kafka.ports import TopicReader
from tocsin.report.types import StoredReport
from tocsin.settings import KafkaSettings, TracesSettings
from tocsin.traces.evidence import Glance, Known, Looked, Sighting, in_the_record, on_the_bus
from tocsin.traces.missing import reasons
from tocsin.traces.ports import TraceStore
from tocsin.traces.search import Found, Window, search
from tocsin.traces.timeline import Timeline, timelines
from tocsin.traces.types import Subject

LOOK_BACK: Final = timedelta(days=7)
"""How far back is looked where nothing says when the event was."""
BEFORE: Final = timedelta(days=1)
"""How long before its report an event may have been announced; one that waited longer is found with --since."""

PICTURES_MAX: Final = 5
"""Most pictures of one trace whose reports are looked for; a journey has one."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Whom to ask; nobody is asked before `tell` is called."""

    store: TraceStore | None
    """The back end of traces; None where none is configured."""
    services: tuple[str, ...]
    """Names under which Tocsin's processes send their spans."""
    record: Callable[[Subject], tuple[StoredReport, ...]]
    bus: Callable[[], AbstractContextManager[TopicReader]]
    topics: KafkaSettings
    traces: TracesSettings


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for."""

    subject: Subject
    since: datetime | None
    """How far back to look, aware; None: as far as the report says, else LOOK_BACK."""
    within_s: float
    """Longest look through the bus."""
    everything: bool
    """Whether record and bus are asked although the back end has a trace."""


@dataclass(slots=True)
class Story:
    """What was found, and what was not."""

    subject: Subject
    since: datetime
    """How far back was looked, aware."""
    timelines: tuple[Timeline, ...] = ()
    sightings: list[Sighting] = field(default_factory=list)
    """In the order of their times."""
    looked: list[Looked] = field(default_factory=list)
    """How far each topic was looked through; empty where the bus was not asked."""
    missing: list[str] = field(default_factory=list)
    """Sentences: why there is no trace, and who did not answer."""
    away: bool = False
    """Whether somebody who was asked did not answer, or not to the end."""

    @property
    def empty(self) -> bool:
        """Whether nothing was found at all."""
        return not self.timelines and not self.sightings


def tell(wish: Wish, sources: Sources, now: datetime) -> Story:
    """The story of the subject; `now` is aware. It raises nothing where a source is away: the story says so."""
    telling = _Telling(wish, sources, now)
    telling.ask_back_end(wish.subject)
    if wish.everything or not telling.found.spans:
        telling.ask_record()
        telling.ask_bus()
    return telling.end()


class _Telling:
    """One story while it is told."""

    def __init__(self, wish: Wish, sources: Sources, now: datetime) -> None:
        self._wish = wish
        self._sources = sources
        self._now = now
        self.found = Found()
        self._known = Known.of(wish.subject)
        self._asked: set[Subject] = set()
        self._story = Story(wish.subject, wish.since or now - LOOK_BACK)

    def ask_back_end(self, *subjects: Subject) -> None:
        """Ask the back end about each subject, where there is one, each only once, and nothing more once it did not answer."""
        store = self._sources.store
        for each in subjects:
            if store is not None and each not in self._asked and not self.found.troubles:
                self._asked.add(each)
                more = search(store, each, Window(self._sources.services, self._story.since, self._now))
                troubles = tuple(dict.fromkeys(self.found.troubles + more.troubles))
                self.found = Found(self.found.spans + more.spans, troubles)

    def ask_record(self) -> None:
        """Ask the record, and then the back end about the traces that the reports name."""
        reports = self._reports(self._wish.subject)
        self._known = Known.of(self._wish.subject, reports)
        if self._wish.since is None and (issued := [each.issued for each in reports if each.issued is not None]):
            self._story.since = min(issued) - BEFORE
        self._ask_about_traces()

    def _reports(self, subject: Subject) -> tuple[StoredReport, ...]:
        """The reports about the subject, which become part of the story; none where the record does not answer."""
        try:
            reports = self._sources.record(subject)
        except (Deferred, ContractError, FhirRejected) as trouble:
            self._miss("The record", trouble)
            return ()
        self._story.sightings += in_the_record(reports)
        return reports

    def ask_bus(self) -> None:
        """Look through the bus where there is still no trace, and then ask the back end about the traces that the records name."""
        if self.found.spans and not self._wish.everything:
            return
        try:
            with self._sources.bus() as reader:
                glance = Glance(reader, self._story.since, self._wish.within_s)
                self._story.sightings += on_the_bus(glance, self._sources.topics, self._known)
        except (Deferred, ContractError) as trouble:
            self._miss("The bus", trouble)
            return
        self._story.looked = list(glance.looked.values())
        self._story.away = self._story.away or any(each.trouble for each in self._story.looked)
        if self._wish.subject.kind == "trace":
            for each in sorted(self._known.media)[:PICTURES_MAX]:
                self._reports(Subject("media", each))
        self._known.traces |= {each.trace_id for each in self._story.sightings if each.trace_id is not None}
        self._ask_about_traces()

    def end(self) -> Story:
        """The whole story."""
        story = self._story
        story.timelines = timelines(self.found.spans)
        story.sightings.sort(key=lambda each: each.at)
        if not story.timelines:
            story.missing[:0] = reasons(self._sources.traces, self.found.troubles, story.sightings, self._now)
        elif self.found.troubles:
            story.missing[:0] = [f"The back end left some questions unanswered: {each}." for each in self.found.troubles]
        story.away = story.away or bool(self.found.troubles)
        return story

    def _ask_about_traces(self) -> None:
        self.ask_back_end(*(Subject("trace", each) for each in sorted(self._known.traces)))

    def _miss(self, who: str, trouble: TocsinError) -> None:
        self._story.away = True
        self._story.missing.append(f"{who} was not read: {trouble}.")
