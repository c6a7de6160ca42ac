"""Events that are gone before anybody read them."""

from __future__ import annotations

from dataclasses import dataclass

from tocsin.kafka.types import TopicPartition
from tocsin.telemetry.log import logger
from tocsin.telemetry.metrics import LOSSES


@dataclass(frozen=True, slots=True)
class Missing:
    """An offset at which the group was to go on, and that the log no longer has, or not yet."""

    topic_partition: TopicPartition
    wanted: int
    """Where the group was to go on."""
    found: int
    """Where the group goes on instead: where the log begins, or was cut off."""

    @property
    def made_anew(self) -> bool:
        """Whether the log has lost its end rather than its beginning: the topic was deleted and made again, or a broker came back empty."""
        return self.found < self.wanted

    def __str__(self) -> str:
        name = f"{self.topic_partition.topic}[{self.topic_partition.partition}]"
        if self.made_anew:
            return f"{name} is not the log that it was: it is read again from {self.found}, where the group was to go on at {self.wanted}"
        return f"{name}: events {self.wanted} to {self.found - 1} were deleted before they were read"


def say_missing(missing: Missing, *, asked: bool = False) -> None:
    """Logs an error, since somebody has to look today.

    `asked`: the reconciliation has been asked to look for the missing events.
    """
    LOSSES.add(1, {"kind": "topic-made-anew" if missing.made_anew else "retention-gap"})
    mend = "`tocsin work` compares the record with what was announced, and announces again what is missing"
    by_hand = "run `tocsin reconcile --since DAY --yes` with the day of the last event that was read"
    retention = "raise the topic's retention.ms above the longest outage, and find out why nothing was read for so long"
    made_anew = "find out who deleted the topic, or which broker came back without its disk, and what was on it"
    logger().error(
        "events are missing",
        topic=missing.topic_partition.topic,
        partition=missing.topic_partition.partition,
        offset=missing.wanted,
        detail=str(missing),
        advice=f"{mend if asked else by_hand}; {made_anew if missing.made_anew else retention}",
    )
