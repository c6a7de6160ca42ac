"""Settles the verdicts that the bus has and the record does not: those of one report in order, within a budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from tocsin.errors import TocsinError
from tocsin.kafka.ports import TopicReader
from tocsin.review.desk import Settler
from tocsin.review.ledger import Entry, entries
from tocsin.review.types import State
from tocsin.settings import VerdictSettings
from tocsin.telemetry.log import logger
from tocsin.telemetry.metrics import VERDICT_WAITED, VERDICTS_OPEN


@dataclass(frozen=True, slots=True)
class Retry:
    """Tries open verdicts again; harmless where it runs twice at the same time."""

    reader: TopicReader
    topic: str
    settler: Settler
    source: str
    """URI of this installation: others' verdicts are theirs to settle."""
    settings: VerdictSettings
    clock: Callable[[], float] = time.monotonic

    def run(self, now: datetime) -> int:
        """Try what is due at `now` (aware), and return how many verdicts have an ending by that.

        Raises Deferred and ContractError (Stop) as its reader does, and whatever kept it from telling the bus. A verdict at which Tocsin
        itself fails keeps no other report's from their turn; its failure is raised in the end.
        """
        since = now - timedelta(seconds=self.settings.look_back_s)
        found = [each for each in entries(self.reader, self.topic, since) if each.is_open and each.verdict.source == self.source]
        _count(found, now, self.settings.overdue_after_s)
        ended, tried, began, failures = 0, 0, self.clock(), list[Exception]()
        for of_report in _by_report(found):
            for each in of_report:
                if tried >= self.settings.retry_batch_max or self.clock() - began >= self.settings.retry_run_s:
                    return _told(ended, failures)
                if not self._is_due(each, now):
                    if each.state is State.REFUSED:
                        continue
                    break  # what came later on this report waits for who is at this one
                tried += 1
                try:
                    standing, error = self.settler.settle(each.verdict, each.standing)
                except TocsinError:
                    raise
                except Exception as failure:  # serves the clinicians whose verdicts come after it: a defect at one stops no other
                    failures.append(failure)
                    break
                if error is not None:
                    raise error
                if standing.state is State.WAITING:
                    break
                ended += 1
        if ended:
            logger().info("verdicts settled that had waited", topic=self.topic, found=ended)
        return _told(ended, failures)

    def _is_due(self, entry: Entry, now: datetime) -> bool:
        """A new one is left to the desk that took it, and one that the server refuses is tried seldom."""
        if entry.standing is None:
            return now - entry.verdict.decided_at >= timedelta(seconds=self.settings.grace_s)
        return entry.state is State.WAITING or now - entry.standing.at >= timedelta(seconds=self.settings.refused_retry_s)


def _told(ended: int, failures: Sequence[Exception]) -> int:
    if failures:
        raise failures[0]
    return ended


def _by_report(found: Iterable[Entry]) -> list[list[Entry]]:
    """The verdicts of each report together, in their order; the report that has waited longest comes first."""
    by_report = groupby(sorted(found, key=lambda each: each.verdict.report), key=lambda each: each.verdict.report)
    return sorted((list(of_report) for _, of_report in by_report), key=lambda of_report: of_report[0].verdict.decided_at)


def _count(found: Iterable[Entry], now: datetime, overdue_after_s: float) -> None:
    """Count how each open verdict stands, and how long the oldest has waited."""
    oldest_s = 0.0
    for each in found:
        waited_s = (now - each.verdict.decided_at).total_seconds()
        oldest_s = max(oldest_s, waited_s)
        how = "refused" if each.state is State.REFUSED else "overdue" if waited_s > overdue_after_s else "waiting"
        VERDICTS_OPEN.add(1, {"state": how})
    if oldest_s:
        VERDICT_WAITED.record(oldest_s, {})
