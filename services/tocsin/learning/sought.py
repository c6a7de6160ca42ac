"""With which probability the label of a picture of the record was sought, by what its report said and the site's audit sample. Pure.

A flagged picture is read as a matter of course, and counts for itself. One below threshold counts for as many as it stands for where the
audit sample drew it; where it did not, somebody had a reason of their own to look, and nobody knows how likely that was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from tocsin.learning.labels_bus import OfMedia
from tocsin.report.flag import WITHDRAWN, Flag
from tocsin.report.types import StoredReport
from tocsin.review.sample import Judged, Sample

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


def weighted(found: Iterable[OfMedia], judged: Mapping[str, Judged], sample: Sample | None) -> list[OfMedia]:
    """The labels with their weights; `judged`: DiagnosticReport/<id> -> what it said, of those of which that is known.

    Of a picture with several reports the one that holds tells: the last that was not withdrawn and did not give way.
    """
    return [_weighted(each, _holding([judged[report] for report in each.reports if report in judged]), sample) for each in found]


def newest(flags: Iterable[Flag]) -> dict[str, Judged]:
    """DiagnosticReport/<id> -> what its newest flag says."""
    last: dict[str, Flag] = {}
    for each in flags:
        known = last.get(each.report)
        if known is None or known.announced_at <= each.announced_at:
            last[each.report] = each
    return {report: Judged.by(flag) for report, flag in last.items()}


def as_recorded(stored: StoredReport) -> Judged | None:
    """What a report of the record said when it was made; None where another program dropped Tocsin's mark."""
    mark = stored.mark
    return None if mark is None else Judged(stored.media, mark.score, mark.flagged, stored.status, stored.issued)


def _holding(judged: Collection[Judged]) -> Judged | None:
    return max(judged, key=lambda each: (each.status not in WITHDRAWN, each.issued or _NEVER), default=None)


def _weighted(of: OfMedia, judged: Judged | None, sample: Sample | None) -> OfMedia:
    if judged is not None and judged.flagged:
        return of
    if judged is None or sample is None or judged.media != of.media or not sample.draws(judged):
        return replace(of, said=replace(of.said, sought=False))
    return replace(of, said=replace(of.said, weight=1 / (sample.probability(judged) or 1.0)))
