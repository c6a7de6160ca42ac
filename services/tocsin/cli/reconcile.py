"""tocsin reconcile: compare the record with what Tocsin announced, further back than `tocsin work` does by itself."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated, Final

import orjson
import typer

from tocsin import bootstrap
from tocsin.cli.letters import moment, plain, progress, seconds
from tocsin.event.deadletter import utc_now
from tocsin.settings import read_settings
from tocsin.telemetry.log import quiet_libraries
from tocsin.worker.gaps import Findings

SHOWN_MAX: Final = 20
"""References shown of each kind; --json has all."""


def _when(text: str) -> datetime:
    return moment(text, utc_now())


Since = Annotated[
    datetime,
    typer.Option(
        "--since",
        metavar="WHEN",
        parser=_when,
        help="From when on, as 90m, 2h, 3d or 1w ago, or an ISO date or time (UTC unless it says otherwise).",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Mend what is found. Without it, it is only said.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


def reconcile(since: Since, yes: Yes = False, as_json: AsJson = False) -> None:
    """Find pictures without an ending, reports without a flag, and flags without a report; with --yes, announce their pictures again.

    `tocsin work` does so by itself for what is younger than TOCSIN_RECONCILE__WINDOW_S. This is for what is older: a backup of the FHIR
    server or of Kafka was restored, a topic was lost, an interface was silent for days. A picture whose report stands gets its flag
    again; another is judged. Only completed Media of the modality that the model accepts are looked for; what was changed within
    TOCSIN_RECONCILE__GRACE_S is left alone. Go back no further than the flag topic keeps its flags (30 days), or reports that are older
    seem to lack theirs.

    Example: after the FHIR server was restored from the backup of Monday night:

    tocsin reconcile --since 2026-03-02 --yes

    Exit codes: 0 compared, whatever was found; 1 the FHIR server refuses the search; 2 the options make no sense; 75 a neighbour is away
    (what was announced by then stays so; run it again); 76 a topic is missing; 78 a setting or the model card is wrong.
    """
    quiet_libraries()
    now = utc_now()
    if since > now:
        raise typer.BadParameter(f"{seconds(since)} is yet to come", param_hint="--since")
    found, until = _compared(since, now, announcements_max=sys.maxsize if yes else 0)
    if as_json:
        typer.echo(orjson.dumps(_row(found, since, until, dry=not yes)).decode())
    else:
        _tell(found, since, until, dry=not yes)


def _compared(since: datetime, now: datetime, announcements_max: int) -> tuple[Findings, datetime]:
    found, until, total_s = Findings(), since, int((now - since).total_seconds())
    with bootstrap.reconciler(read_settings()) as reconciler, progress().step("comparing", total=total_s) as step:
        for each in reconciler.compare(since, now, announcements_max):
            found = found.and_also(each.findings)
            step.advance(int((each.until - until).total_seconds()))
            until = each.until
    return found, until


def _kinds(found: Findings) -> dict[str, tuple[str, ...]]:
    return {
        "images_without_ending": found.images_without_ending,
        "reports_without_flag": found.reports_without_flag,
        "flags_without_report": found.flags_without_report,
    }


def _row(found: Findings, since: datetime, until: datetime, *, dry: bool) -> dict[str, object]:
    times = {"since": seconds(since), "until": seconds(until)}
    return {"dry_run": dry, **times, "found": found.found, "announced": found.announced, "behind_s": found.behind_s, **_kinds(found)}


def _tell(found: Findings, since: datetime, until: datetime, *, dry: bool) -> None:
    typer.echo(f"Compared {seconds(since)} to {seconds(until)}.")
    for kind, references in _kinds(found).items():
        typer.echo(f"{len(references):>8} {kind.replace('_', ' ')}")
        for each in references[:SHOWN_MAX]:
            typer.echo(f"         {plain(each)}")
        if len(references) > SHOWN_MAX:
            typer.echo("         ... (--json has all)")
    if found.behind_s:
        typer.echo(f"The consumers are behind by {found.behind_s:.0f} s: what they have not come to is no gap yet.")
    if dry:
        typer.echo("Nothing was announced. Run it again with --yes to mend what was found.")
    else:
        typer.echo(f"{found.announced} announced again.")
