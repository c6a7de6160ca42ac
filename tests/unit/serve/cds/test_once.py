"""What was seen is remembered within a bound, and by this process alone while Redis is away."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisAway
from tocsin.serve.cds.once import CARDS_MAX, PAUSE_S, CardsHere, Full, OnceHere, Shared


class Clock:
    """Seconds that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Away:
    """A Redis that is away; counts how often it was asked."""

    asked = 0

    def __getattr__(self, _name: str) -> Any:
        def fails(*_arguments: Any, **_named: Any) -> Any:
            self.asked += 1
            raise RedisAway("away")

        return fails


def test_a_key_comes_once_until_its_time_is_over() -> None:
    clock = Clock()
    once = OnceHere(10, clock)
    assert once.first("a", 5)
    assert not once.first("a", 5)
    assert once.first("b", 5)
    clock.now += 5
    assert once.first("a", 5)


def test_there_is_a_bound_and_what_is_over_makes_room() -> None:
    clock = Clock()
    once = OnceHere(2, clock)
    assert once.first("long", 50)
    assert once.first("short", 5)
    with pytest.raises(Full):
        once.first("c", 5)
    clock.now += 5
    assert once.first("c", 5)
    assert not once.first("long", 50)


def test_the_last_cards_are_remembered() -> None:
    cards = CardsHere()
    cards.remember({str(number): "r" for number in range(CARDS_MAX + 1)})
    assert cards.recall("0") is None
    assert cards.recall(str(CARDS_MAX)) == "r"


def test_while_redis_is_away_this_process_remembers_and_does_not_wait_for_it_at_every_call() -> None:
    clock, away = Clock(), Away()
    shared = Shared(away, OnceHere(10, clock), CardsHere(), 60, clock)  # type: ignore[arg-type] # as far as it is asked
    assert shared.first("a", 5)
    assert not shared.first("a", 5)
    shared.remember({"card": "report"})
    assert (shared.recall("card"), shared.recall("other")) == ("report", None)
    assert away.asked == 1
    clock.now += PAUSE_S
    assert shared.first("b", 5)
    assert away.asked == 2
