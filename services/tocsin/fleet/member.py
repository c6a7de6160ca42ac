"""One consumer of a fleet: a process of its own, which ends when the fleet's ends, however that ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from tocsin import tether

HOST: Final = "127.0.0.1"
"""Where members answer: whoever asks from outside asks the fleet."""


class Member:
    """A running `tocsin consume`; it writes where its fleet writes."""

    def __init__(self, port: int, environment: Mapping[str, str]) -> None:
        """Start it, with its health pages on this port. The kernel ends it with the calling thread."""
        own = {"TOCSIN_METRICS__HOST": HOST, "TOCSIN_METRICS__PORT": str(port)}
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), sys.executable, "-m", "tocsin", "consume"],
            env={**environment, **own},
            stdin=subprocess.DEVNULL,
        )

    @property
    def exit_code(self) -> int | None:
        """None while it runs; where a signal ended it, the signal's number below zero."""
        return self._process.poll()

    def ask_to_end(self) -> None:
        """Have it drain and end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._send(signal.SIGKILL)
        self._process.wait()

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)


def free_ports(count: int) -> list[int]:
    """So many ports of HOST that nobody listens on at this moment."""
    taken = [socket.create_server((HOST, 0)) for _ in range(count)]
    try:
        return [int(each.getsockname()[1]) for each in taken]
    finally:
        for each in taken:
            each.close()
