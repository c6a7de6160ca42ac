"""The record compared with what Tocsin announced: pictures without an ending, reports without a flag, flags without a report.

Each is mended by announcing its picture again. A comparison goes slice by slice, the oldest first: that has waited longest, and what is
youngest is likeliest to be under way. What was announced stands on the backfill topic; how far a run came, on that of backfills.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from tocsin.archive.announce import RECONCILE, announce, with_studies
from tocsin.archive.ports import Archive
from tocsin.archive.reconcile.checkpoint import Reached
from tocsin.archive.reconcile.evidence import Asked, Bus, Traces, Window, gather
from tocsin.archive.reconcile.gaps import (
    Findings,
    flags_to_look_up,
    gaps_of,
    images_without_ending,
    is_due,
    reports_without_flag,
    some_of,
    within,
)
from tocsin.archive.types import Candidate, Filed, Query
from tocsin.deadletter.disputes import ADVICE, open_disputes, some
from tocsin.kafka.ports import EventSink, Group, TopicReader
from tocsin.settings import KafkaSettings, ReconcileSettings
from tocsin.telemetry.log import logger

_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Slice:
    """What was compared together."""

    findings: Findings
    until: datetime
    """Whatever came about until then was compared; aware."""


@dataclass(frozen=True, slots=True)
class Gaps:
    """What one slice lacks."""

    unended: list[Candidate]
    untold: list[Filed]
    lost: list[str]


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Finds and mends; harmless where it runs twice at the same time."""

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

    def reconcile(self, now: datetime) -> Findings:
        """Go on where the last run stopped, for `run_s` or until `batch_max` gaps are mended; `now` is aware.

        What came about between `window_s` and `grace_s` ago is compared over and over; what came about while nobody compared is made up
        for, `catch_up_s` at most. One version of a picture is announced once for a gap, and twice in a window at most. Raises Deferred,
        FhirRejected (Refused) and Stop as its ports do; the next run then goes on with smaller slices.
        """
        reached, end = Reached(self.reader, self.sink, self.topics.topic_backfills), now - timedelta(seconds=self.settings.grace_s)
        began, total = self.clock(), Findings()
        since, size = reached.start(now - timedelta(seconds=self.settings.window_s), self.settings.slice_max)
        since = max(since, now - timedelta(seconds=self.settings.catch_up_s))
        longest_s = 0.0
        while since <= end and self.clock() - began + longest_s < self.settings.run_s:
            reached.keep(since, max(1, size // 2), whole=False, now=now)  # what a run that dies over this slice leaves to the next
            at = self.clock()
            compared = self._slice(Window(since, end), size, now, self.settings.batch_max - total.announced)
            took_s = self.clock() - at
            longest_s = max(longest_s, took_s)
            total = total.and_also(compared.findings)
            if total.left:
                break
            since, size = compared.until + _TICK, self._resized(size, took_s)
        reached.keep(since, size, whole=since > end, now=now)
        _say(total, self.topics, since, whole=since > end)
        return total

    def compare(self, since: datetime, now: datetime, announcements_max: int) -> Iterator[Slice]:
        """Slice by slice whatever came about from `since` until `grace_s` before `now` (aware); `reconcile` neither knows nor minds.

        At most so many pictures are announced. Raises as `reconcile` does.
        """
        end, left = now - timedelta(seconds=self.settings.grace_s), announcements_max
        while since <= end:
            compared = self._slice(Window(since, end), self.settings.slice_max, now, left)
            yield compared
            since, left = compared.until + _TICK, left - compared.findings.announced

    def _resized(self, size: int, took_s: float) -> int:
        """So that several slices fit into a run."""
        if took_s > self.settings.run_s / 2:
            return max(1, size // 2)
        return min(self.settings.slice_max, size * 2) if took_s < self.settings.run_s / 8 else size

    def _slice(self, window: Window, size: int, now: datetime, announcements_max: int) -> Slice:
        images, images_end = some_of(self.archive.changed(self.query, window.since, window.until), _updated, size)
        filed, filed_end = some_of(self.archive.filed(window.since, window.until), _issued, size)
        window = Window(window.since, min(filter(None, (window.until, images_end, filed_end))))
        repeat_from = now - timedelta(seconds=self.settings.window_s / 2)
        media = {each.media for each in images} | {each.media for each in filed}
        asked = Asked(window, media, {each.report for each in filed}, size, repeat_from)
        traces = gather(self._bus(), asked)
        window = Window(window.since, traces.until)
        gaps = self._gaps(within(images, _updated, window), within(filed, _issued, window), traces)
        due = self._due(gaps, traces, repeat_from)
        disputed = open_disputes(self.reader, self.topics, {each.media for each in due})
        due = [each for each in due if each.media not in disputed]
        batch = due[:announcements_max]
        announce(self.sink, self.topics.topic_backfill, RECONCILE, batch)
        findings = Findings(
            images_without_ending=tuple(each.media for each in gaps.unended),
            reports_without_flag=tuple(each.report for each in gaps.untold),
            flags_without_report=tuple(gaps.lost),
            disputed=tuple(f"{media} ({letter})" for media, letter in disputed.items()),
            announced=len(batch),
            left=len(due) - len(batch),
            behind_s=self._behind_s(traces, now),
        )
        return Slice(findings, window.until)

    def _gaps(self, images: list[Candidate], filed: list[Filed], traces: Traces) -> Gaps:
        """A picture whose flag speaks of a report that is lost is counted as that alone."""
        asked = flags_to_look_up(traces)
        existing = self.archive.existing(asked)
        lost = [report for report in asked if report not in existing]
        of_lost = {traces.flags[each].media for each in lost}
        doubtful = [each for each in images_without_ending(images, filed, traces) if each.media not in of_lost]
        on_them = self.archive.reports_on([each.media for each in doubtful])  # composed later than their slice, or long before it
        unended = with_studies(images_without_ending(doubtful, on_them, traces), on_them)
        return Gaps(unended, reports_without_flag(filed, traces), lost)

    def _due(self, gaps: Gaps, traces: Traces, repeat_from: datetime) -> list[Candidate]:
        """Those to announce, the pictures without an ending first."""
        unended = {each.media for each in gaps.unended}
        others = {media: at for media, at in gaps_of(gaps.untold, gaps.lost, traces).items() if media not in unended}
        studies = {traces.flags[each].media: traces.flags[each].study for each in gaps.lost}
        named = [replace(each, study=studies.get(each.media)) for each in self.archive.named(others.keys())]
        named = with_studies(named, gaps.untold)
        return [each for each in gaps.unended if is_due(each, each.updated, traces, repeat_from)] + [
            each for each in named if is_due(each, others[each.media], traces, repeat_from)
        ]

    def _bus(self) -> Bus:
        return Bus(self.reader, self.group, self.topics, self.source, timedelta(seconds=self.settings.grace_s))

    def _behind_s(self, traces: Traces, now: datetime) -> float:
        age_s = 0.0 if traces.live_since is None else (now - traces.live_since).total_seconds()
        return age_s if age_s > self.settings.grace_s else 0.0


def _updated(image: Candidate) -> datetime:
    return image.updated


def _issued(report: Filed) -> datetime:
    return report.issued


def _say(findings: Findings, topics: KafkaSettings, until: datetime, *, whole: bool) -> None:
    if findings.behind_s:
        logger().warning(
            "the consumers are behind: what they have not come to was not announced again",
            group=topics.group_id,
            detail=f"the oldest event has waited for {findings.behind_s:.0f} s",
            advice="Look whether `tocsin consume` runs and which neighbour it waits for; run more of it.",
        )
    if findings.disputed:
        logger().warning(
            "not announced again: it is open whose pictures they are",
            topic=topics.topic_backfill,
            detail=some(findings.disputed),
            advice=ADVICE,
        )
    counts = (
        f"{len(findings.images_without_ending)} pictures without an ending, {len(findings.reports_without_flag)} reports without a flag, "
        f"{len(findings.flags_without_report)} flags without a report; {findings.left} left for the next run; "
        f"compared until {until.isoformat(timespec='seconds')}{'' if whole else ', and the next run goes on there'}"
    )
    say = logger().warning if findings.found else logger().info
    say("reconciled", found=findings.found, announced=findings.announced, topic=topics.topic_backfill, detail=counts)
