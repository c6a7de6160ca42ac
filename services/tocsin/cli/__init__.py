"""tocsin: the command line. Each command reads the settings, asks the composition root for what it needs, and runs it."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Sequence
from typing import Final

from tocsin.errors import Broken, Deferred, OutageTooLong, Refused, Stop, where
from tocsin.telemetry.stderr import never_fails

PIPE_CLOSED: Final = 141
"""Exit code that a shell gives a program that a closed pipe ended: 128 and the number of SIGPIPE."""


CONSUME: Final = ["consume"]
"""The words that need no parser: typer would stay with the service for as long as it runs, with 1.4 MB."""
HEALTH: Final = (["health", "live"], ["health", "ready"])
"""These need none either, and are asked every few seconds: with typer and the settings' models they take five times as much CPU."""

OUTPUT_LOST: Final = 74
"""Exit code where standard output could not be written: EX_IOERR, sysexits.h."""
_OUTPUT_LOST: Final = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""The system's error codes for output that is not taken."""


def main() -> None:
    """The console script. An error that a person has to act on ends in one line on standard error and a sysexits.h code, never a traceback.

    A reader that has seen enough (`| head`) is no error: the command ends without a word.
    """
    never_fails()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: its threads spin, and a journey has one of its own
    try:
        code = _code()
        sys.stdout.flush()
    except BrokenPipeError:
        code = PIPE_CLOSED
    except OSError as error:
        _complain(f"standard output could not be written ({error.strerror}): what was printed is not complete")
        code = OUTPUT_LOST
    if code in (PIPE_CLOSED, OUTPUT_LOST):
        _forget_output()
    sys.exit(code)


def _code() -> int | str | None:
    try:
        _run(sys.argv[1:])
    except SystemExit as ending:  # click and rich turn a closed pipe into exit code 1
        return PIPE_CLOSED if isinstance(ending.__context__, BrokenPipeError) else ending.code
    except Refused as refused:
        _complain(f"{refused.reason}: {refused}. {refused.advice}")
        return 1
    except Stop as stop:
        _complain(f"{type(stop).__name__}: {stop}")
        return stop.exit_code
    except Deferred as away:
        _complain(f"{away}. Nothing was lost; run the command again when {away.neighbour} answers (`tocsin check`).")
        return OutageTooLong.exit_code
    except OSError as error:
        if error.errno not in _OUTPUT_LOST:
            return _defect(error)
        raise
    except Exception as error:  # the border of the process: a traceback's text may quote what it must not
        return _defect(error)
    return 0


def _run(words: Sequence[str]) -> None:
    """Run what these words ask for; raises whatever ends it."""
    if words == CONSUME:
        from tocsin.cli.consume_run import run

        sys.exit(run())
    if words in HEALTH:
        from tocsin.cli.health_run import run as ask

        sys.exit(ask(words[1]))
    from tocsin.cli.commands import app

    app()


def _defect(error: Exception) -> int:
    broken = Broken(where(error))
    _complain(f"{type(broken).__name__}: {broken}. This is a defect of Tocsin: report this line.")
    return broken.exit_code


def _complain(text: str) -> None:
    """Print to standard error. Perhaps nobody is there to read it; the exit code says it all the same."""
    with contextlib.suppress(OSError):
        print(f"tocsin: {text}", file=sys.stderr, flush=True)


def _forget_output() -> None:
    """Send what is left of the output nowhere: at its end Python would try to write it once more, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
        with contextlib.suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
