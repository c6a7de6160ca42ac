"""Pictures share a bounded memory: whoever finds no room waits its turn, and not for ever."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from tocsin.errors import Contended
from tocsin.image.memory_budget import Allowance

from tests.support.waiting import eventually


def test_room_that_is_given_back_is_lent_again() -> None:
    allowance = Allowance(100, wait_s=0.01)
    for _ in range(3):
        with allowance.room(60), allowance.room(40):
            pass


def test_whoever_finds_no_room_in_time_is_tried_again_later() -> None:
    allowance = Allowance(100, wait_s=0.01)
    with allowance.room(60), pytest.raises(Contended, match="memory: no room for 41 bytes"), allowance.room(41):
        pytest.fail("there were but 40 left")
    with allowance.room(100):
        pass


def test_a_picture_larger_than_all_of_it_is_looked_at_alone() -> None:
    allowance = Allowance(100, wait_s=0.01)
    with allowance.room(1_000_000), pytest.raises(Contended), allowance.room(1):
        pytest.fail("it was not alone")


def test_room_is_given_back_whatever_happens_in_it() -> None:
    allowance = Allowance(100, wait_s=0.01)
    with pytest.raises(ZeroDivisionError), allowance.room(100):
        raise ZeroDivisionError
    with allowance.room(100):
        pass


def test_a_large_picture_is_not_passed_by_small_ones_that_came_later() -> None:
    allowance = Allowance(100, wait_s=10)
    order: list[str] = []

    def look(name: str, needed: int) -> None:
        with allowance.room(needed):
            order.append(name)

    with ThreadPoolExecutor(2) as threads:
        with ExitStack() as held:
            held.enter_context(allowance.room(90))
            large = threads.submit(look, "large", 80)
            eventually(lambda: allowance.waiting == 1)
            small = threads.submit(look, "small", 5)
            eventually(lambda: allowance.waiting == 2)
            assert order == []
        large.result(10)
        small.result(10)
    assert order == ["large", "small"]


def test_a_small_picture_goes_on_once_the_large_one_before_it_has_given_up() -> None:
    allowance = Allowance(100, wait_s=0.2)
    began = threading.Event()

    def large() -> None:
        began.set()
        with allowance.room(80):
            pytest.fail("90 were held")

    with allowance.room(90), ThreadPoolExecutor(1) as threads:
        refused = threads.submit(large)
        assert began.wait(5)
        assert isinstance(refused.exception(5), Contended)
        with allowance.room(10):
            pass


def test_many_pictures_at_once_never_hold_more_than_there_is() -> None:
    allowance, lock = Allowance(100, wait_s=10), threading.Lock()
    held, most = 0, 0

    def look(needed: int) -> None:
        nonlocal held, most
        with allowance.room(needed):
            with lock:
                held += needed
                most = max(most, held)
            with lock:
                held -= needed

    with ThreadPoolExecutor(16) as threads:
        for each in [threads.submit(look, 10 + number % 7 * 15) for number in range(500)]:
            each.result(10)
    assert held == 0
    assert 0 < most <= 100


def test_no_more_pictures_than_allowed_are_held_at_a_time_whatever_room_is_left() -> None:
    allowance = Allowance(100, wait_s=0.01, holders_max=2)
    with allowance.room(1), allowance.room(1), pytest.raises(Contended, match="memory"), allowance.room(1):
        pytest.fail("two were held already")
    with allowance.room(1), allowance.room(1):
        pass
