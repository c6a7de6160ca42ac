"""A record in memory that is searched as the Archive port promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from tocsin.archive.types import STATED_NOWHERE, Candidate, Cursor, Page, Query, ReportSummary
from tocsin.kafka.types import TopicPartition

from tests.fakes.bus import GROUP, FakeBus


@dataclass(frozen=True)
class Image:
    """A Media, as far as it is searched."""

    media: str
    updated: datetime
    subject: str | None = "Patient/p1"
    status: str = "completed"
    modality: str | None = "DMS"
    type: str | None = None
    created: date = date(2026, 3, 1)
    identifier: str = ""
    version: int = 1

    @property
    def candidate(self) -> Candidate | str:
        """The picture, or why it may not be announced of Tocsin's own accord."""
        return "not-completed" if self.status != "completed" else self.judged

    @property
    def judged(self) -> Candidate | str:
        """The picture, or why the journey would refuse it."""
        if self.status in ("entered-in-error", "not-done"):
            return "not-completed"
        if self.subject is None:
            return "no-local-patient"
        occurred_at = datetime(self.created.year, self.created.month, self.created.day, 9, tzinfo=UTC)
        return Candidate(self.media, self.subject, str(self.version), occurred_at, self.updated)


@dataclass
class FakeArchive:
    """Archive port over dictionaries by reference."""

    images: dict[str, Image] = field(default_factory=dict)
    reports: dict[str, ReportSummary] = field(default_factory=dict)

    def put(self, image: Image) -> None:
        """Write a Media; one that is there gets a new version."""
        before = self.images.get(image.media)
        self.images[image.media] = image if before is None else replace(image, version=before.version + 1)

    def count(self, query: Query) -> int:
        """See Archive."""
        return len(self._matching(query, counted=True))

    def media(self, query: Query, cursor: Cursor | None, count: int) -> Page:
        """See Archive."""
        behind = [each for each in self._matching(query) if cursor is None or _place(each) > _place_of(cursor)]
        taken = behind[:count]
        skipped = Counter(each for image in taken if isinstance(each := image.candidate, str))
        candidates = tuple(each for image in taken if isinstance(each := image.candidate, Candidate))
        last = len(taken) == len(behind)
        if taken:
            partly = not last and behind[len(taken)].updated == taken[-1].updated
            cursor = Cursor(updated=taken[-1].updated.isoformat(), after=taken[-1].media if partly else None)
        return Page(candidates, dict(skipped), cursor, last)

    def changed(self, query: Query, since: datetime, until: datetime) -> Iterator[Candidate]:
        """See Archive."""
        for image in self._matching(query):
            if since <= image.updated <= until and isinstance(candidate := image.candidate, Candidate):
                yield candidate

    def named(self, media: Collection[str]) -> list[Candidate]:
        """See Archive."""
        found = (self.images[each].judged for each in sorted(media) if each in self.images)
        return [each for each in found if isinstance(each, Candidate)]

    def summaries(self, since: datetime, until: datetime) -> Iterator[ReportSummary]:
        """See Archive."""
        return (each for each in sorted(self.reports.values(), key=lambda each: each.touched) if since <= each.touched <= until)

    def reports_on(self, media: Collection[str]) -> list[ReportSummary]:
        """See Archive."""
        return [each for each in self.reports.values() if each.media in media]

    def existing(self, reports: Collection[str]) -> set[str]:
        """See Archive."""
        return set(reports) & self.reports.keys()

    def _matching(self, query: Query, *, counted: bool = False) -> list[Image]:
        """By their last update; a count cannot tell what is stated nowhere."""
        return sorted((each for each in self.images.values() if _matches(each, query, counted=counted)), key=_place)


def _matches(image: Image, query: Query, *, counted: bool) -> bool:
    asked = dict(each.partition("=")[::2] for each in query.where)
    stated = {image.modality, image.type} - {None}
    of_modality = (
        not query.modality
        or (STATED_NOWHERE in query.modality and (counted or not stated))
        or any(each.rpartition("|")[2] in stated for each in query.modality)
    )
    return (
        of_modality
        and (query.created_from is None or query.created_from <= image.created)
        and (query.created_to is None or image.created <= query.created_to)
        and asked.get("identifier", image.identifier) == image.identifier
    )


def _place(image: Image) -> tuple[datetime, str]:
    return image.updated, image.media


def _place_of(cursor: Cursor) -> tuple[datetime, str]:
    return datetime.fromisoformat(cursor.updated), cursor.after or "~"


@dataclass
class FakeGroup:
    """Group port over a FakeBus."""

    bus: FakeBus
    group: str = GROUP

    def committed(self, topic: str) -> dict[TopicPartition, int]:
        """See Group."""
        places = self.bus.groups.get(self.group, {})
        return {log: places[log].offset if log in places else 0 for log in self.bus.logs if log.topic == topic}

    def lag(self, topic: str) -> int:
        """See Group."""
        committed = self.committed(topic)
        return sum(len(self.bus.logs[log]) - place for log, place in committed.items())

    def close(self) -> None:
        """See Group."""
