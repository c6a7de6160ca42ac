"""Which records have their dead letter already, as the topic says.

Where a process died between sending a letter and committing its offset, nothing else remembers that the letter was sent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from tocsin.deadletter.letters import letters
from tocsin.deadletter.types import Identity, identity
from tocsin.kafka.ports import TopicReader
from tocsin.kafka.types import Record

AHEAD_MAX: Final = timedelta(days=1)
"""How far a producer's clock may be ahead.

Brokers take no record more than an hour ahead of their own clocks, unless they are told otherwise (message.timestamp.after.max.ms).
"""

KNOWN_MAX: Final = 100_000
"""Most letters remembered, in about 10 MB; beyond that, the topic is read for each record that is asked for."""

LOOK_S: Final = 1.0
"""Seconds: how often a thread that waits for another thread's reading looks whether it gets on."""


class Refusals:
    """Knows which records have a dead letter; reads the topic once until `forget`. Safe for threads."""

    def __init__(
        self,
        opened: Callable[[], AbstractContextManager[TopicReader]],
        topic: str,
        *,
        heard: Callable[[], None],
        now: Callable[[], datetime],
        known_max: int = KNOWN_MAX,
    ) -> None:
        """`heard` is called on the asking thread for each letter read; `now` gives aware times."""
        self._opened = opened
        self._topic = topic
        self._heard = heard
        self._now = now
        self._known_max = known_max
        self._known: dict[bytes, None] = {}
        self._own: dict[bytes, None] = {}
        """Letters that this process sent: an attempt from before a rebalance may send one after the new partitions' letters were read."""
        self._all_known = True
        self._lock = threading.Lock()
        self._turns = threading.Lock()
        self._wanted = 1
        self._read = 0
        self._letters_read = 0
        self._covered: tuple[datetime | None, datetime] | None = None
        """From when to when the topic has been read (aware); None for the topic's begin."""

    def forget(self) -> None:
        """Have the topic read again: there may be letters by now that no reading has seen. Does not wait."""
        with self._turns:
            self._wanted += 1

    def remember(self, record: Record) -> None:
        """Remember that this process has sent a letter for the record, perhaps after the last reading. Does not wait."""
        with self._turns:
            self._own[_key(identity(record))] = None
            if len(self._own) > self._known_max:
                del self._own[next(iter(self._own))]

    def stands(self, record: Record) -> bool:
        """Whether a dead letter for this very record, at its very place, is on the topic. Raises as TopicReader.read does."""
        needed = no_letter_before(record.timestamp_ms, self._now())
        wanted = identity(record)
        key = _key(wanted)
        with self._turns:
            if key in self._own:
                return True
        with self._reading():
            self._read_up(needed)
            if key in self._known or self._all_known:
                return key in self._known
            return any(each == wanted for each in self._identities(needed))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Lets one thread read; the others call `heard` whenever that thread gets on."""
        seen = 0
        while not self._lock.acquire(timeout=LOOK_S):
            if seen != self._letters_read:
                seen = self._letters_read
                self._heard()
        try:
            yield
        finally:
            self._lock.release()

    def _read_up(self, needed: datetime | None) -> None:
        turn, began = self._wanted, self._now()
        if self._covered is None or not _reaches(self._covered[0], needed):
            since = None if needed is None else needed - AHEAD_MAX  # the next record may be a little older
            self._remember(since)
            self._covered = (since, began)
        elif self._read < turn:
            self._remember(self._covered[1] - AHEAD_MAX)
            self._covered = (self._covered[0], began)
        self._read = turn

    def _remember(self, since: datetime | None) -> None:
        for each in self._identities(since):
            self._known[_key(each)] = None
            if len(self._known) > self._known_max:
                del self._known[next(iter(self._known))]
                self._all_known = False

    def _identities(self, since: datetime | None) -> Iterator[Identity]:
        with self._opened() as reader:
            for letter in letters(reader, self._topic, since):
                self._letters_read += 1
                self._heard()
                yield letter.dead.original.identity


def no_letter_before(timestamp_ms: int, now: datetime) -> datetime | None:
    """A time (aware) before which no dead letter of a record with this time stands; None where the time says nothing.

    A letter is younger than its record, but the record's time is its producer's, whose clock may run ahead by `AHEAD_MAX`. The time says
    nothing where it is none (-1), before 1970, or in microseconds.
    """
    if not 0 < timestamp_ms <= (now + AHEAD_MAX).timestamp() * 1000:
        return None
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC) - AHEAD_MAX


def _reaches(covered: datetime | None, needed: datetime | None) -> bool:
    return covered is None or (needed is not None and covered <= needed)


def _key(of: Identity) -> bytes:
    return sha256(f"{of.position} {of.timestamp_ms} {of.sha256}".encode()).digest()
