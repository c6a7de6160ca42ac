"""Becomes another program that ends when its parent ends, however the parent ends: `tether.py PARENT_PID [--leads] PROGRAM ARGUMENT...`.

With --leads the program is the leader of its process group, whose processes end with it, too.

Run as a script between fork and exec, so that nothing of it runs in a forked copy of a process with threads.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys

LEADS = "--leads"

PR_SET_PDEATHSIG = 1  # linux/prctl.h; survives exec


def main(parent: int, argv: list[str]) -> None:
    """Never returns: this process is the program, or ends with 127 if there is no such program."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit(127)  # the parent was gone before the signal was asked for
    if argv[0] == LEADS:
        argv = argv[1:]
        _watched()
    try:
        os.execv(argv[0], argv)
    except OSError as error:
        sys.exit(f"{argv[0]}: {error.strerror}")


def _watched() -> None:
    """Leave a process behind that kills this one's group once this one has ended: the kernel ends nobody's grandchildren."""
    leader = os.getpid()
    end = os.pidfd_open(leader)
    if os.fork():
        os.close(end)
        return
    os.setsid()  # in a group of its own, which nobody ends with the leader's
    os.closerange(0, end)  # whoever reads what the program writes waits for none of this
    select.select([end], [], [])
    with contextlib.suppress(ProcessLookupError):  # none of them is left
        os.killpg(leader, signal.SIGKILL)
    sys.exit()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
