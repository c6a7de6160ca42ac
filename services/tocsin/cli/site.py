"""tocsin site: registers, promotes and rolls back site files, and tells what is in use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer
from pydantic import TypeAdapter, ValidationError

from tocsin.clock import utc_now
from tocsin.model_card import ModelCard, read_card
from tocsin.settings import read_settings
from tocsin.site.file import fits
from tocsin.site.folder import ACTIVE, SiteFolder
from tocsin.site.protocol import read_protocol
from tocsin.site.record import By as Person
from tocsin.site.record import Decision, Finding, Record, user
from tocsin.telemetry.log import quiet_libraries
from tocsin.terminal import console, plain, print_columns, print_line, print_words, seconds

REFUSED: Final = 1
_BY: Final = TypeAdapter(Person)


def _by(text: str) -> str:
    try:
        return _BY.validate_python(text)
    except ValidationError:
        raise typer.BadParameter("1 to 100 characters that can be printed, for example a name or a staff id") from None


Folder = Annotated[Path, typer.Argument(metavar="DIR", file_okay=False, help="Folder of the site; made where it is missing.")]
Known = Annotated[Path, typer.Argument(metavar="DIR", file_okay=False, exists=True, help="Folder of the site.")]
ProtocolFile = Annotated[
    Path, typer.Argument(metavar="PROTOCOL", dir_okay=False, exists=True, help="The protocol, YAML; one word changed makes another.")
]
Candidate = Annotated[Path, typer.Argument(metavar="SITE.yaml", dir_okay=False, exists=True, help="What `tocsin calibrate` wrote.")]
Under = Annotated[Path, typer.Option("--protocol", metavar="FILE", dir_okay=False, exists=True, help="The protocol that was registered.")]
Later = Annotated[Path, typer.Option("--scores", metavar="FILE", dir_okay=False, exists=True, help="File of scores with the later labels.")]
Fitted = Annotated[
    Path, typer.Option("--fitted", metavar="FILE", dir_okay=False, exists=True, help="File of scores to which the site file was fitted.")
]
Card = Annotated[Path | None, typer.Option("--card", metavar="FILE", dir_okay=False, help="The model card; unset: TOCSIN_MODEL__CARD.")]
By = Annotated[
    str | None, typer.Option("--by", metavar="WHO", parser=_by, help="Who decides; unset: the operating system's user.", show_default=False)
]
To = Annotated[
    int | None,
    typer.Option("--to", metavar="VERSION", min=0, help="This version; 0: none, the card alone. Unset: the one in use before."),
]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why, for the record; at most 500 characters, no patient.")]
Head = Annotated[str | None, typer.Option("--head", metavar="SHA256", help="A head that was noted elsewhere and must still be there.")]
AsJson = Annotated[bool, typer.Option("--json", help="A JSON object as the last line.")]

app = typer.Typer(name="site", no_args_is_help=True, add_completion=False)


@app.callback()
def _root() -> None:
    """Register, promote and roll back site files, and tell what is in use and who decided it.

    A site's files lie in a folder of its own: versions that never change, active.yaml (which TOCSIN_MODEL__SITE_FILE names), the protocols,
    and the decision record, in which each line holds the hash of the one before.
    """


@app.command()
def register(folder: Folder, protocol: ProtocolFile, by: By = None, as_json: AsJson = False) -> None:
    """Note the bounds that a site file will have to meet, before there are the labels that it is held against.

    Labels count from the day after. The folder keeps a copy of the protocol; registering the same again changes nothing.

    Example:

    tocsin site register /srv/tocsin/site protocol.yaml --by "head of dermatology"

    Exit codes: 0 registered; 2 the options make no sense; 78 the protocol or the folder is wrong, and the message says how.
    """
    from tocsin.learning.promote import register as note  # numpy and scipy, which `show` and `check` do without

    quiet_libraries()
    site = SiteFolder(folder)
    decision = note(site, read_protocol(protocol), by or user(), utc_now().astimezone())
    print_words(console(), f"Protocol {decision.protocol_sha256} was registered on {seconds(decision.at)}: labels of later days count.")
    _end(site, decision, as_json)


@app.command()
def promote(
    folder: Folder,
    candidate: Candidate,
    protocol: Under,
    scores: Later,
    fitted: Fitted,
    card: Card = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Hold a site file against later labels of other patients, and use it where every bound of the protocol is met.

    Each bound is told with its figure, over all pictures and in each listed group. The record says what came of it either way, and a
    protocol bears no more attempts than it says.

    Example:

    tocsin site promote /srv/tocsin/site dermatology.yaml --protocol protocol.yaml --scores later.jsonl --fitted scores.jsonl

    Exit codes: 0 promoted; 1 refused, and said why; 2 the options make no sense; 78 a file, the folder, the card or a setting is wrong:
    nothing was decided unless the message says so.
    """
    from tocsin.learning.promote import Attempt
    from tocsin.learning.promote import promote as decide

    quiet_libraries()
    site = SiteFolder(folder)
    attempt = Attempt(candidate, read_protocol(protocol), scores, fitted, _card(card), by or user(), utc_now().astimezone())
    outcome = decide(site, attempt)
    out = console()
    for obstacle in outcome.obstacles:
        print_words(out, plain(obstacle), first="refused  ", indent=9)
    _tell(outcome.findings)
    print_words(out, _in_words(outcome.decision))
    _end(site, outcome.decision, as_json)
    if not outcome.promoted:
        raise typer.Exit(REFUSED)


@app.command()
def rollback(folder: Known, to: To = None, reason: Reason = None, card: Card = None, by: By = None, as_json: AsJson = False) -> None:
    """Use the site file again that was in use before the present one was promoted, or another that was promoted.

    Example:

    tocsin site rollback /srv/tocsin/site --reason "misses at the new clinic"

    Exit codes: 0 rolled back; 2 the options make no sense; 78 there is nothing to go back to, or a file or the folder is wrong.
    """
    from tocsin.learning.promote import roll_back

    quiet_libraries()
    if reason is not None and len(reason) > 500:
        raise typer.BadParameter("at most 500 characters", param_hint="--reason")
    site = SiteFolder(folder)
    decision = roll_back(site, to, reason, by or user(), utc_now().astimezone(), _card(card))
    print_words(console(), _in_words(decision))
    _end(site, decision, as_json)


@app.command()
def show(folder: Known, as_json: AsJson = False) -> None:
    """Tell which site file is in use, and every decision that led there, the newest last.

    Example:

    tocsin site show /srv/tocsin/site

    Exit codes: 0 told; 2 there is no such folder; 78 the decision record was changed.
    """
    quiet_libraries()
    record = SiteFolder(folder).record()
    if as_json:
        told = [each.model_dump(mode="json", exclude_none=True) for each in record]
        typer.echo(orjson.dumps({**_used(record), "decisions": told, "head": record.head}).decode())
        return
    heading = ("when", "what", "version", "by", "protocol", "bounds met", "why")
    print_columns(console(), heading, [_row(each) for each in record], ["" for _ in record])
    print_words(console(), f"In use: {_name(record.in_use)}. Head of the record: {record.head}")


@app.command()
def check(folder: Known, head: Head = None, card: Card = None, as_json: AsJson = False) -> None:
    """Tell whether everything is as the decision record says: its own lines, the versions, the protocols, the file in use.

    Only a head that was noted elsewhere shows whether the record was written anew as a whole, or its end cut off.

    Example:

    tocsin site check /srv/tocsin/site --head 3f0c6a1d...

    Exit codes: 0 all is as it should be; 1 it is not, and said what; 2 there is no such folder; 78 the record was changed, or a setting is
    wrong.
    """
    quiet_libraries()
    site = SiteFolder(folder)
    problems, record = site.problems(), site.record()
    if head is not None and head.lower() not in {each.sha256 for each in record}:
        problems.append("the record never had that head: it was written anew, or its end was cut off")
    if not problems and (active := site.active()) is not None:
        problems += fits(_card(card), active)
    if as_json:
        typer.echo(orjson.dumps({**_used(record), "problems": problems, "head": record.head}).decode())
    else:
        for each in problems or [f"all is as the record says; in use: {_name(record.in_use)}; head {record.head}"]:
            print_words(console(), plain(each))
    if problems:
        raise typer.Exit(REFUSED)


def _card(named: Path | None) -> ModelCard:
    return read_card(named or read_settings().model.card)


def _tell(findings: Sequence[Finding]) -> None:
    out = console()
    for each in findings:
        mark, style = ("met", "green") if each.met else ("NOT MET", "bold red")
        print_line(out, plain(f"{mark:<8} {each.bound}: {each.wanted}. {each.told}"), style)


def _in_words(decision: Decision) -> str:
    raised = f"{ACTIVE} changed: raise TOCSIN_REPORT__EDITION and start every process anew."
    if decision.what == "promoted":
        return f"{_name(decision)} is in use. {raised}"
    if decision.what == "rolled-back" and decision.version is None:
        return "No site file is in use: unset TOCSIN_MODEL__SITE_FILE, raise TOCSIN_REPORT__EDITION and start every process anew."
    if decision.what == "rolled-back":
        return f"{_name(decision)} is in use again. {raised}"
    return "Refused; what was in use stays in use."


def _end(site: SiteFolder, decision: Decision, as_json: bool) -> None:
    record = site.record()
    if as_json:
        said = decision.model_dump(mode="json", exclude_none=True)
        typer.echo(orjson.dumps({**said, **_kept(site, decision), "in_use": _used(record)["in_use"], "head": record.head}).decode())
    else:
        print_words(console(), f"Decision {decision.number}, noted for {plain(decision.by)}; head of the record: {record.head}")


def _kept(site: SiteFolder, decision: Decision) -> dict[str, str]:
    """Where the files lie that carried a promotion."""
    if decision.what != "promoted" or decision.version is None:
        return {}
    named = decision.site, decision.version
    return {"report": str(site.report(*named).resolve()), "go_live": str(site.go_live(*named).resolve())}


def _used(record: Record) -> dict[str, Any]:
    now = record.in_use
    if now is None or now.version is None:
        return {"in_use": None}
    return {"in_use": {"site": now.site, "version": now.version, "sha256": now.site_file_sha256}}


def _name(decision: Decision | None) -> str:
    return "the card alone" if decision is None or decision.version is None else f"version {decision.version} of {decision.site}"


def _row(each: Decision) -> tuple[str, ...]:
    met = f"{sum(found.met for found in each.findings)} of {len(each.findings)}" if each.findings else ""
    version = "" if each.version is None else str(each.version)
    return seconds(each.at), each.what, version, plain(each.by), (each.protocol_sha256 or "")[:12], met, plain(each.reason or "")
