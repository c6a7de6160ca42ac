"""What may be relied on in the load."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from tests.chaos.mix import EXPECTS, SHARES, steps


def test_a_seed_gives_the_same_week_again() -> None:
    assert list(islice(steps(3), 500)) == list(islice(steps(3), 500))
    assert list(islice(steps(3), 500)) != list(islice(steps(4), 500))


def test_every_four_hundred_steps_hold_their_share_of_everything_that_happens() -> None:
    week = list(islice(steps(1), 810))
    assert all(step.act == "good" for step in week[:10])
    assert Counter(step.act for step in week[10:410]) == Counter(SHARES)
    assert Counter(step.act for step in week[410:]) == Counter(SHARES)
    assert sum(SHARES.values()) == 400


def test_it_is_known_of_every_act_how_its_event_has_to_end() -> None:
    assert SHARES.keys() == EXPECTS.keys()
