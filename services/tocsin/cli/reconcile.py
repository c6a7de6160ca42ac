"""tocsin reconcile: compares the record with what Tocsin announced, further back than `tocsin work` does by itself."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

import orjson
import typer
from rich.console import Console

from tocsin.archive.reconcile.gaps import Gaps
from tocsin.bootstrap import work as bootstrap
from tocsin.cli.dead_letter_options import when
from tocsin.clock import utc_now
from tocsin.deadletter.disputes import ADVICE
from tocsin.settings import read_settings
from tocsin.telemetry.log import quiet_libraries
from tocsin.terminal import console, plain, print_line, print_words, progress, seconds

SHOWN_MAX: Final = 20
"""Most references shown of each kind; --json has all."""


Since = Annotated[
    datetime,
    typer.Option(
        "--since",
        metavar="WHEN",
        parser=when,
        help="From when on, as 90m, 2h, 3d or 1w ago, or an ISO date or time (UTC unless it says otherwise).",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Announce the pictures of the gaps again; without --yes, only list the gaps.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


def reconcile(since: Since, yes: Yes = False, as_json: AsJson = False) -> None:
    """Find pictures without an ending, reports without a flag, and flags without a report; with --yes, announce their pictures again.

    `tocsin work` does so by itself for what is younger than TOCSIN_RECONCILE__WINDOW_S. This is for what is older: a backup of the FHIR
    server or of Kafka was restored, a topic was lost, an interface was silent for days. A picture whose report stands gets its flag
    again; another is judged. Only completed Media of the modality that the model accepts are looked for; what was changed within
    TOCSIN_RECONCILE__GRACE_S is left alone. Go back no further than the flag topic keeps its flags (30 days), or reports that are older
    seem to lack theirs. A flag that says another status than the report counts as none: a clinician has acted since.

    Example: after the FHIR server was restored from the backup of Monday night:

    tocsin reconcile --since 2026-03-02 --yes

    Exit codes: 0 compared, whatever was found; 1 the FHIR server refuses the search; 2 the options make no sense; 75 a neighbour is away
    (what was announced by then stays so; run it again); 76 a topic is missing; 78 a setting or the model card is wrong.
    """
    quiet_libraries()
    now = utc_now()
    if since > now:
        raise typer.BadParameter(f"{seconds(since)} is yet to come", param_hint="--since")
    compared = _compared(since, now, announcements_max=sys.maxsize if yes else 0)
    if as_json:
        typer.echo(orjson.dumps(_row(compared, dry=not yes)).decode())
    else:
        _tell(compared, dry=not yes)


@dataclass(frozen=True, slots=True)
class Compared:
    """The span of time that was compared (aware), and the gaps found in it."""

    since: datetime
    until: datetime
    found: Gaps
    left: int
    """Pictures that are to be announced again and were not."""


def _compared(since: datetime, now: datetime, announcements_max: int) -> Compared:
    found, until, left, total_s = Gaps(), since, 0, int((now - since).total_seconds())
    with bootstrap.reconciler(read_settings()) as reconciler, progress().step("comparing", total=total_s) as step:
        for each in reconciler.compare(since, now, announcements_max):
            found, left = found.and_also(each.gaps), left + each.gaps.left
            step.advance(int((each.until - until).total_seconds()))
            until = each.until
    return Compared(since, until, found, left)


def _kinds(found: Gaps) -> dict[str, tuple[str, ...]]:
    return {
        "images_without_ending": found.images_without_ending,
        "reports_without_flag": found.reports_without_flag,
        "flags_without_report": found.flags_without_report,
    }


def _row(compared: Compared, *, dry: bool) -> dict[str, object]:
    found = compared.found
    done = {"would_announce": compared.left} if dry else {"announced": found.announced}
    times = {"since": seconds(compared.since), "until": seconds(compared.until)}
    return {"dry_run": dry, **times, "found": found.found, **done, "behind_s": found.behind_s, **_kinds(found), "disputed": found.disputed}


def _tell(compared: Compared, *, dry: bool) -> None:
    found, out = compared.found, console()
    print_words(out, f"Compared {seconds(compared.since)} to {seconds(compared.until)}.")
    for kind, references in _kinds(found).items():
        print_words(out, f"{len(references):>8} {kind.replace('_', ' ')}")
        _tell_some(out, references)
    if found.disputed:
        print_words(out, f"{len(found.disputed):>8} Media left out: an open dead letter doubts whose pictures they are. {ADVICE}", indent=9)
        _tell_some(out, found.disputed)
    if found.behind_s:
        print_words(out, f"The consumers are behind by {found.behind_s:.0f} s: pictures that still wait for them are not counted as gaps.")
    if dry:
        print_words(
            out, f"{compared.left} would be announced again. Nothing was announced; run it again with --yes to mend what was found."
        )
    else:
        print_words(out, f"{found.announced} announced again.")


def _tell_some(out: Console, references: Sequence[str]) -> None:
    for each in references[:SHOWN_MAX]:
        print_line(out, f"         {plain(each)}")
    if len(references) > SHOWN_MAX:
        print_line(out, "         ... (--json has all)")
