"""Compares the record with what Tocsin announced: pictures without an ending, reports without a flag, flags without a report.

Each gap is mended by announcing its picture again. A comparison goes slice by slice, the oldest first: the oldest gap has waited longest,
and the youngest is likeliest to be under way. What was announced stands on the backfill topic; how far a run came, on the topic of
backfills.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from tocsin.archive.announce import RECONCILE, announce, with_studies
from tocsin.archive.ports import Archive
from tocsin.archive.reconcile.checkpoint import Checkpoint
from tocsin.archive.reconcile.evidence import Asked, Bus, Evidence, Window, gather
from tocsin.archive.reconcile.gaps import (
    Gaps,
    flags_to_look_up,
    gaps_of,
    images_without_ending,
    is_due,
    reports_without_flag,
    some_of,
    within,
)
from tocsin.archive.types import Candidate, Query, ReportSummary
from tocsin.deadletter.disputes import ADVICE, open_disputes, some
from tocsin.kafka.ports import EventSink, Group, TopicReader
from tocsin.settings import KafkaSettings, ReconcileSettings
from tocsin.telemetry.log import logger
from tocsin.telemetry.metrics import GAPS

_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Slice:
    """One part of a comparison, and the gaps found in it."""

    gaps: Gaps
    until: datetime
    """Everything that came about until this time was compared; aware."""


@dataclass(frozen=True, slots=True)
class SliceGaps:
    """The gaps of one slice: pictures without an ending, reports without a flag, and reports that only a flag speaks of."""

    unended: list[Candidate]
    untold: list[ReportSummary]
    lost: list[str]


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Finds gaps and mends them; harmless where it runs twice at the same time."""

    archive: Archive
    reader: TopicReader
    sink: EventSink
    group: Group
    topics: KafkaSettings
    query: Query
    """Which pictures are Tocsin's to judge."""
    source: str
    """URI of this installation."""
    settings: ReconcileSettings
    clock: Callable[[], float] = time.monotonic

    def reconcile(self, now: datetime) -> Gaps:
        """Go on where the last run stopped, for `run_s` or until `batch_max` gaps are mended; `now` is aware.

        Each run compares what came about between `window_s` and `grace_s` ago, and what came about while no run compared, at most
        `catch_up_s` ago. One version of a picture is announced once for a gap, and twice in a window at most. Raises Deferred, FhirRejected
        (Refused) and Stop as its ports do; the next run then goes on with smaller slices.
        """
        checkpoint, end = Checkpoint(self.reader, self.sink, self.topics.topic_backfills), now - timedelta(seconds=self.settings.grace_s)
        began, total = self.clock(), Gaps()
        since, size = checkpoint.start(now - timedelta(seconds=self.settings.window_s), self.settings.slice_max)
        since = max(since, now - timedelta(seconds=self.settings.catch_up_s))
        longest_s = 0.0
        while since <= end and self.clock() - began + longest_s < self.settings.run_s:
            checkpoint.keep(since, max(1, size // 2), whole=False, now=now)  # for the next run, should this one die over the slice
            at = self.clock()
            compared = self._slice(Window(since, end), size, now, self.settings.batch_max - total.announced)
            took_s = self.clock() - at
            longest_s = max(longest_s, took_s)
            total = total.and_also(compared.gaps)
            if total.left:
                break
            since, size = compared.until + _TICK, self._resized(size, took_s)
        checkpoint.keep(since, size, whole=since > end, now=now)
        _say(total, self.topics, since, whole=since > end)
        return total

    def compare(self, since: datetime, now: datetime, announcements_max: int) -> Iterator[Slice]:
        """Compare slice by slice what came about from `since` until `grace_s` before `now` (both aware).

        At most `announcements_max` pictures are announced. The checkpoint of `reconcile` stays as it is. Raises as `reconcile` does.
        """
        end, left = now - timedelta(seconds=self.settings.grace_s), announcements_max
        while since <= end:
            compared = self._slice(Window(since, end), self.settings.slice_max, now, left)
            yield compared
            since, left = compared.until + _TICK, left - compared.gaps.announced

    def _resized(self, size: int, took_s: float) -> int:
        """The size of the next slice, after one that took `took_s` seconds, so that several slices fit into a run."""
        if took_s > self.settings.run_s / 2:
            return max(1, size // 2)
        return min(self.settings.slice_max, size * 2) if took_s < self.settings.run_s / 8 else size

    def _slice(self, window: Window, size: int, now: datetime, announcements_max: int) -> Slice:
        images, images_end = some_of(self.archive.changed(self.query, window.since, window.until), _updated, size)
        reports, reports_end = some_of(self.archive.summaries(window.since, window.until), _touched, size)
        window = Window(window.since, min(filter(None, (window.until, images_end, reports_end))))
        repeat_from = now - timedelta(seconds=self.settings.window_s / 2)
        media = {each.media for each in images} | {each.media for each in reports}
        asked = Asked(window, media, {each.report for each in reports}, size, repeat_from)
        evidence = gather(self._bus(), asked)
        window = Window(window.since, evidence.until)
        lacks = self._gaps(within(images, _updated, window), within(reports, _touched, window), evidence)
        due = self._due(lacks, evidence, repeat_from)
        disputed = open_disputes(self.reader, self.topics, {each.media for each in due})
        due = [each for each in due if each.media not in disputed]
        batch = due[:announcements_max]
        announce(self.sink, self.topics.topic_backfill, RECONCILE, batch)
        found = Gaps(
            images_without_ending=tuple(each.media for each in lacks.unended),
            reports_without_flag=tuple(each.report for each in lacks.untold),
            flags_without_report=tuple(lacks.lost),
            disputed=tuple(f"{media} ({letter})" for media, letter in disputed.items()),
            announced=len(batch),
            left=len(due) - len(batch),
            behind_s=self._behind_s(evidence, now),
        )
        _count(found)
        return Slice(found, window.until)

    def _gaps(self, images: list[Candidate], reports: list[ReportSummary], evidence: Evidence) -> SliceGaps:
        """The gaps of a slice; a picture whose flag speaks of a lost report is counted as that gap alone."""
        asked = flags_to_look_up(evidence)
        existing = self.archive.existing(asked)
        lost = [report for report in asked if report not in existing]
        of_lost = {evidence.flags[each].media for each in lost}
        doubtful = [each for each in images_without_ending(images, reports, evidence) if each.media not in of_lost]
        on_them = self.archive.reports_on([each.media for each in doubtful])  # reports composed after the slice, or long before it
        unended = with_studies(images_without_ending(doubtful, on_them, evidence), on_them)
        return SliceGaps(unended, reports_without_flag(reports, evidence), lost)

    def _due(self, gaps: SliceGaps, evidence: Evidence, repeat_from: datetime) -> list[Candidate]:
        """The pictures to announce again, those without an ending first."""
        unended = {each.media for each in gaps.unended}
        others = {media: at for media, at in gaps_of(gaps.untold, gaps.lost, evidence).items() if media not in unended}
        studies = {evidence.flags[each].media: evidence.flags[each].study for each in gaps.lost}
        named = [replace(each, study=studies.get(each.media)) for each in self.archive.named(others.keys())]
        named = with_studies(named, gaps.untold)
        return [each for each in gaps.unended if is_due(each, each.updated, evidence, repeat_from)] + [
            each for each in named if is_due(each, others[each.media], evidence, repeat_from)
        ]

    def _bus(self) -> Bus:
        return Bus(self.reader, self.group, self.topics, self.source, timedelta(seconds=self.settings.grace_s))

    def _behind_s(self, evidence: Evidence, now: datetime) -> float:
        age_s = 0.0 if evidence.live_since is None else (now - evidence.live_since).total_seconds()
        return age_s if age_s > self.settings.grace_s else 0.0


def _updated(image: Candidate) -> datetime:
    return image.updated


def _touched(report: ReportSummary) -> datetime:
    return report.touched


def _count(gaps: Gaps) -> None:
    for kind in ("images_without_ending", "reports_without_flag", "flags_without_report"):
        if found := len(getattr(gaps, kind)):
            GAPS.add(found, {"kind": kind})


def _say(gaps: Gaps, topics: KafkaSettings, until: datetime, *, whole: bool) -> None:
    if gaps.behind_s:
        logger().warning(
            "consumers are behind: pictures that wait for them were not announced again",
            group=topics.group_id,
            detail=f"the oldest event has waited for {gaps.behind_s:.0f} s",
            advice="See whether `tocsin consume` runs and which neighbour it waits for (GET /ready); start more, at most one a partition.",
        )
    if gaps.disputed:
        logger().warning(
            "disputed pictures not announced again: a dead letter doubts whose they are",
            topic=topics.topic_backfill,
            detail=some(gaps.disputed),
            advice=ADVICE,
        )
    compared = f"compared until {until.isoformat(timespec='seconds')}{'' if whole else ', and the next run goes on there'}"
    if not gaps.found:
        logger().info("reconciliation found no gap", topic=topics.topic_backfill, detail=compared)
        return
    logger().warning(
        "reconciliation found gaps between the record and the bus",
        found=gaps.found,
        announced=gaps.announced,
        topic=topics.topic_backfill,
        detail=f"{_counts(gaps)} ({some(gaps.references)}); {gaps.left} pictures left for the next run; {compared}",
        advice="Tocsin announces their pictures again. Where a reference comes back, look at the FHIR server and the topics.",
    )


def _counts(gaps: Gaps) -> str:
    return (
        f"{len(gaps.images_without_ending)} pictures without an ending, {len(gaps.reports_without_flag)} reports without a flag, "
        f"{len(gaps.flags_without_report)} flags without a report"
    )
