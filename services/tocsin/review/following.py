"""Keeps a worklist current: it is read from the bus at the start and followed from there on, on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import orjson
from pydantic import ValidationError

from tocsin.kafka.ports import TopicFollower
from tocsin.kafka.records import warn
from tocsin.kafka.types import Record
from tocsin.report.flag import Flag
from tocsin.review.feedback import Feedback
from tocsin.review.types import Standing, Verdict
from tocsin.review.worklist import Worklist

END_WITHIN_S: Final = 3.0
"""Longest wait for the thread that follows to end."""
FORGET_EVERY: Final = timedelta(minutes=5)
"""How often what is too old is looked for."""


@dataclass(slots=True)
class Intake:
    """Listener that puts flags, verdicts and feedback into a worklist."""

    worklist: Worklist
    topic_flags: str
    window: timedelta
    """What the bus last spoke of longer ago than this is forgotten, unless it still asks a clinician to look."""
    now: Callable[[], datetime]
    """The time, aware."""
    topic_feedback: str | None = None
    """None where nobody tells of cards."""
    _forgot: datetime | None = field(default=None)

    def since(self) -> datetime:
        """From when on the topics are read."""
        return self.now() - self.window

    def take(self, record: Record) -> None:
        """See Listener; a record that is none of its topic's is logged and left out."""
        try:
            self._take(record)
        except (ValidationError, orjson.JSONDecodeError):
            warn(record.position)
        now = self.now()
        if self._forgot is None or now - self._forgot > FORGET_EVERY:
            self._forgot = now
            self.worklist.forget(now - self.window)

    def begin(self) -> None:
        """See Listener."""
        self.worklist.clear()

    def _take(self, record: Record) -> None:
        value = record.value or b""
        topic = record.position.topic_partition.topic
        if topic == self.topic_flags:
            self.worklist.flag(Flag.model_validate_json(value))
            return
        if topic == self.topic_feedback:
            self.worklist.feedback(Feedback.model_validate_json(value))
            return
        match _kind(value):
            case "verdict":
                self.worklist.verdict(Verdict.model_validate_json(value))
            case "standing":
                self.worklist.standing(Standing.model_validate_json(value))
            case _:
                return  # of a kind that the worklist does not show


def _kind(value: bytes) -> object:
    content = orjson.loads(value)
    return content.get("kind") if isinstance(content, dict) else None


@contextmanager
def following(follower: TopicFollower, intake: Intake) -> Iterator[None]:
    """Read the bus into the worklist, and follow it until the block ends."""
    over = threading.Event()
    thread = threading.Thread(target=follower.follow, args=(intake, intake.since, over), name="worklist", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(END_WITHIN_S)
