"""Keeps unread flags on the bus: what retention would take soon is announced again, and says then what the record says by then.

A report that still asks a clinician to look has its picture announced once more, as reconciliation does: the journey recognises the report
and repeats its flag alone. Where that cannot be done, a line says so long before the flag is gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tocsin.archive.announce import RECONCILE, announce
from tocsin.archive.ports import Archive
from tocsin.deadletter.disputes import ADVICE, open_disputes, some
from tocsin.kafka.ports import EventSink, TopicReader
from tocsin.review.worklist import Row
from tocsin.settings import KafkaSettings
from tocsin.telemetry.log import logger

LOOK_UP_MAX: Final = 50
"""Most Media looked up in one search."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """Announces again what would be forgotten unread."""

    archive: Archive
    reader: TopicReader
    sink: EventSink
    topics: KafkaSettings
    source: str
    """URI of this installation; no other's pictures are announced."""
    after: timedelta
    batch_max: int

    def renew(self, rows: Iterable[Row], now: datetime) -> int:
        """Announce the pictures of these rows that are due, the oldest flag first, and return how many; `now` is aware.

        Raises Deferred, FhirRejected (Refused) and Stop as its ports do. To run it twice repeats a flag, which is harmless.
        """
        due = self._due(rows, now)
        if not due:
            return 0
        disputed = open_disputes(self.reader, self.topics, set(due))
        wanted = [media for media in due if media not in disputed]
        found = [each for at in range(0, len(wanted), LOOK_UP_MAX) for each in self.archive.named(wanted[at : at + LOOK_UP_MAX])]
        announce(self.sink, self.topics.topic_backfill, RECONCILE, found)
        lost = set(due) - {each.media for each in found}
        if lost:
            logger().error(
                "unread flags cannot be announced again, and leave the worklist when the bus no longer holds them",
                found=len(lost),
                detail=some(sorted(lost)),
                advice=f"Answer or withdraw the reports on these pictures in the record. Of a disputed picture: {ADVICE}",
            )
        if found:
            logger().info("old unread flags are announced again", topic=self.topics.topic_backfill, announced=len(found))
        return len(found)

    def _due(self, rows: Iterable[Row], now: datetime) -> list[str]:
        asking = [row for row in rows if row.asks and row.site == self.source and now - row.told_at >= self.after]
        oldest = sorted(asking, key=lambda row: (row.told_at, row.report))[: self.batch_max]
        return list(dict.fromkeys(row.media for row in oldest))
