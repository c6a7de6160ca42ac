"""Becomes another program that ends when its parent ends, however the parent ends: `tether.py PARENT_PID PROGRAM ARGUMENT...`.

Run as a script between fork and exec, so that nothing of it runs in a forked copy of a process with threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h; survives exec


def main(parent: int, argv: list[str]) -> None:
    """Never returns: this process is the program, or ends with 127 if there is no such program."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit(127)  # the parent was gone before the signal was asked for
    try:
        os.execv(argv[0], argv)
    except OSError as error:
        sys.exit(f"{argv[0]}: {error.strerror}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
