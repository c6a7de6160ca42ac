"""How `tocsin backfill` speaks: text for a person, or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson
import typer
from rich.text import Text

from tocsin.cli.console import console
from tocsin.cli.letters import plain, print_columns, seconds
from tocsin.worker.model import STATED_NOWHERE, Backfill, Query

ANY_MODALITY: Final = "any"
_STYLES: Final = {"running": "green", "paused": "yellow", "done": "", "cancelled": "dim"}


def tell_plan(query: Query, total: int, per_second: float, as_json: bool) -> None:
    """What a backfill over the `total` Media that match would do."""
    if as_json:
        plan = {"dry_run": True, "matches": total, "seconds": total / per_second, "query": query.model_dump(mode="json")}
        typer.echo(orjson.dumps(plan).decode())
        return
    at_most = "at most " if STATED_NOWHERE in query.modality else ""
    typer.echo(
        f"{at_most}{total} Media match; at {per_second:g} a second that takes {long(total / per_second)}, longer while others go first."
    )
    typer.echo(f"Looked for: {_words(query)}")
    typer.echo("Nothing was announced. Run it again with --yes to do it.")


def tell(backfill: Backfill, as_json: bool) -> None:
    """All there is to say of one."""
    if as_json:
        typer.echo(orjson.dumps(_row(backfill)).decode())
        return
    skipped = ", ".join(f"{count} {reason}" for reason, count in sorted(backfill.skipped.items())) or "none"
    lines = {
        "backfill": backfill.id,
        "state": backfill.state + (f": {backfill.note}" if backfill.note else ""),
        "looks for": _words(backfill.query),
        "announced": f"{backfill.announced} of {backfill.total} Media that matched at its start",
        "skipped": skipped,
        "a second": f"{backfill.per_second:g}",
        "started": seconds(backfill.started_at),
        "last step": seconds(backfill.updated_at),
    }
    out = console()
    for name, value in lines.items():
        out.print(Text(f"{name:<10} {value}"), soft_wrap=True)


def tell_all(found: Sequence[Backfill], as_json: bool) -> None:
    """A line for each."""
    if as_json:
        for each in found:
            typer.echo(orjson.dumps(_row(each)).decode())
    elif found:
        _print_table(found)
    else:
        typer.echo("There is no backfill.")


def _print_table(found: Sequence[Backfill]) -> None:
    heading = ("ID", "STATE", "READ", "OF", "ANNOUNCED", "STARTED", "LOOKS FOR")
    rows = [
        [each.id, each.state, str(each.seen), str(each.total), str(each.announced), seconds(each.started_at), _words(each.query)]
        for each in found
    ]
    print_columns(console(), heading, rows, [_STYLES[each.state] for each in found])


def _row(backfill: Backfill) -> dict[str, Any]:
    return backfill.model_dump(mode="json", exclude_none=True)


def _words(query: Query) -> str:
    created = f"created {query.created_from or '...'} to {query.created_to or '...'}" if query.created_from or query.created_to else ""
    site = f"site={query.site}" if query.site else ""
    modality = f"modality={','.join(query.modality) or ANY_MODALITY}"
    return plain(", ".join(part for part in (created, site, *query.where, modality) if part))


def long(seconds_: float) -> str:
    """A length of time in the unit that a person would take."""
    for unit, length in (("days", 172_800), ("hours", 7_200), ("minutes", 120)):
        if seconds_ >= length:
            return f"{seconds_ / (length / 2):.1f} {unit}"
    return f"{seconds_:.0f} seconds"
