"""One process of the product under a supervisor that starts it again whenever it ends, as Kubernetes does."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.sandbox.process import POLL_S, Child, Launch

PAUSE_S: Final = (0.5, 4.0)
"""Before a restart: the first, and the longest of those that double while the process ends soon."""
SOON_S: Final = 10.0
END_WITHIN_S: Final = 40.0


@dataclass(frozen=True, slots=True)
class Death:
    """One end of the process that the run did not ask for as its last."""

    name: str
    at: float
    """time.monotonic()."""
    exit_code: int
    struck: bool
    """By a fault of the run; else it ended by itself."""


class Supervised:
    """The process, and the thread that starts it and lives as long. Safe for threads."""

    def __init__(self, name: str, launch: Launch) -> None:
        self.name = name
        self._launch = launch
        self._stopping = threading.Event()
        self._held = threading.Event()
        self._struck = False
        self._child: Child | None = None
        self._deaths: list[Death] = []
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self) -> None:
        """From now on it runs."""
        self._thread.start()

    def stop(self) -> None:
        """It ends in good order, for good."""
        self._stopping.set()
        self._thread.join(END_WITHIN_S)

    def kill(self) -> None:
        """SIGKILL; it stays away until `release`."""
        self._held.set()
        self._struck = True
        if self._child is not None:
            self._child.kill()

    def release(self) -> None:
        """It may be started again."""
        self._held.clear()

    def freeze(self) -> None:
        """It is not given the processor any more, as where a virtual machine is moved."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on and knows nothing of the time that has passed."""
        self._signal(signal.SIGCONT)

    def deaths(self) -> Sequence[Death]:
        """Until now."""
        return tuple(self._deaths)

    def _signal(self, number: int) -> None:
        child = self._child
        if child is not None and child.alive:
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                os.killpg(child.pid, number)

    def _run(self) -> None:
        pause_s = PAUSE_S[0]
        while not self._stopping.is_set():
            began = time.monotonic()
            self._live()
            soon = time.monotonic() - began < SOON_S
            pause_s = min(PAUSE_S[1], 2 * pause_s) if soon else PAUSE_S[0]
            self._stopping.wait(pause_s if soon else PAUSE_S[0])

    def _live(self) -> None:
        """One life, once it may begin."""
        while self._held.is_set():
            if self._stopping.wait(POLL_S):
                return
        self._struck = False
        self._child = child = Child(self._launch)
        while child.alive and not self._stopping.wait(POLL_S):
            pass
        if child.alive:
            child.stop(grace_s=END_WITHIN_S - 10)
        else:
            self._deaths.append(Death(self.name, time.monotonic(), child.exit_code, self._struck))
