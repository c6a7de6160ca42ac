"""What a group says of its member: when it last counted on it, and that another process took its name.

kafka-python keeps neither: `patches` hears it, and what it means is decided here.
"""

from __future__ import annotations

import math
import threading

from kafka import KafkaConsumer

from tocsin.kafka.patches import hear_coordinator
from tocsin.telemetry.metrics import LOSSES


class Membership:
    """What the group's coordinator answered. Safe for threads."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        """`consumer` has not joined its group yet."""
        self.counted_on_at = -math.inf
        """Monotonic seconds: the group keeps our partitions for us for a session from then on, at the least. -inf: it need not."""
        self.fenced = False
        """Whether another process has taken this one's name in the group."""
        self._noting = threading.Lock()
        hear_coordinator(consumer, counted_on=self._note_counted_on, fenced=self.note_fenced)

    def _note_counted_on(self, at: float) -> None:
        self.counted_on_at = at

    def note_fenced(self) -> None:
        """Note that another process has our name, and count that once however often it is heard."""
        with self._noting:
            if not self.fenced:
                LOSSES.add(1, {"kind": "fenced"})
            self.fenced = True
