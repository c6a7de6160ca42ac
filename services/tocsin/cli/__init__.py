"""tocsin: the command line. Each command reads the settings, asks the composition root for what it needs, and runs it."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from tocsin.cli.backfill import app as backfill
from tocsin.cli.beat import beat
from tocsin.cli.check import check
from tocsin.cli.consume import consume
from tocsin.cli.dead_letters import dead_letters
from tocsin.cli.demo import demo
from tocsin.cli.reconcile import reconcile
from tocsin.cli.replay import replay
from tocsin.cli.topics import topics
from tocsin.cli.work import work
from tocsin.errors import Deferred, OutageTooLong, Refused, Stop

app = typer.Typer(
    name="tocsin",
    help="Imaging events on a hospital's Kafka bus become FHIR risk flags that a clinician can see, check, correct and withdraw.\n\n"
    "Not for clinical use without local validation. Settings are TOCSIN_* environment variables.",
    no_args_is_help=True,
    add_completion=False,
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


def main() -> None:
    """The console script. What a person has to act on ends in one line on standard error and sysexits.h's code, never a traceback."""
    try:
        app()
    except Refused as refused:
        print(f"tocsin: {refused.reason}: {refused}. {refused.advice}", file=sys.stderr)
        sys.exit(1)
    except Stop as stop:
        print(f"tocsin: {type(stop).__name__}: {stop}", file=sys.stderr)
        sys.exit(stop.exit_code)
    except Deferred as away:
        print(f"tocsin: {away}. Nothing was lost; start it again when {away.neighbour} answers (`tocsin check`).", file=sys.stderr)
        sys.exit(OutageTooLong.exit_code)
