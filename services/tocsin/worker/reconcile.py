"""The record compared with what Tocsin announced: pictures without an ending, reports without a flag, flags without a report.

Each is mended by announcing its picture again. Nothing is remembered: what was announced stands on the backfill topic.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from tocsin.event.ports import EventLog, EventSink
from tocsin.settings import KafkaSettings, ReconcileSettings
from tocsin.telemetry.log import logger
from tocsin.worker.announce import RECONCILE, announce, event_id
from tocsin.worker.model import Candidate, Filed, Query
from tocsin.worker.ports import Archive, Group
from tocsin.worker.traces import Traces, gather


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when something must have come about to be compared; aware, both included."""

    since: datetime
    until: datetime

    @classmethod
    def of(cls, settings: ReconcileSettings, now: datetime) -> Window:
        """The window that the settings ask for at `now`."""
        return cls(now - timedelta(seconds=settings.window_s), now - timedelta(seconds=settings.grace_s))

    def __contains__(self, time: datetime) -> bool:
        return self.since <= time <= self.until


@dataclass(frozen=True, slots=True)
class Findings:
    """What one comparison found; references only."""

    images_without_ending: tuple[str, ...] = ()
    """Media whose last update has no report, no flag and no dead letter behind it."""
    reports_without_flag: tuple[str, ...] = ()
    flags_without_report: tuple[str, ...] = ()
    """DiagnosticReports that a flag speaks of and the record does not hold."""
    announced: int = 0
    """Pictures announced again by this run."""
    left: int = 0
    """Pictures left for the next run."""
    behind_s: float = 0.0
    """Age of the hospital's oldest event that the consumers have not come to, where it is older than the grace; else 0."""

    @property
    def found(self) -> int:
        """How many gaps there are."""
        return len(self.images_without_ending) + len(self.reports_without_flag) + len(self.flags_without_report)


def images_without_ending(images: Iterable[Candidate], filed: Iterable[Filed], traces: Traces) -> list[Candidate]:
    """Pictures whose last update led nowhere: any report of that time or later is an ending, whatever was made of it since."""
    reported: dict[str, datetime] = {}
    for each in filed:
        reported[each.media] = max(each.updated, reported.get(each.media, each.updated))

    def ended(image: Candidate) -> bool:
        if traces.settled(image.media, image.updated):
            return True
        endings = (reported.get(image.media), traces.flagged.get(image.media))
        return any(ending is not None and ending >= image.updated for ending in endings)

    return [image for image in images if not ended(image)]


def reports_without_flag(filed: Iterable[Filed], traces: Traces, window: Window) -> list[Filed]:
    """Reports that nobody was told of since they were composed."""

    def told(report: Filed) -> bool:
        flag = traces.flags.get(report.report)
        return flag is not None and flag.at >= report.issued

    return [
        each for each in filed if each.calls and each.issued in window and not told(each) and not traces.settled(each.media, each.issued)
    ]


def flags_to_look_up(filed: Iterable[Filed], traces: Traces, window: Window) -> list[str]:
    """Reports that flags speak of and that are not among those that were just read."""
    standing = {each.report for each in filed}
    return [
        report
        for report, flag in traces.flags.items()
        if report not in standing and flag.at in window and not traces.settled(flag.media, flag.at)
    ]


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Finds and mends; harmless where it runs twice at the same time."""

    archive: Archive
    log: EventLog
    sink: EventSink
    group: Group
    topics: KafkaSettings
    query: Query
    """Which pictures are Tocsin's to judge."""
    source: str
    """URI of this installation."""
    settings: ReconcileSettings

    def reconcile(self, now: datetime) -> Findings:
        """Compare what came about between `window_s` and `grace_s` before `now` (aware), and mend at most `batch_max` gaps.

        One version of a picture is announced once in a window at most. Raises Deferred, FhirRejected (Refused) and Stop as its ports do.
        """
        window = Window.of(self.settings, now)
        traces = gather(self.log, self.group, self.topics, self.source, window.since - timedelta(seconds=self.settings.grace_s))
        images = self._images(window)
        filed = list(self.archive.filed(window.since, now))
        unended = images_without_ending(images, filed, traces)
        untold = reports_without_flag(filed, traces, window)
        asked = flags_to_look_up(filed, traces, window)
        existing = self.archive.existing(asked)
        lost = [report for report in asked if report not in existing]
        due = self._due(unended, {*(each.media for each in untold), *(traces.flags[each].media for each in lost)}, traces)
        batch = due[: self.settings.batch_max]
        announce(self.sink, self.topics.topic_backfill, RECONCILE, batch)
        findings = Findings(
            images_without_ending=tuple(each.media for each in unended),
            reports_without_flag=tuple(each.report for each in untold),
            flags_without_report=tuple(lost),
            announced=len(batch),
            left=len(due) - len(batch),
            behind_s=self._behind_s(traces, now),
        )
        _say(findings, self.topics)
        return findings

    def _images(self, window: Window) -> list[Candidate]:
        images = list(islice(self.archive.changed(self.query, window.since, window.until), self.settings.images_max))
        if len(images) == self.settings.images_max:
            logger().warning(
                "not every picture of the window was compared",
                found=len(images),
                advice="Raise TOCSIN_RECONCILE__IMAGES_MAX, or shorten TOCSIN_RECONCILE__WINDOW_S and reconcile more often.",
            )
        return images

    def _due(self, unended: list[Candidate], others: set[str], traces: Traces) -> list[Candidate]:
        """Those to announce, the pictures without an ending first; no version that reconciliation announced already."""
        named = self.archive.named(others - {each.media for each in unended})
        return [each for each in (*unended, *named) if event_id(RECONCILE, each) not in traces.reconciled]

    def _behind_s(self, traces: Traces, now: datetime) -> float:
        age_s = 0.0 if traces.live_since is None else (now - traces.live_since).total_seconds()
        return age_s if age_s > self.settings.grace_s else 0.0


def _say(findings: Findings, topics: KafkaSettings) -> None:
    if findings.behind_s:
        logger().warning(
            "the consumers are behind: what they have not come to was not announced again",
            group=topics.group_id,
            detail=f"the oldest event has waited for {findings.behind_s:.0f} s",
            advice="Look whether `tocsin consume` runs and which neighbour it waits for; run more of it.",
        )
    counts = (
        f"{len(findings.images_without_ending)} pictures without an ending, {len(findings.reports_without_flag)} reports without a flag, "
        f"{len(findings.flags_without_report)} flags without a report; {findings.left} left for the next run"
    )
    say = logger().warning if findings.found else logger().info
    say("reconciled", found=findings.found, announced=findings.announced, topic=topics.topic_backfill, detail=counts)
