"""How far the reconciliation has come, as it stands on Kafka: a record of its own on the topic of backfills."""

from __future__ import annotations

from datetime import datetime

from pydantic import ValidationError

from tocsin.event.letters import warn
from tocsin.event.ports import EventLog, EventSink
from tocsin.worker.model import RECONCILIATION_KEY, Reconciliation


class Reached:
    """Where the last run stopped. Its loss costs a comparison that is made once more."""

    def __init__(self, log: EventLog, sink: EventSink, topic: str) -> None:
        """`topic` is compacted."""
        self._log = log
        self._sink = sink
        self._topic = topic

    def start(self, window_since: datetime, size_max: int) -> tuple[datetime, int]:
        """Where a run begins, and how much it compares together. Raises Unavailable(kafka).

        A run that stopped half-way is gone on with. Otherwise a window is compared, and what has come about since the last comparison ended
        where that is longer ago.
        """
        last = self._last()
        if last is None:
            return window_since, size_max
        return min(last.next_from, window_since) if last.whole else last.next_from, min(last.size, size_max)

    def keep(self, next_from: datetime, size: int, *, whole: bool, now: datetime) -> None:
        """Return once Kafka has it. Raises Unavailable(kafka)."""
        said = Reconciliation(version=1, next_from=next_from, whole=whole, size=size, updated_at=now)
        self._sink.send(self._topic, RECONCILIATION_KEY.encode("ascii"), said.model_dump_json().encode())

    def _last(self) -> Reconciliation | None:
        last = None
        for record in self._log.read(self._topic):
            if record.key == RECONCILIATION_KEY.encode("ascii") and record.value is not None:
                try:
                    last = Reconciliation.model_validate_json(record.value)
                except ValidationError:
                    warn(record.position)
        return last
