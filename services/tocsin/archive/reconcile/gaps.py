"""Finds the gaps between the record and the bus. Pure, so that every case can be shown without either."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from tocsin.archive.announce import BACKFILL, RECONCILE, event_id
from tocsin.archive.reconcile.evidence import Evidence, Told, Window
from tocsin.archive.types import Candidate, ReportSummary
from tocsin.fhir.datatypes import to_the_millisecond

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Gaps:
    """What a comparison found; references only."""

    images_without_ending: tuple[str, ...] = ()
    """Media whose last version has no report and no dead letter behind it, and is not waiting for the consumers."""
    reports_without_flag: tuple[str, ...] = ()
    flags_without_report: tuple[str, ...] = ()
    """DiagnosticReports that a flag speaks of and the record does not hold."""
    disputed: tuple[str, ...] = ()
    """Media that were not announced again, each with the open dead letter that doubts whose picture it is."""
    announced: int = 0
    """Pictures announced again."""
    left: int = 0
    """Pictures that are to be announced again and were not."""
    behind_s: float = 0.0
    """Age in seconds of the hospital's oldest seen event that waits for the consumers; 0 where it is within the grace."""

    @property
    def references(self) -> tuple[str, ...]:
        """A reference for each gap: a Media or a DiagnosticReport."""
        return (*self.images_without_ending, *self.reports_without_flag, *self.flags_without_report)

    @property
    def found(self) -> int:
        """How many gaps there are."""
        return len(self.references)

    def and_also(self, other: Gaps) -> Gaps:
        """The gaps of two comparisons together; `left` is the later one's."""
        return Gaps(
            self.images_without_ending + other.images_without_ending,
            self.reports_without_flag + other.reports_without_flag,
            self.flags_without_report + other.flags_without_report,
            self.disputed + other.disputed,
            self.announced + other.announced,
            other.left,
            max(self.behind_s, other.behind_s),
        )


def images_without_ending(images: Iterable[Candidate], reports: Iterable[ReportSummary], evidence: Evidence) -> list[Candidate]:
    """Pictures whose last version has no ending.

    A report on the last version is an ending, whatever was made of the report since. So is a report on an older version that a clinician
    has acted on, once the consumers came past an event of Tocsin's own about the last version: the journey leaves such a report as it is.
    """
    by_media: dict[str, list[ReportSummary]] = defaultdict(list)
    for each in reports:
        by_media[each.media].append(each)

    def ended(image: Candidate) -> bool:
        on_it = by_media[image.media]
        if evidence.settled_though_held(image.media, image.updated) or any(_about(each, image) for each in on_it):
            return True
        own = (evidence.own.get(event_id(source, image)) for source in (RECONCILE, BACKFILL))
        return bool(on_it) and any(each is not None and each.judged for each in own)

    return [image for image in images if not ended(image)]


def _about(report: ReportSummary, image: Candidate) -> bool:
    """Whether the report is about this version of the picture or a later one; a report keeps milliseconds, as FHIR servers do.

    Where another program dropped the version's time, the next best is the time when the report was composed: the picture was judged just
    before.
    """
    return (report.as_of or report.issued) >= to_the_millisecond(image.updated)


def reports_without_flag(reports: Iterable[ReportSummary], evidence: Evidence) -> list[ReportSummary]:
    """Reports that nobody was told of since they were composed, or of which the last flag says another status: a clinician has acted.

    Of a report from before the window it is not known what was told before: it lacks a flag where a clinician has acted on it, and nobody
    was told anything since.
    """

    def lacks(report: ReportSummary) -> bool:
        last = evidence.told.get(report.report)
        if last is None and report.issued < evidence.since:
            return report.status not in (None, "preliminary")
        if last is None or last.at < report.issued:
            return report.calls
        return report.status is not None and last.status != report.status and not on_its_way(report, last)

    def on_its_way(report: ReportSummary, last: Told) -> bool:
        """Whether the record or the bus changed so lately that the other may not show it yet."""
        return max(report.changed or report.issued, last.at) > evidence.until

    return [each for each in reports if lacks(each) and not evidence.settled(each.media, each.issued)]


def flags_to_look_up(evidence: Evidence) -> list[str]:
    """Reports that flags speak of and that were not read."""
    return [report for report, flag in evidence.flags.items() if not evidence.settled(flag.media, flag.at)]


def gaps_of(untold: Iterable[ReportSummary], lost: Iterable[str], evidence: Evidence) -> Mapping[str, datetime]:
    """Media of the reports without a flag and the flags without a report -> when the latest of them came about or was changed."""
    gaps: dict[str, datetime] = {}
    times = [(each.media, each.touched) for each in untold] + [(evidence.flags[each].media, evidence.flags[each].at) for each in lost]
    for media, at in times:
        gaps[media] = max(at, gaps.get(media, at))
    return gaps


def is_due(image: Candidate, gap: datetime, evidence: Evidence, repeat_from: datetime) -> bool:
    """Whether to announce the picture again for what came about at `gap` (aware).

    Not where reconciliation has announced this version since `gap`, or since `repeat_from` (aware): a server that shows a report to nobody
    who searches for it would have the same picture announced by every run.
    """
    own = evidence.own.get(event_id(RECONCILE, image))
    return own is None or own.at < min(gap, repeat_from)


def some_of(found: Iterable[T], time: Callable[[T], datetime], most: int) -> tuple[list[T], datetime | None]:
    """The first `most` items, which come sorted by their time, and all that share the last one's time.

    The second value is that time where more items stand behind, else None.
    """
    taken: list[T] = []
    for each in found:
        if len(taken) >= most and time(each) > time(taken[-1]):
            return taken, time(taken[-1])
        taken.append(each)
    return taken, None


def within(found: Iterable[T], time: Callable[[T], datetime], window: Window) -> list[T]:
    """The items that came about in the window."""
    return [each for each in found if time(each) in window]
