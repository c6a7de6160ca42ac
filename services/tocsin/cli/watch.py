"""tocsin watch: tells how the model did in a month."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from tocsin.cli.language import Language
from tocsin.clock import utc_now
from tocsin.settings import read_settings
from tocsin.telemetry.log import set_up_logs
from tocsin.terminal import console, print_line, progress

app = typer.Typer(name="watch", no_args_is_help=True, add_completion=False)

Wanted = Annotated[str | None, typer.Option("--month", metavar="YYYY-MM", help="A month that is over, in UTC; unset: the last.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", file_okay=False, help="Folder for the report; unset: TOCSIN_WATCH__REPORT_FOLDER.")
]
Tongue = Annotated[Language | None, typer.Option("--language", help="Language of the report; unset: TOCSIN_REPORT__LANGUAGE.")]
AsJson = Annotated[bool, typer.Option("--json", help="A JSON object with the main figures and the files, as the last line.")]


@app.callback()
def _watch() -> None:
    """Tell how the model did in a calendar month, by what the bus holds: monitoring, and no validation."""


@app.command("report")
def report(month: Wanted = None, out: Out = None, language: Tongue = None, as_json: AsJson = False) -> None:
    """Make the report of a calendar month: volumes, how alarms stood at its end, answers of clinicians, and figures by the labels so far.

    It is made of flags and outcomes of the bus, and asks the FHIR server for devices and body sites of labelled pictures. Labels go on
    coming: the report of the same month, made again, says more, and takes the place of the one before. It is monitoring and no validation
    for going live, and says so; what it cannot show, such as pictures whose flags the bus no longer holds, stands first.

    `tocsin work` makes the same by itself from TOCSIN_WATCH__REPORT_DAY on, where TOCSIN_WATCH__REPORT_FOLDER is set.

    Example:

    tocsin watch report --month 2026-10 --out /srv/reports

    Exit codes: 0 made; 2 the options make no sense; 75 Kafka is away; 76 a topic is missing; 78 a setting, the card or the baseline is
    wrong, or the folder cannot be written.
    """
    from tocsin.bootstrap.monthly import made  # scipy and what draws the report take a second to load
    from tocsin.learning.monthly.month import Month

    settings, now = read_settings(), utc_now()
    set_up_logs(settings.log.model_copy(update={"level": "warning"}))
    last = Month.before(now)
    try:
        wanted = last if month is None else Month.of(month)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--month") from None
    if wanted > last:
        raise typer.BadParameter(f"{wanted} is not over; the last that is, is {last}", param_hint="--month")
    folder = out or settings.watch.report_folder
    if folder is None:
        raise typer.BadParameter("name a folder: TOCSIN_WATCH__REPORT_FOLDER is not set", param_hint="--out")
    with progress().step(f"making the report of {wanted}"):
        found, files = made(settings, wanted, folder, now, language)
    said: dict[str, Any] = {
        "month": found.month,
        "pictures": found.volumes.pictures,
        "flagged": found.volumes.flagged,
        "not_assessable": sum(found.volumes.not_assessable.values()),
        "alarms": sorted({each.signal for each in found.looks if each.state == "alarm"}),
        "labelled": found.evaluation.flow.labelled,
        "malignant": found.evaluation.reference.malignant,
    }
    if as_json:
        print(orjson.dumps(said | {kind: str(path.resolve()) for kind, path in files.items()}).decode(), flush=True)
        return
    for name, value in said.items():
        print_line(console(), f"{name.replace('_', ' ')}: {', '.join(value) or 'none' if isinstance(value, list) else value}")
    for path in files.values():
        print_line(console(), str(path.resolve()))
