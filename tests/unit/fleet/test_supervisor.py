"""Members of a fleet that die are started again; what would meet them all ends the fleet."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from tocsin.fleet.supervisor import Restarts, Supervisor


@dataclass
class Process:
    """A member as a test has it."""

    exit_code: int | None = None
    ends_when_asked: bool = True
    ends_with: int = 0
    asked: int = 0
    killed: bool = False

    def ask_to_end(self) -> None:
        self.asked += 1
        if self.ends_when_asked and self.exit_code is None:
            self.exit_code = self.ends_with

    def kill(self) -> None:
        self.killed = True
        self.exit_code = -9


@dataclass
class Fleet:
    """Members that end with these codes, one after the other, in the place of the first; the others run until they are asked to end."""

    codes: list[int]
    stopping: threading.Event = field(default_factory=threading.Event)
    started: list[Process] = field(default_factory=list)
    deaths: list[tuple[int, int]] = field(default_factory=list)
    now: float = 0.0
    pause_s: float = 0.0
    """How much time passes between two deaths."""

    def first(self) -> Process:
        self.now += self.pause_s
        if not self.codes:
            self.stopping.set()
        return self._member(self.codes.pop(0) if self.codes else None)

    def other(self) -> Process:
        return self._member(None)

    def _member(self, code: int | None) -> Process:
        self.started.append(Process(code))
        return self.started[-1]

    def run(self, most: int = 5, others: int = 1) -> int:
        starts: list[Callable[[], Process]] = [self.first, *([self.other] * others)]
        restarts = Restarts(most, within_s=600.0)
        made = Supervisor(starts, restarts, lambda: self.now, lambda number, code: self.deaths.append((number, code)), lambda _: None)
        return made.run(self.stopping, end_within_s=30.0)


def test_all_members_end_where_the_fleet_is_stopped() -> None:
    fleet = Fleet([])
    assert fleet.run(others=3) == 0
    assert [each.exit_code for each in fleet.started] == [0, 0, 0, 0]
    assert not any(each.killed for each in fleet.started)


@pytest.mark.parametrize("code", [-9, 70, 1])
def test_a_member_that_died_is_started_again_in_its_place_and_the_others_go_on(code: int) -> None:
    fleet = Fleet([code, code])
    assert fleet.run() == 0
    assert fleet.deaths == [(0, code), (0, code)]
    assert len(fleet.started) == 4


@pytest.mark.parametrize("code", [75, 76, 78])
def test_what_would_meet_the_next_member_too_ends_the_fleet_with_its_code(code: int) -> None:
    fleet = Fleet([code])
    assert fleet.run() == code
    assert (fleet.deaths, [each.asked for each in fleet.started]) == ([], [1, 1])


def test_a_fleet_whose_members_die_again_and_again_ends() -> None:
    fleet = Fleet([-9] * 4)
    assert fleet.run(most=3) == 70
    assert len(fleet.deaths) == 3


def test_deaths_of_long_ago_count_no_more() -> None:
    fleet = Fleet([-9] * 9, pause_s=601.0)
    assert fleet.run(most=1) == 0
    assert len(fleet.deaths) == 9


def test_a_member_that_does_not_end_when_asked_is_killed_and_named() -> None:
    killed = list[int]()
    stuck = Process(ends_when_asked=False)
    stopping, times = threading.Event(), iter(range(0, 1000, 20))
    stopping.set()
    made = Supervisor([Process, lambda: stuck], Restarts(0, 1.0), lambda: float(next(times)), lambda _number, _code: None, killed.append)
    assert made.run(stopping, end_within_s=30.0) == 0
    assert stuck.killed
    assert killed == [1]


@pytest.mark.parametrize(("codes", "said"), [([0, 76], 76), ([70, 0], 70), ([70, 78], 78), ([-9, 0], 0)])
def test_a_fleet_that_is_stopped_ends_as_the_member_for_whom_a_person_has_to_act(codes: list[int], said: int) -> None:
    stopping = threading.Event()
    stopping.set()
    starts = [lambda code=code: Process(ends_with=code) for code in codes]
    made = Supervisor(starts, Restarts(0, 1.0), lambda: 0.0, lambda _number, _code: None, lambda _number: None)
    assert made.run(stopping, end_within_s=30.0) == said
