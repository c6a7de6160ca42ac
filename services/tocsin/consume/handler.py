"""An attempt becomes an outcome: the journey's ending, a dead letter, or word that it must wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from tocsin import errors, outcome
from tocsin.consume.attempt import Attempt
from tocsin.consume.measures import count_dead_letter
from tocsin.consume.tracing import Producer, attempt_span
from tocsin.deadletter.types import dead_letter, send_dead_letter
from tocsin.event.decode import decode
from tocsin.event.types import ImagingEvent
from tocsin.kafka.ports import EventSink
from tocsin.kafka.types import Record
from tocsin.telemetry.log import logger
from tocsin.telemetry.trace import MEDIA, note, stages_ms

Journey = Callable[[ImagingEvent], outcome.Published | outcome.NotAssessable]
"""Raises errors.Refused, errors.Deferred or errors.Stop."""


class RefusedBefore(Protocol):
    """The dead letters that stand already."""

    def stands(self, record: Record) -> bool:
        """Whether a dead letter for this very record stands already. Raises errors.Deferred."""

    def forget(self) -> None:
        """Look again before the next answer: there may be letters that this process has not seen. Does not wait."""

    def remember(self, record: Record) -> None:
        """This process has sent a letter for the record. Does not wait."""


class Handler:
    """Takes attempts to their outcomes; safe for threads, and keeps nothing between attempts."""

    def __init__(
        self,
        journey: Journey,
        sink: EventSink,
        topic_dead_letters: str,
        *,
        is_member: Callable[[], bool],
        refused_before: RefusedBefore,
        letter_bytes_max: int,
        now: Callable[[], datetime],
        group: str,
        producer: Producer,
    ) -> None:
        """`is_member` as in EventSource; a letter above `letter_bytes_max` holds its record's place alone; `now` gives aware times.

        `group` is the consumer group's name, `producer` as in `attempt_span`.
        """
        self._journey = journey
        self._sink = sink
        self._topic = topic_dead_letters
        self._is_member = is_member
        self._refused_before = refused_before
        self._letter_bytes_max = letter_bytes_max
        self._now = now
        self._group = group
        self._producer: Producer = producer

    def partitions_changed(self) -> None:
        """Partitions came: their last owners may have sent dead letters and died before they committed."""
        self._refused_before.forget()

    def handle(self, attempt: Attempt) -> outcome.Outcome:
        """Take the attempt to its outcome. Raises nothing but errors.Stop."""
        with attempt_span(attempt, self._group, self._producer) as ended:
            try:
                ending = self._ended(attempt)
            except MemoryError:  # whichever event asks last is refused memory, so that it says nothing of this one
                ending = _say_deferred(attempt, outcome.Contended(errors.MEMORY, "the process has no memory left for this event"))
            ended(ending)
            return ending

    def _ended(self, attempt: Attempt) -> outcome.Outcome:
        if attempt.refusal is not None:
            return self._refuse(attempt, attempt.refusal, attempts=max(1, attempt.number - 1))
        return self._ending(attempt)

    def _ending(self, attempt: Attempt) -> outcome.Outcome:
        try:
            return self._judged(attempt)
        except errors.Refused as error:
            return self._refuse(attempt, error, attempts=attempt.number)
        except errors.Deferred as error:
            return _say_deferred(attempt, _wait(error))
        except (errors.Stop, MemoryError):
            raise
        except Exception as error:  # the border between one event and the process: a defect must cost one event, not the ward's queue
            return self._refuse(attempt, errors.DefectFound(errors.where(error)), attempts=attempt.number)

    def _judged(self, attempt: Attempt) -> outcome.Outcome:
        began = time.monotonic()
        event = decode(attempt.record)
        note(MEDIA, event.media)
        ending = self._journey(event)
        _say_reported(attempt, event, ending, (time.monotonic() - began) * 1000)
        return ending

    def _refuse(self, attempt: Attempt, error: errors.Refused, *, attempts: int) -> outcome.Outcome:
        try:
            self._be_ours(attempt)
            if not (attempt.seen_before and self._refused_before.stands(attempt.record)):
                self._send_letter(attempt, error, attempts)
        except errors.Contended as lost:
            return _say_deferred(attempt, _wait(lost))
        except errors.Deferred as away:
            self._refused_before.forget()  # a letter that was not acknowledged may stand all the same
            return _say_deferred(attempt, _wait(away))
        _say_refused(attempt, error, attempts)
        return outcome.Refused(error.reason)

    def _send_letter(self, attempt: Attempt, error: errors.Refused, attempts: int) -> None:
        """Raises Deferred."""
        now = self._now()
        failed = {"first_failed_at": attempt.first_failed_at or now, "now": now}
        letter = dead_letter(attempt.record, error, attempts=attempts, **failed, bytes_max=self._letter_bytes_max)
        self._be_ours(attempt)  # again, last: to read the dead letters takes seconds, in which a process may stand still
        send_dead_letter(self._sink, self._topic, letter, attempt.record.key)
        self._refused_before.remember(attempt.record)
        count_dead_letter(error)

    def _be_ours(self, attempt: Attempt) -> None:
        """Raises Contended where another process, or another attempt of this one, may be refusing the record, too."""
        if attempt.tenure.over or not self._is_member():
            raise errors.Contended(errors.KAFKA, "the group may have given this partition to another process")


def _say_reported(attempt: Attempt, event: ImagingEvent, ending: outcome.Published | outcome.NotAssessable, duration_ms: float) -> None:
    said = {
        "media": event.media,
        "report": ending.report,
        "duration_ms": round(duration_ms, 1),
        "stages_ms": stages_ms(),
        **_where_on_bus(attempt),
    }
    match ending:
        case outcome.Published():
            logger().info("published", band=ending.band, **said)
        case outcome.NotAssessable():
            logger().info("not assessable", reason=ending.reason, **said)


def _wait(error: errors.Deferred) -> outcome.Undecided:
    if isinstance(error, errors.Contended):
        return outcome.Contended(error.neighbour, error.detail)
    served = error.served if isinstance(error, errors.Unavailable) else frozenset()
    return outcome.Unavailable(error.neighbour, error.detail, error.retry_after_s, served)


def _say_deferred(attempt: Attempt, wait: outcome.Undecided) -> outcome.Undecided:
    lost_race = isinstance(wait, outcome.Contended) and wait.neighbour != errors.MEMORY  # which ends by itself
    say = logger().info if lost_race else logger().warning
    say("deferred", neighbour=wait.neighbour, detail=wait.detail, attempts=attempt.number, **_where_on_bus(attempt))
    return wait


def _say_refused(attempt: Attempt, error: errors.Refused, attempts: int) -> None:
    say = logger().error if isinstance(error, errors.DefectFound | errors.Poisoned) else logger().warning
    say(
        "dead-lettered",
        reason=error.reason,
        sentence=error.sentence,
        detail=str(error),
        advice=error.advice,
        attempts=attempts,
        stages_ms=stages_ms(),
        **_where_on_bus(attempt),
    )


def _where_on_bus(attempt: Attempt) -> dict[str, str | int]:
    position = attempt.record.position
    return {"topic": position.topic_partition.topic, "partition": position.topic_partition.partition, "offset": position.offset}
