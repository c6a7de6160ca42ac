"""The loop of `tocsin consume`: poll, hand out, settle, try again, commit. One thread; journeys run on others."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from tocsin import errors, outcome
from tocsin.clock import utc_now
from tocsin.consume.attempt import Attempt, Lanes
from tocsin.consume.flow.backpressure import NONE, Intake, Load, Room
from tocsin.consume.flow.circuit_breaker import Circuits
from tocsin.consume.flow.dead_letter_limit import Ceiling
from tocsin.consume.flow.delay_queue import WaitingRoom
from tocsin.consume.flow.outage import Outage
from tocsin.consume.flow.retry import RetryPolicy
from tocsin.consume.handler import Handler
from tocsin.consume.liveness.progress import Progress
from tocsin.consume.partitions.assignment import Custody
from tocsin.consume.pool import Finished, Workers
from tocsin.event.decode import media_of
from tocsin.kafka.ports import EventSource
from tocsin.kafka.types import Record
from tocsin.settings import ConsumeSettings
from tocsin.telemetry.log import logger

LANE_WAIT_S: Final = 0.02
"""Longest poll while an event waits for another of its key."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Where imaging events stand."""

    live: str
    backfill: str
    """Those that Tocsin announces itself."""


class Consumer:
    """Brings every event to a durable ending before its offset is committed."""

    def __init__(
        self,
        source: EventSource,
        topics: Topics,
        handler: Handler,
        settings: ConsumeSettings,
        progress: Progress,
        *,
        poll_wait_s: float,
        clock: Callable[[], float],
        jitter: Callable[[], float],
    ) -> None:
        """`clock` gives monotonic seconds, `jitter` a number in [0, 1)."""
        self.progress = progress
        self._source = source
        self._topics = topics
        self._settings = settings
        self._policy = RetryPolicy.of(settings)
        self._poll_wait_s = poll_wait_s
        self._clock = clock
        self._jitter = jitter
        self._custody = Custody(source, handler.partitions_changed, deaths_max=settings.deaths_max, reach=settings.held_max)
        self._intake = Intake(topics.live, topics.backfill, settings)
        self._lanes = Lanes()
        self._waiting = WaitingRoom()
        self._workers = Workers(settings.workers, handler.handle, progress)
        self._circuits = Circuits(settings.circuit_failures_max, self._policy)
        self._ceiling = Ceiling.of(settings)
        self._outage = Outage(settings.outage_budget_s)
        self._served: Counter[str] = Counter()
        self._failed_polls = 0
        self._held_by: str | None = None
        self._may_name_from = clock()
        self._commit_due = clock() + settings.commit_interval_s

    def run(self, stopping: threading.Event) -> None:
        """Consume until `stopping` is set, then drain and commit. Raises Stop, and Unavailable(kafka) if no broker answers at first."""
        with self._custody.handed_over():
            self._source.open(self._custody)
        self._workers.start()
        found: errors.Stop | None = None
        try:
            while not stopping.is_set():
                room = self._room()
                self._take_in(room, stopping)
                self._hand_out()
                self.progress.moved()
                self._settle(0 if room.records else self._pause_s())
                self.progress.moved()
                self._commit_when_due()
                self._look_around()
        finally:
            try:
                found = self._drain()
            finally:
                self._workers.stop()
                with self._custody.handed_over():
                    self._source.close()
        if found is not None:
            raise found

    # Taking in.

    def _room(self) -> Room:
        if self._held_by is not None:
            return NONE
        if self._circuits.open & outcome.NEEDED:
            return self._intake.one() if self._a_new_event_would_tell() else NONE
        if self._custody.careful:
            return NONE if self._workers.busy or not self._one_more() else self._intake.one(self._custody.unread_suspects)
        backfill = self._custody.undecided_of(self._topics.backfill)
        return self._intake.room(Load(self._workers.busy, self._custody.undecided, backfill))

    def _a_new_event_would_tell(self) -> bool:
        """Whether it is time for a probe, and all there is to send is the event that failed as the last one."""
        return self._circuits.may_probe(outcome.NEEDED, self._clock()) and self._one_more()

    def _one_more(self) -> bool:
        """Whether there is memory for another event, and none that could start."""
        return self._custody.undecided < self._settings.held_max and not self._waiting.any_ready(self._may_start)

    def _take_in(self, room: Room, stopping: threading.Event) -> None:
        self._source.listen(room.topics, room.only)
        records = self._polled(room, stopping)
        for record in records:
            attempt = self._custody.take(record)
            if attempt is not None and self._lanes.enter(attempt):
                self._waiting.enter(attempt)

    def _polled(self, room: Room, stopping: threading.Event) -> list[Record]:
        try:
            with self._custody.handed_over():
                records = self._source.poll(self._pause_s() if room.records else 0, max(1, room.records))
        except (errors.Deferred, MemoryError) as error:
            self._wait_after(error, stopping)
            return []
        self._failed_polls = 0
        self.progress.polled()
        self._intake.polled(room, records)
        return records

    def _wait_after(self, failed: errors.Deferred | MemoryError, stopping: threading.Event) -> None:
        """A poll that failed is tried again, more and more slowly; events that end meanwhile give memory back."""
        why = errors.Contended(errors.MEMORY, "no room for what the bus sent") if isinstance(failed, MemoryError) else failed
        self._failed_polls += 1
        logger().warning("poll failed", neighbour=why.neighbour, detail=why.detail, attempts=self._failed_polls)
        self._outage.blame(outcome.Unavailable(why.neighbour, why.detail), self._clock())
        self.progress.moved()
        stopping.wait(self._policy.delay_s(self._failed_polls, why.retry_after_s, self._jitter()))

    def _pause_s(self) -> float:
        """How long there is nothing to do but wait for news."""
        times = [self._poll_wait_s]
        if self._lanes.waiting:
            times.append(LANE_WAIT_S)
        if self._waiting.next_due is not None:
            times.append(max(0.0, self._waiting.next_due - self._clock()))
        return min(times)

    # Handing out.

    def _hand_out(self) -> None:
        self._waiting.turn(self._clock())
        self.progress.moved()
        if not self._custody.claim():
            return
        self.progress.moved()
        while (attempt := self._waiting.pick(self._may_start)) is not None:
            self._start(attempt)
        if (again := self._waiting.pick(self._may_probe)) is not None:
            self._start(again)

    def _may_start(self, attempt: Attempt) -> bool:
        """Whether nothing stands in its way; as a probe, only an event that has not just failed as one."""
        if not self._is_ours(attempt):
            return True
        if not self._has_a_worker():
            return False
        return not self._circuits.bar(attempt.needs) or (self._may_probe(attempt) and not self._circuits.failed_last(attempt.position))

    def _may_probe(self, attempt: Attempt) -> bool:
        return self._has_a_worker() and self._circuits.may_probe(attempt.needs, self._clock())

    def _has_a_worker(self) -> bool:
        if self._held_by is not None:
            return False
        if self._custody.careful:
            return not self._workers.busy and self._clock() >= self._may_name_from
        return self._workers.busy < self._settings.in_flight_max

    def _is_ours(self, attempt: Attempt) -> bool:
        return self._custody.holds(attempt)

    def _start(self, attempt: Attempt) -> None:
        if not self._is_ours(attempt):
            self._leave(attempt)
        elif self._custody.careful and not self._custody.name(attempt.position):
            self._may_name_from = self._clock() + self._settings.commit_interval_s
            self._waiting.enter(attempt)
        else:
            self._circuits.probe(attempt.needs, attempt.position)
            self._workers.submit(attempt)

    def _leave(self, attempt: Attempt) -> None:
        following = self._lanes.leave(attempt)
        if following is not None:
            self._waiting.enter(following)

    # Settling.

    def _settle(self, wait_s: float) -> None:
        for finished in self._workers.collect(wait_s):
            self._settle_one(finished)
        if self._custody.careful:
            self._custody.commit()

    def _settle_one(self, finished: Finished) -> None:
        attempt, result = finished.attempt, finished.result
        if isinstance(result, errors.Stop):
            raise result
        if isinstance(result, outcome.Undecided):
            self._defer(attempt, result)
        else:
            self._end(attempt, result)
        self._circuits.returned(attempt.position)

    def _end(self, attempt: Attempt, ending: outcome.Durable) -> None:
        self._served.update(ending.served)
        self._circuits.served(*ending.served)
        if attempt.waits_for is not None and not isinstance(ending, outcome.Refused):
            self._circuits.served(attempt.waits_for)
        self._outage.over()
        self._count(attempt, ending)
        self._custody.end(attempt.position)
        self._leave(attempt)

    def _count(self, attempt: Attempt, ending: outcome.Durable) -> None:
        """What is replayed, and what a neighbour failed on, says nothing of a bad deployment or a broken producer."""
        if attempt.replayed or isinstance(attempt.refusal, errors.AttemptsExhausted):
            return
        self._ceiling.count(self._clock(), dead=isinstance(ending, outcome.Refused))
        if self._ceiling.broken and self._held_by is None:
            self._held_by = f"{self._ceiling.dead} of the last {self._ceiling.endings} events were dead-lettered"
            logger().error("nothing more is taken in", reason="dead-letter-ceiling", detail=self._held_by, advice=_CEILING_ADVICE)

    def _defer(self, attempt: Attempt, deferred: outcome.Undecided) -> None:
        now = self._clock()
        self._custody.back(attempt.position)
        if isinstance(deferred, outcome.Unavailable):
            self._blame(deferred, attempt, now)
        if not self._is_ours(attempt):
            self._leave(attempt)
            return
        self._outage.blame(deferred, now)
        self._waiting.wait(self._after(attempt, deferred), now + self._delay_s(attempt, deferred))

    def _delay_s(self, attempt: Attempt, deferred: outcome.Undecided) -> float:
        match deferred:
            case outcome.Unavailable(retry_after_s=wish_s):
                return self._policy.delay_s(attempt.deferrals + 1, wish_s, self._jitter())
            case outcome.Contended():
                return self._policy.apart_s(attempt.deferrals + 1, self._jitter())

    def _blame(self, deferred: outcome.Unavailable, attempt: Attempt, now: float) -> None:
        """A neighbour did not do its part; a race that was lost is nobody's fault, and moves no circuit."""
        self._circuits.failed(deferred.neighbour, attempt.position, now, deferred.retry_after_s, self._jitter())
        if self._circuits.bar(outcome.NEEDED):
            for unbegun in self._workers.take_back():
                self._circuits.returned(unbegun.position)
                self._waiting.enter(unbegun)
        self._circuits.served(*deferred.served)

    def _after(self, attempt: Attempt, deferred: outcome.Undecided) -> Attempt:
        if deferred.neighbour in (errors.KAFKA, errors.MEMORY):
            attempt = replace(attempt, seen_before=True)  # a dead letter that was not acknowledged may stand all the same
        if attempt.refusal is not None:
            return replace(attempt, deferrals=attempt.deferrals + 1)
        failed = self._failed(attempt, deferred)
        since_s = 0.0 if failed.first_failed_at is None else (utc_now() - failed.first_failed_at).total_seconds()
        if not self._policy.exhausted(failed.counted, since_s):
            return failed
        return replace(failed, refusal=errors.AttemptsExhausted(_in_vain(attempt, deferred), reference=media_of(attempt.record)))

    def _failed(self, attempt: Attempt, deferred: outcome.Undecided) -> Attempt:
        """A lost race counts against the event, since its neighbours are well. Lack of memory, and of membership, need not be its fault."""
        if isinstance(deferred, outcome.Contended) and deferred.neighbour not in (errors.MEMORY, errors.KAFKA):
            return attempt.outrun(now=utc_now())
        return attempt.failed(deferred.neighbour, served=self._serving(deferred.neighbour), now=utc_now())

    def _serving(self, neighbour: str) -> int:
        """How many events this neighbour has served.

        Of an origin that pictures come from it is not known, so that any event served anywhere counts. Kafka is never to blame: without
        it there is no dead letter either.
        """
        if neighbour == errors.KAFKA:
            return 0
        if neighbour == errors.MEMORY:
            return self._served[errors.KAFKA]  # every ending takes memory
        return self._served[neighbour if neighbour in outcome.NEEDED else errors.FHIR]

    # Keeping the books.

    def _commit_when_due(self) -> None:
        if self._clock() >= self._commit_due:
            if self._custody.commit():
                self.progress.committed()
            self._commit_due = self._clock() + self._settings.commit_interval_s

    def _look_around(self) -> None:
        if self._custody.careful:
            self._custody.look(self._source.ends())
        if self._held_by is not None or (not self._custody.undecided and not self._failed_polls):
            self._outage.over()
        self._outage.check(self._clock())
        self.progress.turned(undecided=self._custody.undecided, paused_for=self._circuits.open, held_by=self._held_by)

    def _drain(self) -> errors.Stop | None:
        """Running journeys may end within the bound; what no thread has begun keeps its place. Gives what a person has to act on."""
        self.progress.moved()
        self._workers.take_back()
        found: errors.Stop | None = None
        deadline = self._clock() + self._settings.drain_timeout_s
        while self._workers.busy and (left_s := deadline - self._clock()) > 0:
            for finished in self._workers.collect(left_s):
                if isinstance(finished.result, errors.Stop):
                    found = found or finished.result
                elif isinstance(finished.result, outcome.Published | outcome.NotAssessable | outcome.Refused):
                    self._custody.end(finished.attempt.position)
        self.progress.moved()
        self._custody.commit(goodbye=True)
        self.progress.moved()
        logger().info("drained", undecided=self._custody.undecided)
        return found


_CEILING_ADVICE: Final = (
    "look at `tocsin dead-letters --count`: a deployment or a producer is wrong; the partitions stay paused, so mend it and restart, "
    "then replay what was dead-lettered in vain"
)


def _in_vain(attempt: Attempt, deferred: outcome.Undecided) -> str:
    match deferred:
        case outcome.Unavailable():
            return f"{deferred.neighbour} failed on this event {attempt.number} times: {deferred.detail}"
        case outcome.Contended():
            return f"{attempt.number} attempts came to nothing over {deferred.neighbour}: {deferred.detail}"
