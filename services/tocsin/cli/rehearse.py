"""tocsin rehearse: tries the whole way from an event to its flag on a picture that the site names, and takes the report back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

import orjson
import typer

from tocsin.bootstrap import rehearse as bootstrap
from tocsin.fhir.datatypes import FHIR_ID, as_instant
from tocsin.rehearsal.rehearser import Rehearser
from tocsin.rehearsal.types import Ending, Rehearsed
from tocsin.report.types import StoredReport
from tocsin.settings import read_settings
from tocsin.telemetry.log import quiet_libraries
from tocsin.terminal import console, print_columns, print_words, progress, say

FAILED: Final = 1

WORDS: Final = {
    Ending.TAKEN_BACK: "The whole way works. The report and its parts are entered in error again, and a last flag says so.",
    Ending.IN_EARNEST: "The picture's report is in earnest, by this installation and not by this rehearsal. It stays as it is, and nothing "
    "was judged for the rehearsal. Name a picture without one; or, where there was none before, a `tocsin consume` that knows nothing of "
    "rehearsals has judged it: upgrade that one, and enter the report in error.",
    Ending.ACTED_UPON: "Somebody has acted on the rehearsal's report or on a part of it, so that Tocsin leaves it as it is. Set what is "
    "left of it to entered-in-error.",
    Ending.REFUSED: "The event became a dead letter; nothing was reported.",
    Ending.SILENT: "Neither a flag nor a dead letter came in time. See what `tocsin consume` waits for (GET /ready, tocsin top). Once it "
    "has judged the event after all, the next rehearsal takes the report back, and so does tocsin rehearse --withdraw.",
}


def _reference(kind: str, text: str) -> str:
    if re.fullmatch(rf"{kind}/{FHIR_ID}", text) is None:
        raise typer.BadParameter(f"{text!r} is not like {kind}/<id>")
    return text


def _media(text: str) -> str:
    return _reference("Media", text)


def _subject(text: str) -> str:
    return _reference("Patient", text)


Media = Annotated[str, typer.Option("--media", metavar="Media/ID", parser=_media, help="The picture to rehearse on.")]
Subject = Annotated[str | None, typer.Option("--subject", metavar="Patient/ID", parser=_subject, help="Whose picture it is.")]
Within = Annotated[float, typer.Option("--within", metavar="SECONDS", min=1, max=3600, help="Longest wait for the flag.")]
Beside = Annotated[bool, typer.Option("--beside", help="Also where the picture's report is in earnest; that report stays as it is.")]
Withdraw = Annotated[bool, typer.Option("--withdraw", help="Only take back what earlier rehearsals left on the picture.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")]


def rehearse(
    media: Media,
    subject: Subject = None,
    within: Within = 120.0,
    beside: Beside = False,
    withdraw: Withdraw = False,
    as_json: AsJson = False,
) -> None:
    """Try the whole way from an event to its flag on one picture that you name, and take the report back.

    It publishes an imaging event (source urn:tocsin:rehearsal), waits for its flag, looks at the report, enters that in error with all
    its parts, with a Provenance that says it was a rehearsal, and sends a last flag with the status entered-in-error. A running `tocsin
    consume` does the rest: Kafka, the FHIR server and Triton are all asked as for a patient's own event.

    For some seconds a preliminary report stands in the record. Name a Media of a test patient, with the status in-progress: the backfill
    and the reconciliation announce completed ones only, so that no report in earnest is ever made of it. Where this installation has such
    a report on the Media, nothing is published, unless --beside is given: then the event is recognised, and the report stays as it is.

    Killed at any moment, it leaves at most a preliminary report that says whose rehearsal it is. The next rehearsal takes it back, and so
    does --withdraw. A patient's own event on the same picture writes over it.

    Examples:

    tocsin rehearse --media Media/rehearsal --subject Patient/rehearsal

    tocsin rehearse --media Media/rehearsal --withdraw

    Exit codes: 0 it works, or all is taken back; 1 it does not, or a report must be looked at; 2 the options make no sense; 75 a neighbour
    is away (run it again); 76 a topic is missing or the broker refuses; 78 a setting or the model card is wrong.
    """
    quiet_libraries()
    if withdraw == (subject is not None):
        raise typer.BadParameter("give it to rehearse, and leave it out with --withdraw", param_hint="--subject")
    with bootstrap.rehearser(read_settings()) as rehearser:
        done = _withdrawn(rehearser, media, as_json) if subject is None else _rehearsed(rehearser, media, subject, within, beside, as_json)
    if not done:
        raise typer.Exit(FAILED)


def _withdrawn(rehearser: Rehearser, media: str, as_json: bool) -> bool:
    """Whether nothing of earlier rehearsals is left on the Media."""
    found = rehearser.take_back(media)
    if as_json:
        typer.echo(orjson.dumps({"media": media, "reports": [_report_row(each) for each in found]}).decode())
    else:
        _tell_reports(found)
    return all(each.taken_back for each in found)


def _rehearsed(rehearser: Rehearser, media: str, subject: str, within_s: float, beside: bool, as_json: bool) -> bool:
    """Whether the whole way works."""
    known = rehearser.in_earnest(media)
    if known and not beside:
        names = ", ".join(each.reference for each in known)
        say(f"{media} has a report in earnest ({names}). Nothing was published; name another Media, or give --beside")
        return False
    with progress().step(f"rehearsing on {media}"):
        done = rehearser.rehearse(media, subject, within_s)
    if as_json:
        typer.echo(orjson.dumps(_row(done)).decode())
    else:
        _tell(done)
    return done.ending is Ending.TAKEN_BACK or (done.ending is Ending.IN_EARNEST and bool(known))


def _times(done: Rehearsed) -> list[tuple[str, datetime]]:
    """What was seen of the journey, in its order, each with its time (aware)."""
    found = [
        ("published", done.event.occurred_at),
        ("reported", None if done.report is None else done.report.issued),
        ("flagged", None if done.flag is None else done.flag.announced_at),
        ("refused", None if done.letter is None else done.letter.dead.last_failed_at),
        ("taken-back", done.ended),
    ]
    return [(what, at) for what, at in found if at is not None]


def _report_row(report: StoredReport) -> dict[str, object]:
    return {"report": report.reference, "status": report.status, "taken_back": report.taken_back}


def _row(done: Rehearsed) -> dict[str, object]:
    flag, report, letter = done.flag, done.report, done.letter
    return {
        "ending": done.ending.value,
        "event": done.event.id,
        "media": done.event.media,
        "times": {what: as_instant(at) for what, at in _times(done)},
        "report": None if flag is None else flag.report,
        "status": None if report is None else report.status,
        "outcome": None if flag is None else flag.band or flag.reason,
        "model": None if flag is None else f"{flag.model.name} {flag.model.version}",
        "trace_id": None if report is None or report.mark is None else report.mark.trace_id,
        "dead_letter": None if letter is None else letter.id,
        "reason": None if letter is None else letter.dead.reason,
    }


def _tell(done: Rehearsed) -> None:
    out, began = console(), done.event.occurred_at
    rows = [(what, as_instant(at), f"{(at - began).total_seconds():.2f}") for what, at in _times(done)]
    print_columns(out, ("STEP", "AT", "SECONDS"), rows, [""] * len(rows))
    said = {name: value for name, value in _row(done).items() if value is not None and name not in ("ending", "media", "times")}
    for name, value in said.items():
        print_words(out, f"{name.replace('_', ' ')}: {value}")
    print_words(out, f"{done.ending.value}: {WORDS[done.ending]}")
    if done.letter is not None:
        print_words(out, f"What to do says: tocsin dead-letters --show {done.letter.id}")


def _tell_reports(found: Sequence[StoredReport]) -> None:
    out = console()
    if not found:
        print_words(out, "No rehearsal's report stands on it.")
        return
    rows = [(each.reference, each.status, "yes" if each.taken_back else "no: somebody has acted on it") for each in found]
    print_columns(out, ("REPORT", "STATUS", "TAKEN BACK"), rows, [""] * len(rows))
