"""Replays transient dead letters without a person, with growing pauses and a cap.

Nothing is remembered outside Kafka: what has been replayed stands on the topic of replays, how often in the dead letter itself. A letter
that a person closed is never redriven, nor one about a disputed Media (see disputes.py).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tocsin.deadletter.closure import closed, closure_of
from tocsin.deadletter.disputes import ADVICE, open_disputes, some, told
from tocsin.deadletter.letters import Letter, letters
from tocsin.deadletter.replay import Barred, Replay, count, replay, replay_of, replayed
from tocsin.kafka.ports import EventSink, TopicReader
from tocsin.settings import Settings
from tocsin.telemetry.log import logger


@dataclass(frozen=True, slots=True)
class RedrivePolicy:
    """When a transient dead letter may be redriven."""

    initial_s: float
    max_s: float
    replays_max: int
    batch_max: int

    @classmethod
    def of(cls, settings: Settings) -> RedrivePolicy:
        """The policy that the settings ask for: no letter is due that `replay.replays_max` bars."""
        work = settings.work
        replays_max = min(work.redrive_replays_max, settings.replay.replays_max)
        return cls(work.redrive_initial_s, work.redrive_max_s, replays_max, work.redrive_batch_max)

    def delay_s(self, replays: int) -> float:
        """Seconds from the failure after the `replays`-th replay (0: from the first failure) to the next replay."""
        return min(self.max_s, self.initial_s * 2.0 ** min(replays, 30))

    def allows(self, letter: Letter, now: datetime) -> bool:
        """Whether the letter, never replayed itself, is to be redriven at `now` (aware)."""
        replays = count(letter, None)
        return (
            letter.dead.kind == "transient"
            and (letter.dead.original.value is not None or letter.dead.original.lacks_value)
            and replays < self.replays_max
            and letter.dead.last_failed_at + timedelta(seconds=self.delay_s(replays)) <= now
        )


BATCHES_MAX: Final = 10
"""Most batches that are looked at in one run where replays are barred; each costs a reading of the dead letters."""

BARRED_ADVICE: Final = (
    "Where a record is gone, have its source publish the event again, then close the dead letter (`tocsin dead-letters --close ID --yes`). "
    "Where it is too large, raise the topic's max.message.bytes and TOCSIN_KAFKA__SEND_BYTES_MAX."
)

Origin = tuple[str, int, int, int]
"""Topic, partition, offset and time of a refused record."""


def due(
    found: Callable[[], Iterable[Letter]],
    replays: Mapping[str, Replay],
    policy: RedrivePolicy,
    now: datetime,
    held: Callable[[Letter], bool] = lambda _: False,
) -> list[Letter]:
    """The letters to redrive at `now` (aware), the oldest failure first, at most `batch_max`; no more than these are held in memory.

    A letter that is `held` is left out and takes no other letter's place.

    A record that was refused twice, since its consumer died after the first dead letter, is redriven once. `found` gives the letters anew
    at each call: what was replayed already is known before anything is chosen, so that its twin takes no other letter's place.
    """
    tried = {_origin(letter) for letter in found() if replay_of(replays, letter) is not None} if replays else set[Origin]()
    taken: set[Origin] = set()

    def ripe() -> Iterator[Letter]:
        for letter in found():
            origin = _origin(letter)
            if origin not in tried and origin not in taken and policy.allows(letter, now) and not held(letter):
                taken.add(origin)
                yield letter

    return heapq.nsmallest(policy.batch_max, ripe(), key=lambda letter: letter.dead.last_failed_at)


def redrive(reader: TopicReader, sink: EventSink, settings: Settings, now: Callable[[], datetime]) -> int:
    """Replay the letters that are due, and return how many. Raises Unavailable(kafka); what was replayed by then is remembered.

    A letter whose replay is barred is logged and takes no other letter's place, as far as BATCHES_MAX batches reach.

    To run it twice at the same time is harmless: journeys that run twice write the same report.
    """
    topics, work = settings.kafka, settings.work
    replays, closures = replayed(reader, topics.topic_replays), closed(reader, topics.topic_replays)
    since = now() - timedelta(seconds=work.redrive_window_s)
    policy, at, barred = RedrivePolicy.of(settings), now(), dict[Origin, str]()

    def found() -> Iterator[Letter]:
        every = letters(reader, topics.topic_dead_letters, since)
        return (each for each in every if closure_of(closures, each) is None)

    def held(letter: Letter) -> bool:
        return _media(letter) in disputed or _origin(letter) in barred

    ready = due(found, replays, policy, at)
    disputed = open_disputes(reader, topics) if ready else {}
    if left_out := {media: disputed[media] for each in ready if (media := _media(each)) in disputed}:
        logger().warning(
            "dead letters not replayed: another dead letter disputes their pictures",
            topic=topics.topic_dead_letters,
            detail=told(left_out),
            advice=ADVICE,
        )
        ready = due(found, replays, policy, at, held)
    sent = 0
    for _ in range(BATCHES_MAX):
        for each in ready[: policy.batch_max - sent]:
            done = replay(reader, sink, each, None, topics=topics, replays_max=settings.replay.replays_max, now=now(), by="redrive")
            if isinstance(done, Barred):
                barred[_origin(each)] = f"{each.id} ({done})"
            else:
                replays[str(each.position)] = done
                sent += 1
        if len(ready) < policy.batch_max or sent == policy.batch_max:
            break
        ready = due(found, replays, policy, at, held)
    if barred:
        _say_barred(barred.values(), topics.topic_dead_letters)
    if sent:
        logger().info("transient dead letters replayed", topic=topics.topic_dead_letters, found=sent)
    return sent


def _say_barred(letters: Collection[str], topic: str) -> None:
    logger().warning(
        "dead letters not replayed: their records cannot be had or sent",
        topic=topic,
        found=len(letters),
        detail=some(letters),
        advice=BARRED_ADVICE,
    )


def _media(letter: Letter) -> str:
    """The Media (reference) that the letter is about; empty where its record was no imaging event."""
    event = letter.event
    return "" if event is None else event.media


def _origin(letter: Letter) -> Origin:
    original = letter.dead.original
    return original.topic, original.partition, original.offset, original.timestamp_ms
