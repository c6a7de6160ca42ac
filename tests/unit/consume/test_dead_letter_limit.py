"""A bad deployment must not drain the topic into the dead letters; a few bad events are everyday."""

from __future__ import annotations

import tracemalloc

from tocsin.consume.flow.dead_letter_limit import DeadLetterLimit


def ceiling(dead: int, alive: int, *, every_s: float = 0.1) -> DeadLetterLimit:
    made = DeadLetterLimit(window_s=60.0, count_max=10, share_max=0.5)
    for number in range(alive + dead):
        made.count(number * every_s, dead=number >= alive)
    return made


def test_many_dead_letters_that_are_most_of_all_endings_break_it() -> None:
    assert ceiling(dead=11, alive=10).exceeded


def test_as_many_dead_letters_among_more_that_succeed_do_not() -> None:
    assert not ceiling(dead=11, alive=11).exceeded


def test_a_few_dead_letters_do_not_even_if_nothing_else_ends() -> None:
    assert not ceiling(dead=10, alive=0).exceeded


def test_what_is_older_than_the_window_does_not_count() -> None:
    slow = ceiling(dead=100, alive=0, every_s=10.0)
    assert not slow.exceeded
    assert (slow.dead, slow.endings) == (7, 7)


def test_a_process_that_ends_a_thousand_events_a_second_holds_no_more_than_a_quiet_one() -> None:
    tracemalloc.start()
    try:
        busy = ceiling(dead=0, alive=50_000, every_s=0.001)
        held_bytes = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert busy.endings == 50_000
    assert held_bytes < 200_000
