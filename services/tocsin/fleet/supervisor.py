"""Keeps the members of a fleet running: one that died is started again, and all end together.

What a restart would mend is the member's own affair (it dies of it). What would meet the next member too ends the fleet: a setting, a
neighbour that is away for too long or is not what the settings say. Then whoever supervises the fleet decides.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from tocsin.errors import Broken, ConfigurationError, ContractError, OutageTooLong

FOR_ALL: Final = frozenset({OutageTooLong.exit_code, ContractError.exit_code, ConfigurationError.exit_code})
"""Exit codes of what is not the member's alone."""
LOOK_EVERY_S: Final = 0.2


class Running(Protocol):
    """A member, as the supervisor sees it."""

    @property
    def exit_code(self) -> int | None:
        """None while it runs; where a signal ended it, the signal's number below zero."""

    def ask_to_end(self) -> None:
        """Have it drain and end; harmless when it has ended."""

    def kill(self) -> None:
        """End it at once; harmless when it has ended."""


@dataclass(frozen=True, slots=True)
class Restarts:
    """How often members may be started again."""

    most: int
    """Restarts of all members together within `within_s`; the next death ends the fleet."""
    within_s: float


class Supervisor:
    """Starts, watches and ends the members."""

    def __init__(
        self,
        start: Sequence[Callable[[], Running]],
        restarts: Restarts,
        clock: Callable[[], float],
        say: Callable[[int, int], None],
        say_killed: Callable[[int], None],
    ) -> None:
        """`start`: one for each member, called again for each restart; `clock` is monotonic seconds.

        `say` is told each death that is followed by a restart: the member's number and its exit code. `say_killed` is told the number of
        each that did not end when it was asked to.
        """
        self._start = start
        self._restarts = restarts
        self._clock = clock
        self._say = say
        self._say_killed = say_killed
        self._restarted_at: list[float] = []
        self._members: list[Running] = []

    def run(self, stopping: threading.Event, *, end_within_s: float) -> int:
        """Run the fleet until `stopping` is set or it cannot go on, then have all members end; gives the fleet's exit code.

        A member that has not ended `end_within_s` after it was asked to is killed. One that ends because a person has to act, or by a
        defect, says so by its exit code also where the fleet was to end. Call it from a thread that lives as long as the fleet.
        """
        code: int | None = None
        try:
            self._members = [start() for start in self._start]
            while code is None and not stopping.wait(LOOK_EVERY_S):
                code = self._look()
        finally:
            self._end(end_within_s)
        return self._said_at_the_end() if code is None else code

    def _said_at_the_end(self) -> int:
        codes = {member.exit_code for member in self._members}
        return next((code for code in (*sorted(FOR_ALL), Broken.exit_code) if code in codes), 0)

    def _look(self) -> int | None:
        """Restart whoever died; an exit code where the fleet cannot go on."""
        for number, member in enumerate(self._members):
            code = member.exit_code
            if code in FOR_ALL:
                return code
            if code is not None:
                if not self._may_restart():
                    return Broken.exit_code
                self._say(number, code)
                self._members[number] = self._start[number]()
        return None

    def _may_restart(self) -> bool:
        now = self._clock()
        self._restarted_at = [at for at in self._restarted_at if at > now - self._restarts.within_s]
        self._restarted_at.append(now)
        return len(self._restarted_at) <= self._restarts.most

    def _end(self, within_s: float) -> None:
        for member in self._members:
            member.ask_to_end()
        deadline = self._clock() + within_s
        waiting = threading.Event()  # nobody sets it
        while any(member.exit_code is None for member in self._members) and self._clock() < deadline:
            waiting.wait(LOOK_EVERY_S)
        for number, member in enumerate(self._members):
            if member.exit_code is None:
                self._say_killed(number)
                member.kill()
