"""How far the reconciliation has come, as it stands on Kafka: a record of its own on the topic of backfills."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from tocsin.archive.types import Reconciliation
from tocsin.kafka.ports import EventSink, TopicReader
from tocsin.kafka.records import encode, latest

CHECKPOINT_KEY: Final = "reconciliation"
"""Key of the record that says how far the reconciliation has come."""
ASKED_KEY: Final = f"{CHECKPOINT_KEY}/asked"
"""Key of the record that says how far back the next run is to look, since events were lost."""
_OWN: Final = (CHECKPOINT_KEY, ASKED_KEY)


class Checkpoint:
    """Where the last run stopped. Its loss costs a comparison that is made once more."""

    def __init__(self, reader: TopicReader, sink: EventSink, topic: str) -> None:
        """`topic` is compacted."""
        self._reader = reader
        self._sink = sink
        self._topic = topic
        self._asked_at: datetime | None = None

    def start(self, window_since: datetime, size_max: int) -> tuple[datetime, int]:
        """The time at which a run begins, and how many pictures, reports or flags it compares together. Raises Unavailable(kafka).

        A run that stopped half-way is gone on with. Otherwise a run begins at `window_since`, or where the last comparison ended if that is
        earlier. Either begins earlier still if somebody has asked for that since.
        """
        said = latest(self._reader, self._topic, Reconciliation, wanted=_OWN.__contains__)
        last, asked = said.get(CHECKPOINT_KEY), said.get(ASKED_KEY)
        since, size = window_since, size_max
        if last is not None:
            self._asked_at = last.asked_at
            since, size = min(last.next_from, window_since) if last.whole else last.next_from, min(last.size, size_max)
        if asked is not None and (self._asked_at is None or self._asked_at < asked.updated_at):
            self._asked_at = asked.updated_at
            since = min(since, asked.next_from)
        return since, size

    def keep(self, next_from: datetime, size: int, *, whole: bool, now: datetime) -> None:
        """Return once Kafka has the begin and the size of the next run; `now` is aware. Raises Unavailable(kafka)."""
        said = Reconciliation(version=1, next_from=next_from, whole=whole, size=size, updated_at=now, asked_at=self._asked_at)
        self._sink.send(self._topic, CHECKPOINT_KEY.encode("ascii"), encode(said))


def ask(sink: EventSink, topic: str, since: datetime, now: datetime) -> None:
    """Have the next run look back to `since` (aware), since events were lost; return once Kafka has it. Raises Unavailable(kafka)."""
    said = Reconciliation(version=1, next_from=since, whole=False, size=1, updated_at=now)
    sink.send(topic, ASKED_KEY.encode("ascii"), encode(said))
