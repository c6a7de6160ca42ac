"""One consumer of a fleet: a process of its own, which ends when the fleet's ends, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress

from tocsin import tether
from tocsin.network import HOST


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
