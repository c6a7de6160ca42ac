"""What a worklist says of itself as metrics: how much is unread, how old, how much of it overdue, and whether the list is current."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from tocsin.review.notices import Overdue
from tocsin.review.worklist import NOT_ASSESSABLE, OTHER, Worklist
from tocsin.telemetry.instruments import Measured
from tocsin.telemetry.metrics import (
    AUDIT_SAMPLE,
    WORKLIST_BEHIND,
    WORKLIST_LEFT_OUT,
    WORKLIST_OLDEST,
    WORKLIST_OVERDUE,
    WORKLIST_UNREAD,
    WORKLIST_UNSIGNED,
)


def watch_worklist(worklist: Worklist, behind_s: Callable[[], float], overdue: Overdue, now: Callable[[], datetime]) -> None:
    """Say from now on how the worklist stands; each band has its number, also where it is 0."""
    bands = list(dict.fromkeys([*worklist.ranks.of_band, NOT_ASSESSABLE, OTHER]))

    def unread() -> Measured:
        counts = dict.fromkeys(bands, 0)
        for (_, band), total in worklist.totals().items():
            counts[band] += total.unread
        return [(float(count), {"band": band}) for band, count in counts.items()]

    def unsigned() -> Measured:
        counts = dict.fromkeys(bands, 0)
        for row in worklist.rows():
            counts[worklist.ranks.named(row)] += row.unsigned is not None
        return [(float(count), {"band": band}) for band, count in counts.items()]

    def oldest() -> Measured:
        at, since = now(), dict[str, datetime]()
        for (_, band), total in worklist.totals().items():
            if total.oldest is not None:
                since[band] = min(since.get(band, total.oldest), total.oldest)
        return [(max(0.0, (at - since[band]).total_seconds()) if band in since else 0.0, {"band": band}) for band in bands]

    def sample() -> Measured:
        found = [row.unread for row in worklist.rows() if row.sampled]
        return [(float(found.count(each)), {"reading": "unread" if each else "read"}) for each in (True, False)]

    WORKLIST_UNREAD.watch(unread)
    WORKLIST_UNSIGNED.watch(unsigned)
    WORKLIST_OLDEST.watch(oldest)
    WORKLIST_OVERDUE.watch(lambda: [(float(sum(overdue.is_overdue(row, at) for at in [now()] for row in worklist.rows())), {})])
    WORKLIST_BEHIND.watch(lambda: [(behind_s(), {})])
    AUDIT_SAMPLE.watch(sample)
    WORKLIST_LEFT_OUT.watch(lambda: [(float(worklist.left_out), {})])
