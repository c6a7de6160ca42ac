"""Processes that share one standard error never write into each other's lines."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

import pytest

SCRIPT: Final = """
import logging, sys, warnings
from tocsin.telemetry.stderr import never_fails
never_fails()
from tocsin.settings import LogSettings
from tocsin.telemetry.log import logger, set_up_logs
set_up_logs(LogSettings(form=sys.argv[1]))
logger().info("an event has ended", detail="x" * int(sys.argv[2]))
logging.getLogger("a.library").warning("it complains")
warnings.warn("a warning", stacklevel=1)
print("last words", file=sys.stderr)
"""
WRITE_MAX: Final = 1 << 17


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("length", [1, 20_000])
def test_a_line_is_written_together_with_its_end(form: str, length: int) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # one packet for each write
    ours.settimeout(60)
    with ours, theirs, subprocess.Popen([sys.executable, "-c", SCRIPT, form, str(length)], stderr=theirs.fileno(), env=environment()):
        theirs.close()
        written = list(packets(ours))
    assert len(written) == 4
    assert all(each.endswith(b"\n") for each in written), written


def packets(receiver: socket.socket) -> Iterator[bytes]:
    while packet := receiver.recv(WRITE_MAX):
        yield packet


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
