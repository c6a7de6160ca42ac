"""tocsin verdicts: lists what clinicians did with reports, and whether the record has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Annotated, Any

import orjson
import typer

from tocsin.bootstrap.bus import topic_reader
from tocsin.cli.dead_letter_options import nearest, when
from tocsin.clock import utc_now
from tocsin.review.ledger import Entry, entries
from tocsin.review.types import State
from tocsin.settings import read_settings
from tocsin.telemetry.log import quiet_libraries
from tocsin.terminal import console, plain, print_line, print_words, progress, seconds

STATES = tuple(each.value for each in State)
AGO = timedelta(days=7)


def _state(text: str) -> str:
    if text not in STATES:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(STATES)}{nearest(text, STATES)}")
    return text


def _report(text: str) -> str:
    return text if text.startswith("DiagnosticReport/") else f"DiagnosticReport/{text}"


Report = Annotated[str | None, typer.Option("--report", metavar="ID", parser=_report, help="Only verdicts on this DiagnosticReport.")]
States = Annotated[
    list[str] | None,
    typer.Option("--state", metavar="STATE", parser=_state, help=f"Only these: {', '.join(STATES)}; repeat for more."),
]
Since = Annotated[
    datetime | None,
    typer.Option("--since", metavar="WHEN", parser=when, help="Only those since, as 90m, 2h, 3d or 1w ago, or an ISO date; default 7d."),
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Most verdicts shown, the newest.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line instead of a table.")]


def verdicts(report: Report = None, state: States = None, since: Since = None, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List what clinicians did with reports, and whether the record has it. The newest comes last.

    `recorded`: it is in the record. `waiting`: the bus has it and the record does not yet; `tocsin work` tries again. `overtaken`: the
    report was changed after the clinician had read it, and the clinician decides again. `refused`: the reason says why; of
    `fhir-rejected` the FHIR server's codes are in the log, and it is tried once an hour. Clinicians are named by reference alone.

    Examples, the first for whoever was woken by an alert:

    tocsin verdicts --state waiting --state refused

    tocsin verdicts --report 5d3b0c3e-7c1a-5f0e-9a44-1d2f3c4b5a69 --since 30d

    Exit codes: 0 listed, also where there are none; 2 the options make no sense; 75 Kafka is away; 76 the topic is missing; 78 a setting is
    wrong.
    """
    quiet_libraries()
    settings = read_settings()
    topic, begin = settings.kafka.topic_verdicts, since or utc_now() - AGO
    with closing(topic_reader(settings.kafka)) as reader, progress().step(f"reading {topic}"):
        found = [each for each in entries(reader, topic, begin) if _is_wanted(each, report, state)]
    found.sort(key=lambda each: each.verdict.decided_at)
    if as_json:
        for each in found[-limit:]:
            typer.echo(orjson.dumps(row(each)).decode())
    else:
        _tell(found, limit)


def _is_wanted(entry: Entry, report: str | None, states: Sequence[str] | None) -> bool:
    return (report is None or entry.verdict.report == report) and (not states or entry.state.value in states)


def row(entry: Entry) -> dict[str, Any]:
    """What is told of a verdict: references, codes and times (UTC)."""
    verdict, standing = entry.verdict, entry.standing
    return {
        "id": verdict.id,
        "report": verdict.report,
        "act": verdict.act.value,
        "code": verdict.code,
        "undoes": verdict.undoes,
        "state": entry.state.value,
        "reason": None if standing is None else standing.reason,
        "report_status": None if standing is None else standing.report_status,
        "clinician": verdict.clinician,
        "surface": verdict.surface.value,
        "decided_at": seconds(verdict.decided_at),
        "said_at": None if standing is None else seconds(standing.at),
    }


def _tell(found: Sequence[Entry], limit: int) -> None:
    out = console()
    for each in found[-limit:]:
        told = row(each)
        why = f" ({told['reason']})" if told["reason"] else ""
        act = told["act"] if told["code"] is None else f"{told['act']}: {told['code']}"
        print_line(out, plain(f"{told['decided_at']}  {told['state'] + why:<28}  {act:<36}  {told['report']}  {told['id']}"))
    counted = Counter(each.state.value for each in found)
    said = ", ".join(f"{counted[each]} {each}" for each in STATES if counted[each]) or "none"
    print_words(out, f"{len(found)} verdict(s): {said}.")
