"""Runs child processes that never outlive their stack. Each step has a deadline: start, wait until ready, end.

The kernel kills a child when the *thread* that started it ends, so start children from a thread that lives as long as they should.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tocsin import tether
from tocsin.network import HOST, free_ports
from tocsin.sandbox.errors import Interrupted, PartDidNotStart

TAIL_LINES = 15
PORT_TRIES = 3
POLL_S = 0.05
OUT_OF_MEMORY = "The system may be out of memory: the stack needs about 2 GB. Close what uses memory and run it again."

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Launch:
    """A program to run, and how."""

    name: str
    """Name of the child in messages."""
    argv: Sequence[str]
    folder: Path
    """The child's working directory."""
    log: Path
    """The file to which the child's output is appended."""
    environment: Mapping[str, str] | None
    """The child's whole environment; None: this process's own."""
    leads: bool = False
    """Whether it starts processes of its own, which then end when it ends, however it does."""


class Child:
    """A running process in a process group of its own. Safe for threads."""

    def __init__(self, launch: Launch) -> None:
        """Start the child, which dies with the calling thread, whatever becomes of this object."""
        self.name = launch.name
        self.log = launch.log
        self._ending = threading.Lock()
        with launch.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), *([tether.LEADS] if launch.leads else []), *launch.argv],
                cwd=launch.folder,
                env=launch.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The child's process id, which is its group's too."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the child still runs."""
        return self._ended(os.WNOHANG) is None

    @property
    def exit_code(self) -> int:
        """The child's exit code, waited for; where a signal ended the child, the signal's number below zero."""
        code = self._ended(0)
        assert code is not None
        return code

    def stop(self, *, grace_s: float = 10.0) -> None:
        """Ask the child to end, and kill it and its group after `grace_s`; harmless when it has ended."""
        with self._ending:
            if self._process.returncode is not None:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)  # not Popen.send_signal: it may reap the leader
            deadline = time.monotonic() + grace_s
            while self.alive and time.monotonic() < deadline:
                time.sleep(POLL_S)
            self._kill_group()

    def kill(self) -> None:
        """Kill the child and its group at once, as a power cut would."""
        with self._ending:
            if self._process.returncode is None:
                self._kill_group()

    def tail(self) -> str:
        """The last lines of the child's log."""
        lines = self.log.read_text("utf-8", errors="replace").splitlines()
        return "\n".join(f"    {line[:300]}" for line in lines[-TAIL_LINES:])

    def _ended(self, how: int) -> int | None:
        # leaves the leader unreaped: while it is, its number stays its group's and no stranger's
        if self._process.returncode is None:
            with contextlib.suppress(ChildProcessError):  # reaped meanwhile, by another thread's _kill_group
                end = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | how)
                return None if end is None else end.si_status if end.si_code == os.CLD_EXITED else -end.si_status
        return self._process.wait()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def started(launch: Launch) -> Iterator[Child]:
    """Start a child, and kill it if the block fails; else it is left running."""
    child = Child(launch)
    try:
        yield child
    except BaseException:
        child.kill()
        raise


def await_ready(child: Child, probe: Callable[[], bool], *, within_s: float, interrupted: threading.Event) -> None:
    """Return once `probe` is true. Raises PartDidNotStart if the child ends or `within_s` passes before, and Interrupted."""
    began = time.monotonic()
    while True:
        if interrupted.is_set():
            raise Interrupted(f"{child.name} was not started to the end")
        if not child.alive:
            raise PartDidNotStart(_early_end(child))
        if _holds(probe, interrupted, began + within_s):
            return
        if time.monotonic() - began > within_s:
            raise PartDidNotStart(
                f"{child.name} was not ready after {within_s:.0f} s. Close what keeps this machine busy and run it again. "
                f"Its log ends:\n{child.tail()}"
            )
        interrupted.wait(POLL_S)


def _holds(probe: Callable[[], bool], interrupted: threading.Event, deadline: float) -> bool:
    """What the probe answers; False once `interrupted` is set or the deadline has passed, however long the probe takes."""
    said: list[bool] = []
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            said.append(probe())
        except BaseException as error:
            raised.append(error)

    asking = threading.Thread(target=ask, name="probe", daemon=True)
    asking.start()
    while asking.is_alive() and not interrupted.is_set() and time.monotonic() < deadline:
        asking.join(POLL_S)
    if raised:
        raise raised[0]
    return bool(said and said[0])


def run(launch: Launch, *, within_s: float, interrupted: threading.Event, meanwhile: Callable[[], None] = lambda: None) -> str:
    """Run the launch to its end; returns an empty text if it succeeded, else why it did not. Raises Interrupted.

    `meanwhile` is called again and again while it runs.
    """
    with started(launch) as child:
        deadline = time.monotonic() + within_s
        while child.alive and time.monotonic() < deadline:
            if interrupted.is_set():
                raise Interrupted(f"{launch.name} was not run to the end")
            meanwhile()
            interrupted.wait(POLL_S)
        failure = "" if not child.alive else f"it was not done after {within_s:.0f} s"
        if not failure and child.exit_code:
            failure = f"it ended with exit code {child.exit_code}"
        child.kill()
        return f"{failure}:\n{child.tail()}" if failure else ""


def on_free_ports(count: int, start: Callable[[tuple[int, ...]], T]) -> T:
    """What `start` makes of `count` free ports. Another process may take a port first: `start` is tried PORT_TRIES times."""
    for _ in range(PORT_TRIES - 1):
        ports = free_ports(count)
        try:
            return start(ports)
        except PartDidNotStart:
            if not any(map(_taken, ports)):
                raise
    return start(free_ports(count))


def accepts(port: int) -> bool:
    """Whether something listens on the port."""
    with socket.socket() as client:
        client.settimeout(1.0)
        return client.connect_ex((HOST, port)) == 0


def _taken(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection that is still winding down is no listener
        try:
            listener.bind((HOST, port))
        except OSError:
            return True
    return False


def _early_end(child: Child) -> str:
    code = child.exit_code
    advice = OUT_OF_MEMORY if code == -signal.SIGKILL else "Mend what the end of its log names and run it again."
    return f"{child.name} ended with exit code {code} before it was ready. {advice} Its log ends:\n{child.tail()}"
