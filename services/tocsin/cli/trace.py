"""tocsin trace: what became of one event, as a timeline."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Annotated

import typer

from tocsin.bootstrap import trace as bootstrap
from tocsin.cli.dead_letter_options import when
from tocsin.cli.trace_output import print_json, print_story
from tocsin.clock import utc_now
from tocsin.errors import OutageTooLong
from tocsin.settings import read_settings
from tocsin.telemetry.log import quiet_libraries
from tocsin.terminal import console, progress
from tocsin.traces.story import Wish, tell
from tocsin.traces.types import Subject, subject_of

NOTHING: int = 1


def _subject(text: str) -> Subject:
    found = subject_of(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is neither like DiagnosticReport/<id> or Media/<id> nor a trace id, which has 32 hex digits")
    return found


Asked = Annotated[
    Subject,
    typer.Argument(
        metavar="REPORT|MEDIA|TRACE_ID", parser=_subject, help="DiagnosticReport/<id>, Media/<id>, or a trace id: 32 hex digits."
    ),
]
Since = Annotated[
    datetime | None,
    typer.Option(
        "--since",
        metavar="WHEN",
        parser=when,
        help="How far back to look, as 90m, 2h, 3d or 1w ago, or an ISO date or time (UTC unless it says otherwise). Unless told: a day "
        "before the report was issued, or 1w where there is none.",
    ),
]
Within = Annotated[float, typer.Option("--within", metavar="SECONDS", min=1, max=600, help="Longest look through the bus.")]
Everything = Annotated[bool, typer.Option("--all", help="Also what record and bus tell, where the back end has a trace.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")]


def trace(asked: Asked, since: Since = None, within: Within = 10.0, everything: Everything = False, as_json: AsJson = False) -> None:
    """Tell what became of one event, given its report, its picture or its trace: every attempt and stage as a timeline.

    The back end of traces is asked at TOCSIN_TRACES__QUERY_URL (TOCSIN_TRACES__QUERY_API: jaeger or zipkin). Where there is none, or it
    does not answer or lacks the trace, the record and the bus tell what they can: when the event was announced and where it stands, its
    report and flags, dead letters and replays; and it is said why there is no trace. A report names its trace in its mark; a line of
    the log in `trace_id`; a flag or a dead letter in its record's header `traceparent`.

    Only codes, times, places and ids of resources are told. Of spans that other systems sent, only their service, kind, times and status.

    Examples: what took so long with this report; and everything known of a picture that a clinician misses:

    tocsin trace DiagnosticReport/474cf483-8e0d-57b4-bd0c-6ff2a7a4d2a1

    tocsin trace Media/m1 --since 3d --all

    Exit codes: 0 something was found; 1 nothing was found; 2 the options make no sense; 75 nothing was found and somebody who was asked
    did not answer, or not to the end (--within); 78 a setting is wrong.
    """
    quiet_libraries()
    now = utc_now()
    if since is not None and since > now:
        raise typer.BadParameter("it is yet to come", param_hint="--since")
    sources = bootstrap.sources(read_settings(), os.environ, within)
    with progress().step(f"looking for {asked.name}"):
        story = tell(Wish(asked, since, within, everything), sources, now)
    if as_json:
        print_json(story)
    else:
        print_story(console(), story)
    if story.empty:
        raise typer.Exit(OutageTooLong.exit_code if story.away else NOTHING)
