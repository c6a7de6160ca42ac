"""A hospital whose record and bus can be put out of step, and the reconciliation that finds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from tocsin.archive.announce import RECONCILE, event_id
from tocsin.archive.reconcile.gaps import Gaps
from tocsin.archive.reconcile.reconciler import Reconciler, Slice
from tocsin.archive.types import Candidate, Query, Reconciliation, ReportSummary
from tocsin.deadletter.letters import Letter
from tocsin.deadletter.types import dead_letter, send_dead_letter
from tocsin.errors import NotAnImage, Refused
from tocsin.event.types import ImagingEvent
from tocsin.kafka.types import CommittedOffset, Position, Record, TopicPartition
from tocsin.report.flag import Flag, FlagModel
from tocsin.settings import KafkaSettings, ReconcileSettings

from tests.builders import event_json
from tests.fakes.archive import FakeArchive, FakeGroup, Image
from tests.fakes.bus import GROUP, FakeBus, FakeSink, FakeTopicReader

NOW = datetime(2026, 5, 2, 12, tzinfo=UTC)
OURS = "urn:test:ours"
TOPICS = KafkaSettings()
SETTINGS = ReconcileSettings()


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


CHANGED, ISSUED, TOLD = ago(3600), ago(3500), ago(3400)


@dataclass
class House:
    """A hospital whose record and bus can be put out of step."""

    bus: FakeBus = field(default_factory=FakeBus)
    archive: FakeArchive = field(default_factory=FakeArchive)
    settings: ReconcileSettings = SETTINGS
    clock: Callable[[], float] = lambda: 0.0

    def image(self, name: str = "m1", updated: datetime = CHANGED, **changes: Any) -> str:
        image = Image(f"Media/{name}", updated, **changes)
        self.archive.put(image)
        return image.media

    def report(
        self,
        media: str,
        issued: datetime = ISSUED,
        *,
        as_of: datetime | None = None,
        calls: bool = True,
        study: str | None = None,
        status: str | None = None,
        changed: datetime | None = None,
    ) -> str:
        """On the version of the picture that there is, unless it is told."""
        reference = f"DiagnosticReport/on-{media.partition('/')[2]}"
        stored = as_of or (self.archive.images[media].updated if media in self.archive.images else CHANGED)
        self.archive.reports[reference] = ReportSummary(reference, media, issued, stored, calls, study, status, changed)
        return reference

    def flag(
        self,
        media: str,
        at: datetime = TOLD,
        source: str = OURS,
        report: str | None = None,
        by: str = "urn:test",
        **said: Any,
    ) -> str:
        """`by` is the source of the event that led to it."""
        report = report or f"DiagnosticReport/on-{media.partition('/')[2]}"
        flag = Flag(
            version=1,
            id="0" * 36,
            source=source,
            report=report,
            media=media,
            subject="Patient/p1",
            outcome="not-assessable",
            flagged=False,
            reason="too-dark",
            model=FlagModel(name="reader", version="3"),
            content_sha256="0" * 64,
            event="e",
            event_source=by,
            announced_at=at,
            **({"status": "preliminary"} | said),
        )
        self._append(TOPICS.topic_flags, flag.model_dump_json(exclude_none=True).encode(), at)
        return report

    def letter(self, media: str, at: datetime = TOLD, error: type[Refused] = NotAnImage) -> Letter:
        value = orjson.dumps(event_json(media=media))
        record = Record(Position(TopicPartition(TOPICS.topic_imaging, 0), 0), None, value, (), 0)
        self._at(at)
        letter = dead_letter(record, error("gone", reference=media), attempts=1, first_failed_at=at, now=at)
        send_dead_letter(FakeSink(self.bus), TOPICS.topic_dead_letters, letter, None)
        return Letter(self.bus.records(TOPICS.topic_dead_letters)[-1].position, letter)

    def event(self, media: str, at: datetime, topic: str = TOPICS.topic_imaging, **changes: object) -> None:
        self._append(topic, orjson.dumps(event_json(media=media, **changes)), at)

    def own_event(self, media: str, at: datetime, source: str = RECONCILE) -> None:
        """Tocsin announced the version that there is."""
        candidate = self.archive.images[media].candidate
        assert isinstance(candidate, Candidate)
        self.event(media, at, TOPICS.topic_backfill, id=event_id(source, candidate), source=source)

    def judge_everything(self) -> None:
        """The consumers commit all there is."""
        self.bus.groups[GROUP] = {log: CommittedOffset(len(records)) for log, records in self.bus.logs.items()}

    def reconciler(self, now: datetime) -> Reconciler:
        self._at(now)
        log, sink, group = FakeTopicReader(self.bus), FakeSink(self.bus), FakeGroup(self.bus)
        return Reconciler(self.archive, log, sink, group, TOPICS, Query(), OURS, self.settings, self.clock)

    def reconcile(self, now: datetime = NOW) -> Gaps:
        return self.reconciler(now).reconcile(now)

    def compare(self, since: datetime, announcements_max: int) -> list[Slice]:
        return list(self.reconciler(NOW).compare(since, NOW, announcements_max))

    def events(self) -> list[ImagingEvent]:
        return [ImagingEvent.model_validate_json(each.value or b"") for each in self.bus.records(TOPICS.topic_backfill)]

    def announced(self) -> list[str]:
        return [each.media for each in self.events()]

    def reached(self) -> Reconciliation:
        """What the last run left to the next."""
        return Reconciliation.model_validate_json(self.bus.records(TOPICS.topic_backfills)[-1].value or b"")

    def _append(self, topic: str, value: bytes, at: datetime) -> None:
        self._at(at)
        self.bus.append(topic, None, value)

    def _at(self, at: datetime) -> None:
        self.bus.now_ms = int(at.timestamp() * 1000)
