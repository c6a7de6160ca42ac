"""tocsin: the command line. Each command reads the settings, asks the composition root for what it needs, and runs it."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from importlib.metadata import version
from typing import Annotated, Final

import typer

from tocsin.cli.backfill import app as backfill
from tocsin.cli.beat import beat
from tocsin.cli.check import check
from tocsin.cli.consume import consume
from tocsin.cli.dead_letters import dead_letters
from tocsin.cli.demo import demo
from tocsin.cli.reconcile import reconcile
from tocsin.cli.replay import replay
from tocsin.cli.settings import settings
from tocsin.cli.topics import topics
from tocsin.cli.work import work
from tocsin.errors import Broken, Deferred, OutageTooLong, Refused, Stop, where
from tocsin.telemetry.stderr import never_fails

app = typer.Typer(
    name="tocsin",
    help="Imaging events on a hospital's Kafka bus become FHIR risk flags that a clinician can see, check, correct and withdraw.\n\n"
    "Not for clinical use without local validation. Settings are TOCSIN_* environment variables: `tocsin settings` lists them.\n\n"
    "Your shell completes commands and options after `tocsin --install-completion`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo)
app.command()(consume)
app.command()(work)
app.command()(beat)
app.command()(check)
app.command("dead-letters")(dead_letters)
app.command()(replay)
app.add_typer(backfill, name="backfill")
app.command()(reconcile)
app.command()(topics)
app.command()(settings)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tocsin {version('tocsin')}")
        raise typer.Exit


@app.callback()
def _root(
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Holds the options that come before a command."""


PIPE_CLOSED: Final = 141
"""What a shell says of a program that a closed pipe ended: 128 and the number of SIGPIPE."""


OUTPUT_LOST: Final = 74
"""EX_IOERR, sysexits.h."""
_OUTPUT_LOST: Final = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""How the system says that what a command prints is not taken."""


def main() -> None:
    """The console script. What a person has to act on ends in one line on standard error and sysexits.h's code, never a traceback.

    A reader that has seen enough (`| head`) is no error: the command ends without a word.
    """
    never_fails()
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
        app()
    except SystemExit as ending:  # click and rich turn a closed pipe into exit code 1
        return PIPE_CLOSED if isinstance(ending.__context__, BrokenPipeError) else ending.code
    except Refused as refused:
        _complain(f"{refused.reason}: {refused}. {refused.advice}")
        return 1
    except Stop as stop:
        _complain(f"{type(stop).__name__}: {stop}")
        return stop.exit_code
    except Deferred as away:
        _complain(f"{away}. Nothing was lost; start it again when {away.neighbour} answers (`tocsin check`).")
        return OutageTooLong.exit_code
    except OSError as error:
        if error.errno not in _OUTPUT_LOST:
            return _defect(error)
        raise
    except Exception as error:  # the border of the process: a traceback's text may quote what it must not
        return _defect(error)
    return 0


def _defect(error: Exception) -> int:
    broken = Broken(where(error))
    _complain(f"{type(broken).__name__}: {broken}. This is a defect of Tocsin: report this line.")
    return broken.exit_code


def _complain(text: str) -> None:
    """Nobody may be there to read it; the exit code says it all the same."""
    with contextlib.suppress(OSError):
        print(f"tocsin: {text}", file=sys.stderr, flush=True)


def _forget_output() -> None:
    """Python would try once more to write what is left, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
        with contextlib.suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
