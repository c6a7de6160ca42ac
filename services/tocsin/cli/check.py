"""tocsin check: is everything there that the service needs?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Final

import orjson
import typer
from rich.table import Table
from rich.text import Text

from tocsin import bootstrap
from tocsin.cli.console import console
from tocsin.errors import TocsinError, where
from tocsin.preflight import Check, Preflight
from tocsin.settings import read_settings
from tocsin.telemetry.log import quiet_libraries

MARKS: Final = {True: Text("pass", style="green"), False: Text("FAIL", style="bold red"), None: Text("skip", style="yellow")}


def check(as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line instead of a table.")] = False) -> None:
    """Connect to every configured part, print what was found, and how to mend what is wrong.

    Exit codes: 0 all passed; 1 something failed; 78 a setting or the model card is wrong.
    """
    quiet_libraries()
    checks = [each for preflight in bootstrap.preflights(read_settings()) for each in looked(preflight)]
    _print_json(checks) if as_json else _print_table(checks)
    if any(each.passed is False for each in checks):
        raise typer.Exit(1)


def looked(preflight: Preflight) -> Iterator[Check]:
    """What one preflight finds; an error that it did not foresee is its last, failed check."""
    try:
        yield from preflight.look()
    except Exception as error:  # the border: libraries raise what they please, and the other parts are still to be looked at
        fix = f"look at the {preflight.part} settings (TOCSIN_{preflight.part.upper()}__*) and that part's own log; else report it"
        found = str(error) if isinstance(error, TocsinError) else where(error)
        yield Check(preflight.part, "unforeseen", False, found, fix)


def _print_json(checks: list[Check]) -> None:
    for each in checks:
        typer.echo(orjson.dumps(asdict(each)).decode())


def _print_table(checks: list[Check]) -> None:
    table = Table("", "part", "what", "found", box=None, pad_edge=False)
    for each in checks:
        table.add_row(MARKS[each.passed], each.part, each.what, Text(each.found))
        if each.fix:
            table.add_row("", "", "", Text(f"fix: {each.fix}", style="yellow"))
    out = console()
    out.print(table)
    failed, skipped = (sum(each.passed is state for each in checks) for state in (False, None))
    ending = f"{failed} failed" if failed else "all passed"
    out.print(f"\n{len(checks) - skipped} checked, {ending}{f'; {skipped} not looked at' if skipped else ''}.")
