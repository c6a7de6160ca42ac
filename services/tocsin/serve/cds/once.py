"""What happened before, for a while: whether a token was used, and which report a card was about.

Redis remembers for all processes, and may burn: then each process remembers for itself what it saw. A token that one process took can then
be replayed at another, over a connection that only its sender has, until it is too old.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeVar

from redis import Redis
from redis.exceptions import RedisError

from tocsin.telemetry.log import logger
from tocsin.work.redis_client import reason

TOKENS: Final = "tocsin:cds:token:"
CARDS: Final = "tocsin:cds:card:"
CARDS_MAX: Final = 10_000
"""Most cards that one process remembers by itself."""
T = TypeVar("T")

PAUSE_S: Final = 10.0
"""How long Redis is not asked after it failed: a call has no time to wait for it."""


class Full(Exception):
    """There is no room to remember more."""


class Once(Protocol):
    """Tells what comes for the first time. Safe for threads."""

    def first(self, key: str, for_s: float) -> bool:
        """Whether this key was not seen in the last `for_s` seconds; from now on it was. Raises Full."""


class OnceHere:
    """Remembers in this process, no more than `most` keys."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._until: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def first(self, key: str, for_s: float) -> bool:
        """See Once.first."""
        with self._lock:
            now = self._clock()
            while self._until and next(iter(self._until.values())) <= now:
                self._until.popitem(last=False)
            if self._until.get(key, now) > now:
                return False
            if len(self._until) >= self._most:
                self._drop_what_is_over(now)
            self._until[key] = now + for_s
            return True

    def _drop_what_is_over(self, now: float) -> None:
        for key in [key for key, until in self._until.items() if until <= now]:
            del self._until[key]
        if len(self._until) >= self._most:
            raise Full


class CardsHere:
    """Which report each of the last CARDS_MAX cards was about, in this process."""

    def __init__(self) -> None:
        self._about: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, about: Mapping[str, str]) -> None:
        """Card's uuid -> what it was about."""
        with self._lock:
            for card, report in about.items():
                self._about[card] = report
                self._about.move_to_end(card)
            while len(self._about) > CARDS_MAX:
                self._about.popitem(last=False)

    def recall(self, card: str) -> str | None:
        """What the card was about; None where nothing is known of it."""
        with self._lock:
            return self._about.get(card)


class Cards(Protocol):
    """Knows which report a card was about. Safe for threads."""

    def remember(self, about: Mapping[str, str]) -> None:
        """Card's uuid -> what it was about."""

    def recall(self, card: str) -> str | None:
        """What the card was about; None where nothing is known of it."""


class Shared:
    """Both, in Redis for all processes, and in this process for as long as Redis is away."""

    def __init__(
        self, redis: Redis, once: OnceHere, cards: CardsHere, cards_keep_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._redis, self._once, self._cards, self._clock = redis, once, cards, clock
        self._cards_keep_ms = int(cards_keep_s * 1000)
        self._paused_until = 0.0

    def first(self, key: str, for_s: float) -> bool:
        """See Once.first."""
        if not self._once.first(key, for_s):
            return False
        return self._asked(lambda: self._redis.set(TOKENS + key, b"1", px=int(for_s * 1000), nx=True) is not None, True)

    def remember(self, about: Mapping[str, str]) -> None:
        """See Cards.remember."""
        self._cards.remember(about)
        if about:
            self._asked(lambda: self._set(about), None)

    def recall(self, card: str) -> str | None:
        """See Cards.recall."""
        here = self._cards.recall(card)
        return here if here is not None else self._asked(lambda: self._get(card), None)

    def _set(self, about: Mapping[str, str]) -> None:
        with self._redis.pipeline(transaction=False) as pipeline:
            for card, report in about.items():
                pipeline.set(CARDS + card, report, px=self._cards_keep_ms)
            pipeline.execute()

    def _get(self, card: str) -> str | None:
        found = self._redis.get(CARDS + card)
        return found.decode("ascii", "replace") if isinstance(found, bytes) else None

    def _asked(self, ask: Callable[[], T], otherwise: T) -> T:
        if self._clock() < self._paused_until:
            return otherwise
        try:
            return ask()
        except RedisError as error:
            self._paused_until = self._clock() + PAUSE_S
            logger().warning("tokens and cards of CDS Hooks are remembered by this process alone", neighbour="redis", detail=reason(error))
            return otherwise
