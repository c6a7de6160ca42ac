"""Keeps so many events under way, and knows how each ended, in a byte an event."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from tocsin.sandbox.process import Child

from tests.benchmarks.account import EventsLost
from tests.benchmarks.bus import Bus, Said
from tests.benchmarks.counts import Counts, Tally
from tests.benchmarks.stage import Stage

HEARD_WITHIN_MS: Final = 100
STALLED_AFTER_S: Final = 60.0
OVERTAKEN_MAX: Final = 5000
"""An event is lost that so many more than are under way have overtaken: nobody waits for the end of a night to learn of it."""


class Expected(Protocol):
    """What is to be told of a picture."""

    def of(self, media: str) -> dict[str, object]:
        """The flag's content."""


class Endings:
    """How the events NAME-0, NAME-1, ... of one run ended; it keeps the times of those alone that are under way."""

    def __init__(self, name: str, expected: Expected) -> None:
        self.name = name
        self.sent = 0
        self.ended = 0
        """Events that have a flag."""
        self.wrong = 0
        """Flags that say anything else than was to be told, or of an event that nobody sent."""
        self._expected = expected
        self._flags = Counts()
        self._under_way: dict[str, float] = {}
        """When each was sent, ms."""

    def next(self, now_ms: float) -> str:
        """The id of the next event, which is sent now (the broker's clock)."""
        id_ = f"{self.name}-{self.sent}"
        self.sent += 1
        self._under_way[id_] = now_ms
        return id_

    def take(self, flag: Said) -> int | None:
        """Takes a flag; how long its event took, ms, where it is the event's first."""
        ours = flag.media.rpartition("-")[0] == self.name
        if not ours or not self._expected.of(flag.media).items() <= flag.content.items():
            self.wrong += 1
        if not ours or self._flags.add(flag.media) > 1:
            return None
        self.ended += 1
        return round(flag.at_ms - self._under_way.pop(flag.media, flag.at_ms))

    @property
    def overtaken(self) -> int:
        """How many later events have ended before the oldest that is under way; 0 where none is."""
        oldest = next(iter(self._under_way), None)
        return 0 if oldest is None else self.ended - int(oldest.rpartition("-")[2])

    @property
    def tally(self) -> Tally:
        """Of the flags."""
        return self._flags.tally(self.name)

    def told(self) -> str:
        """In words, also while some are under way."""
        twice = self.tally.events - self.tally.once
        return f"{self.sent} events sent, {self.ended} flagged, {twice} flagged twice, {self.wrong} flags wrong"

    def check(self, read: Tally, written: Tally, dead_letters: int) -> None:
        """Raises EventsLost where not every event was read, written and rightly flagged once."""
        once = Tally(self.sent, self.sent)
        if self.wrong or dead_letters or not once == self.tally == read == written:
            raise EventsLost(
                f"{self.told()}; {read.events} read, {read.once} of them once; {written.events} written, {written.once} of them once; "
                f"{dead_letters} dead letters"
            )


class Flow:
    """Sends events as others end, so that the same number is under way at any time; for one thread."""

    def __init__(self, bus: Bus, endings: Endings, total: int, under_way: int) -> None:
        self._bus, self._total, self._under_way_max = bus, total, under_way
        self.endings = endings
        bus.follow_flags()

    def until(self, ended: int, processes: Sequence[Child], look: Callable[[int], None] = lambda _: None) -> Counter[int]:
        """Goes on until so many events have ended; gives how many took how many ms. Raises EventsLost where they stay away.

        `look` is called again and again with how many have ended since the last time.
        """
        took: Counter[int] = Counter()
        since = time.monotonic()
        while self.endings.ended < ended:
            self._top_up()
            before = self.endings.ended
            took.update(self._heard())
            look(self.endings.ended - before)
            if self.endings.ended > before:
                since = time.monotonic()
            if self._stuck(since) or not all(each.alive for each in processes):
                raise EventsLost(f"a flag stays away: {self.endings.told()}. {tails(processes)}")
        return took

    def check(self, stage: Stage) -> None:
        """Once nothing runs any more: hears what is left and raises EventsLost where not every event ended once and rightly."""
        while not self._bus.all_heard():
            self._heard()
        tallies = stage.tallies(self.endings.name)
        self.endings.check(tallies["read"], tallies["written"], self._bus.dead_letters_count())

    def _stuck(self, since: float) -> bool:
        overtaken = self.endings.overtaken > self._under_way_max + OVERTAKEN_MAX
        return overtaken or time.monotonic() - since > STALLED_AFTER_S

    def _top_up(self) -> None:
        while self.endings.sent < self._total and self.endings.sent - self.endings.ended < self._under_way_max:
            self._bus.send(self.endings.next(time.time() * 1000))

    def _heard(self) -> list[int]:
        return [ms for flag in self._bus.heard(HEARD_WITHIN_MS) if (ms := self.endings.take(flag)) is not None]


def tails(processes: Sequence[Child]) -> str:
    """The ends of their logs."""
    return "\n".join(f"The log of {each.name} ends:\n{each.tail()}" for each in processes)
