"""A command on a terminal, as a person runs it."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
from collections.abc import Mapping, Sequence


def on_a_terminal(command: Sequence[str], environment: Mapping[str, str], within_s: float) -> tuple[int, str]:
    """Runs the command to its end, and gives its exit code and what a person saw."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = bytearray()
    with contextlib.suppress(OSError):  # a terminal whose process has ended cannot be read
        while select.select([ours], [], [], within_s)[0] and (chunk := os.read(ours, 65536)):
            shown += chunk
    os.close(ours)
    return process.wait(within_s), shown.decode()
