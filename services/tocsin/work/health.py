"""Whether `tocsin work` and `tocsin beat` are live and ready, decided by what helps.

what is seen                                              live  ready  why
Redis answers, and the loop has not gone round for long   no    -      only a restart mends it
Redis answers, tasks wait, and a worker takes none        no    -      the same
Redis is away, or refuses writes                          yes   no     it goes on by itself when Redis serves again
Kafka or the FHIR server is away                          yes   yes    their tasks say so and end; the next of their kind goes on
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from redis.exceptions import RedisError

from tocsin.errors import Unavailable
from tocsin.settings import RedisSettings
from tocsin.telemetry.health_server import Pages, State, live_and_ready
from tocsin.telemetry.pings import Reach, age
from tocsin.work.redis_client import reason, redis_client, write_probe
from tocsin.work.tasks import NEIGHBOUR

Clock = Callable[[], float]
"""Monotonic seconds."""


@dataclass(frozen=True, slots=True)
class Moment:
    """How a process of `tocsin work` or `tocsin beat` is; ages in seconds."""

    turned_ago_s: float
    """Time since its loop last went round."""
    took_ago_s: float
    """Time since it last took a task or had no room for one."""
    waiting: int
    """Tasks that wait in its queues."""
    waiting_s: float
    """For how long its queues have not been seen empty."""
    redis: Reach


class Pulse:
    """The pulse of a process: written by its loop, read by whoever asks how the process is."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        """Starts as if the loop had gone round just now."""
        self._clock = clock
        self._turned = self._took = clock()
        self._taken = 0

    def turned(self, *, taken: int = 0, busy: bool = False) -> None:
        """Note that the loop went round. `taken`: tasks taken since the start; `busy`: whether there is no room for another."""
        self._turned = self._clock()
        if busy or taken != self._taken:
            self._taken, self._took = taken, self._turned

    @property
    def turned_ago_s(self) -> float:
        """See Moment."""
        return self._clock() - self._turned

    @property
    def took_ago_s(self) -> float:
        """See Moment."""
        return self._clock() - self._took


class RedisPing:
    """Adapter of the Ping port for Redis, which also counts the tasks that wait."""

    neighbour = NEIGHBOUR

    def __init__(self, settings: RedisSettings, queues: Sequence[str] = (), clock: Clock = time.monotonic) -> None:
        """`queues`: the queues that the process takes tasks from. Raises ConfigurationError; connects when it is first asked."""
        self._client = redis_client(settings)
        self._queues, self._clock = queues, clock
        self._seen_empty = clock()
        self.depths: Mapping[str, int] = dict.fromkeys(queues, 0)
        """Tasks in each queue when it was last asked; may be read on any thread."""

    def ask(self) -> None:
        """See Ping.ask."""
        try:
            write_probe(self._client)  # a Redis that answers and takes no writes hands no task out either
            self.depths = {queue: int(self._client.llen(queue)) for queue in self._queues}
        except RedisError as error:
            raise Unavailable(NEIGHBOUR, reason(error)) from None
        if self.waiting == 0:
            self._seen_empty = self._clock()

    @property
    def waiting(self) -> int:
        """Tasks in all of the queues when it was last asked."""
        return sum(self.depths.values())

    @property
    def waiting_s(self) -> float:
        """See Moment."""
        return self._clock() - self._seen_empty

    def close(self) -> None:
        """See Ping.close."""
        self._client.close()


def moment(pulse: Pulse, ping: RedisPing, redis: Reach) -> Moment:
    """What is known of the process now."""
    return Moment(pulse.turned_ago_s, pulse.took_ago_s, ping.waiting, ping.waiting_s, redis)


def not_live(moment: Moment, silence_max_s: float) -> Iterator[str]:
    """The reasons why the process is not live, a sentence each: what a restart would mend."""
    answering_s = moment.redis.for_s if moment.redis.reached else 0.0
    if (still_s := min(moment.turned_ago_s, answering_s)) > silence_max_s:
        yield f"the loop has not gone round for {still_s:.0f} s although Redis answers, longer than {silence_max_s:g} s"
    elif moment.waiting and (idle_s := min(moment.took_ago_s, moment.waiting_s, answering_s)) > silence_max_s:
        yield f"no task was taken for {idle_s:.0f} s although {moment.waiting} wait, longer than {silence_max_s:g} s"


def not_ready(moment: Moment) -> Iterator[str]:
    """The reasons why the process is not ready, a sentence each: what keeps it from its work."""
    if not moment.redis.reached:
        yield f"{NEIGHBOUR}: {moment.redis.detail}"


def pages(now: Callable[[], Moment], silence_max_s: float) -> Pages:
    """The health pages that `tocsin work` and `tocsin beat` answer with; `silence_max_s` in seconds."""

    def look() -> State:
        moment = now()
        return State(list(not_live(moment, silence_max_s)), list(not_ready(moment)), _facts(moment))

    return live_and_ready(look)


def _facts(moment: Moment) -> dict[str, object]:
    return {
        "turned_ago_s": age(moment.turned_ago_s),
        "took_ago_s": age(moment.took_ago_s),
        "waiting": moment.waiting,
        "neighbours": {NEIGHBOUR: moment.redis.told()},
    }
