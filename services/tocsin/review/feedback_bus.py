"""Feedback on the bus."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.kafka.ports import EventSink
from tocsin.kafka.records import encode
from tocsin.review.feedback import Feedback
from tocsin.telemetry.calls import sending


class KafkaFeedbacks:
    """Adapter of the Feedbacks port. Safe for threads."""

    def __init__(self, sink: EventSink, topic: str) -> None:
        self._sink, self._topic = sink, topic

    def keep(self, feedback: Sequence[Feedback]) -> None:
        """See Feedbacks.keep."""
        for each in feedback:
            with sending(self._topic) as headers:
                self._sink.send(self._topic, each.card.encode("ascii"), encode(each), headers)
