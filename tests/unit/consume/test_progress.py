"""What a consumer says of itself is what it does."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tocsin.consume.liveness.progress import Progress
from tocsin.kafka.types import Position, TopicPartition

FIRST, SECOND = (Position(TopicPartition("imaging.events.v1", 0), offset) for offset in (7, 8))


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_every_age_is_counted_from_its_own_last_sign() -> None:
    clock = Clock()
    progress = Progress(clock)
    for sign in (progress.polled, progress.committed, lambda: progress.turned(undecided=3, paused_for=frozenset("ba"), held_by="x")):
        clock.now += 10
        sign()
    clock.now += 1
    snapshot = progress.snapshot()
    assert (snapshot.polled_ago_s, snapshot.committed_ago_s, snapshot.turned_ago_s) == (21, 11, 1)
    assert (snapshot.undecided, snapshot.paused_for, snapshot.held_by) == (3, ("a", "b"), "x")


def test_each_wait_of_the_loop_that_is_over_is_a_sign_of_it() -> None:
    clock = Clock()
    progress = Progress(clock)
    for sign in (progress.polled, progress.committed, progress.moved):
        clock.now += 10
        sign()
        assert progress.snapshot().turned_ago_s == 0


def test_it_has_joined_once_the_bus_answered_a_poll() -> None:
    progress = Progress(Clock())
    assert not progress.snapshot().joined
    progress.polled()
    assert progress.snapshot().joined


@pytest.fixture
def another() -> Iterator[ThreadPoolExecutor]:
    """One more thread; `submit(...).result()` runs something on it."""
    with ThreadPoolExecutor(1) as thread:
        yield thread


def test_the_oldest_running_journey_is_named_with_its_age(another: ThreadPoolExecutor) -> None:
    clock = Clock()
    progress = Progress(clock)
    assert (progress.snapshot().oldest, progress.snapshot().oldest_running_s) == (None, 0)
    another.submit(progress.began, FIRST).result()
    clock.now += 5
    progress.began(SECOND)
    assert (progress.snapshot().oldest, progress.snapshot().oldest_running_s) == (FIRST, 5)
    another.submit(progress.ended).result()
    assert (progress.snapshot().oldest, progress.snapshot().oldest_running_s) == (SECOND, 0)


def test_a_journey_that_was_answered_is_old_but_not_quiet(another: ThreadPoolExecutor) -> None:
    clock = Clock()
    progress = Progress(clock)
    another.submit(progress.began, FIRST).result()
    clock.now += 5
    progress.began(SECOND)
    clock.now += 5
    another.submit(progress.heard).result()
    snapshot = progress.snapshot()
    assert (snapshot.oldest, snapshot.oldest_running_s) == (FIRST, 10)
    assert (snapshot.quietest, snapshot.quiet_s) == (SECOND, 5)


def test_an_answer_to_nobodys_journey_changes_nothing(another: ThreadPoolExecutor) -> None:
    clock = Clock()
    progress = Progress(clock)
    progress.began(FIRST)
    clock.now += 5
    another.submit(progress.heard).result()
    assert progress.snapshot().quiet_s == 5


def test_a_journey_that_hangs_still_shows_when_another_thread_ended_the_same_event(another: ThreadPoolExecutor) -> None:
    clock = Clock()
    progress = Progress(clock)
    another.submit(progress.began, FIRST).result()
    clock.now += 60
    progress.began(FIRST)
    progress.ended()
    assert (progress.snapshot().oldest_running_s, progress.snapshot().quiet_s) == (60, 60)
