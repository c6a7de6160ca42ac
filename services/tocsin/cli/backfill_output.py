"""Prints the answers of `tocsin backfill`: text for a person, or JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
import typer

from tocsin.archive.types import STATED_NOWHERE, Backfill, Query
from tocsin.deadletter.disputes import ADVICE, told
from tocsin.terminal import console, plain, print_columns, print_words, say, seconds

ANY_MODALITY: Final = "any"
_STYLES: Final = {"running": "green", "paused": "yellow", "done": "", "cancelled": "dim"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a backfill would do."""

    query: Query
    total: int
    """Media that match."""
    per_second: float
    disputed: Mapping[str, str]
    """Media that are left out where they match, each with the id of its dead letter."""


def tell_plan(plan: Plan, as_json: bool) -> None:
    """Print what the backfill would do, and that nothing was done."""
    takes_s = plan.total / plan.per_second
    if as_json:
        row = {"dry_run": True, "matches": plan.total, "seconds": takes_s, "query": plan.query.model_dump(mode="json")}
        typer.echo(orjson.dumps({**row, "disputed": sorted(plan.disputed)}).decode())
        return
    out = console()
    at_most = "at most " if STATED_NOWHERE in plan.query.modality else ""
    print_words(
        out,
        f"{at_most}{plan.total} Media match; at {plan.per_second:g} a second that takes {long(takes_s)}, longer while live events wait.",
    )
    print_words(out, f"Looked for: {_words(plan.query)}")
    say_disputed(plan.disputed)
    print_words(out, "Nothing was announced. Run it again with --yes to do it.")


def say_disputed(disputed: Mapping[str, str]) -> None:
    """Say on standard error which Media are left out as disputed, where there are any."""
    if disputed:
        say(
            f"{len(disputed)} Media are left out where they match, as an open dead letter doubts whose pictures they are: "
            f"{told(disputed)}. {ADVICE}"
        )


def tell(backfill: Backfill, as_json: bool) -> None:
    """Print all there is to say of one backfill."""
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
        print_words(out, value, first=f"{name:<10} ", indent=11)


def tell_all(found: Sequence[Backfill], as_json: bool) -> None:
    """Print a line for each backfill."""
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
    """A length of time in the unit that a person would take; `seconds_` in seconds."""
    for unit, length in (("days", 172_800), ("hours", 7_200), ("minutes", 120)):
        if seconds_ >= length:
            return f"{seconds_ / (length / 2):.1f} {unit}"
    return f"{seconds_:.0f} seconds"
