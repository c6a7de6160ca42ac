"""Prints the story of one event: attempts side by side, each trace as a tree of spans with bars, what record and bus tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson
import typer
from rich.console import Console

from tocsin.telemetry.trace import ATTEMPT, ENDING, MEDIA, REASON, REPORT
from tocsin.terminal import plain, print_columns, print_line, print_words, room, seconds
from tocsin.traces.evidence import Looked, Sighting
from tocsin.traces.story import Story
from tocsin.traces.timeline import STAGES, Attempt, Line, Timeline
from tocsin.traces.types import STATUS, moment

BAR_CELLS: Final = 32
"""Longest bar; it is shorter where the room is."""
BAR_CELLS_MIN: Final = 8
"""Shortest bar worth showing."""
SPANS_SHOWN_MAX: Final = 500
"""Most spans shown of one trace; --json has all."""

_TOLD: Final = (ENDING, REASON, MEDIA, REPORT, ATTEMPT)
_PLACE: Final = ("messaging.destination.partition.id", "messaging.kafka.offset")
_NAMES: Final = {ATTEMPT: "attempt ", _PLACE[0]: "partition ", _PLACE[1]: "offset ", "rpc.response.status_code": "gRPC status "}


def print_story(out: Console, story: Story) -> None:
    """Print the story for a person."""
    attempts = [each for timeline in story.timelines for each in timeline.attempts]
    if attempts:
        _print_attempts(out, attempts)
    for timeline in story.timelines:
        _print_timeline(out, timeline)
    if story.sightings:
        _print_sightings(out, story.sightings)
    for sentence in (*map(_looked, story.looked), *story.missing):
        print_words(out, plain(sentence))
    if story.empty:
        print_words(out, _nothing(story))


def print_json(story: Story) -> None:
    """Print the story as one JSON object."""
    whole = {
        "subject": story.subject.name,
        "since": seconds(story.since),
        "traces": [_trace_row(each) for each in story.timelines],
        "sightings": [_sighting_row(each) for each in story.sightings],
        "looked": [_looked_row(each) for each in story.looked],
        "missing": story.missing,
    }
    typer.echo(orjson.dumps(whole).decode())


def length(us: int) -> str:
    """The duration with its unit: milliseconds, or seconds from ten on."""
    return f"{us / 1000:.1f} ms" if us < 10_000_000 else f"{us / 1_000_000:.1f} s"


def bar(line: Line, length_us: int, cells: int) -> str:
    """The span's part of the trace's time as a bar, at least one cell long, within `cells`."""
    whole = max(1, length_us)
    begin = min(cells - 1, line.offset_us * cells // whole)
    size = max(1, min(cells - begin, round(line.span.duration_us * cells / whole)))
    return (" " * begin + "█" * size).ljust(cells)


def _print_attempts(out: Console, attempts: Sequence[Attempt]) -> None:
    ran = [stage for stage in STAGES if any(stage in each.stages_us for each in attempts)]
    heading = ("ATTEMPT", "BEGAN", "TOOK", "ENDING", "REASON", *(stage.upper() for stage in ran))
    rows = [
        (*_attempt_cells(each), *(length(each.stages_us[stage]) if stage in each.stages_us else "-" for stage in ran)) for each in attempts
    ]
    print_columns(out, heading, rows, ["red" if each.span.failed else "" for each in attempts])


def _attempt_cells(attempt: Attempt) -> tuple[str, ...]:
    span = attempt.span
    said = [plain(str(span.attributes.get(name, "-"))) for name in (ATTEMPT, ENDING, REASON)]
    return (said[0], seconds(moment(span.start_us)), length(span.duration_us), *said[1:])


def _print_timeline(out: Console, timeline: Timeline) -> None:
    print_line(out, "")
    lines = timeline.lines[:SPANS_SHOWN_MAX]
    print_words(
        out,
        f"{seconds(moment(timeline.start_us))}, {length(timeline.length_us)}, {len(timeline.lines)} spans",
        first=f"trace {timeline.trace_id}  ",
        indent=6,
        style="bold",
    )
    labels = [f"{'  ' * line.depth}{plain(line.span.name)}" for line in lines]
    cells = _bar_cells(out, max(map(len, labels)))
    for line, label, told in zip(lines, labels, _details(lines), strict=True):
        _print_span(out, (line, label, told), timeline.length_us, cells)
    if len(timeline.lines) > len(lines):
        print_words(out, f"... and {len(timeline.lines) - len(lines)} more spans (--json has all)")
    for link in timeline.links:
        print_line(out, f"links to trace {link}")


def _print_span(out: Console, shown: tuple[Line, str, str], length_us: int, cells: int) -> None:
    line, label, told = shown
    drawn = f"  {bar(line, length_us, cells)}" if cells else ""
    first = f"{'+' + length(line.offset_us):>10} {length(line.span.duration_us):>10}{drawn}  "
    style = "red" if line.span.failed else ""
    width = room(out)
    if width is None or len(first) + len(label) + 2 + len(told) <= width:
        print_line(out, f"{first}{label}  {told}".rstrip(), style)
        return
    print_words(out, label.strip(), first=first + label[: len(label) - len(label.lstrip())], indent=4, style=style)
    if told:
        print_words(out, told, first=" " * 4, indent=4, style=style)


def _bar_cells(out: Console, label_length: int) -> int:
    """How long bars may be; 0 where nobody looks, or there is no room for them."""
    width = room(out)
    if width is None or not out.encoding.lower().startswith("utf"):
        return 0
    cells = min(BAR_CELLS, width - label_length - 27)
    return cells if cells >= BAR_CELLS_MIN else 0


def _details(lines: Sequence[Line]) -> Iterator[str]:
    """What is told of each span behind its name; the service where it is another than that of the line before."""
    before = None
    for line in lines:
        span = line.span
        said = [plain(span.service)] if span.service != before else []
        before = span.service
        said += [
            f"{_NAMES.get(name, '')}{plain(str(span.attributes[name]))}" for name in (*_TOLD, *_PLACE, *STATUS) if name in span.attributes
        ]
        if span.failed:
            kind = plain(str(span.attributes.get("error.type", "")))
            said.append("ERROR" if not kind or kind in said else f"ERROR {kind}")
        yield ", ".join(said)


def _print_sightings(out: Console, sightings: Sequence[Sighting]) -> None:
    print_line(out, "")
    heading = ("TIME", "WHAT", "WHERE", "TRACE", "SAID")
    rows = [(seconds(each.at), each.what, plain(each.where), each.trace_id or "-", _said(each)) for each in sightings]
    print_columns(out, heading, rows, ["yellow" if each.what == "refused" else "" for each in sightings])


def _said(sighting: Sighting) -> str:
    said = [f"{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in sighting.said.items()]
    if sighting.sampled is not None:
        said.append("sampled" if sighting.sampled else "not sampled")
    return plain(", ".join(said))


def _nothing(story: Story) -> str:
    said = f"Nothing was found of {story.subject.name} since {seconds(story.since)}"
    if story.away:
        return f"{said}, but not everything was read: it may be there all the same. --within gives more time."
    return f"{said}; --since looks further back."


def _looked(looked: Looked) -> str:
    until = "" if looked.last is None else f", the last of {seconds(looked.last)}"
    ending = "" if looked.whole else f"; not to its end: {looked.trouble or 'no more was wanted'} (--within, --since)"
    return f"{looked.topic}: {looked.records} records read{until}{ending}."


def _trace_row(timeline: Timeline) -> dict[str, Any]:
    return {
        "trace_id": timeline.trace_id,
        "began_at": moment(timeline.start_us).isoformat(),
        "duration_us": timeline.length_us,
        "links": timeline.links,
        "spans": [_span_row(each) for each in timeline.lines],
    }


def _span_row(line: Line) -> dict[str, Any]:
    span = line.span
    return {
        "id": span.id,
        "parent": span.parent,
        "depth": line.depth,
        "service": span.service,
        "name": span.name,
        "kind": span.kind,
        "offset_us": line.offset_us,
        "duration_us": span.duration_us,
        "failed": span.failed,
        "attributes": dict(span.attributes),
    }


def _sighting_row(sighting: Sighting) -> dict[str, Any]:
    return {
        "at": sighting.at.isoformat(),
        "what": sighting.what,
        "where": sighting.where,
        "trace_id": sighting.trace_id,
        "sampled": sighting.sampled,
        **sighting.said,
    }


def _looked_row(looked: Looked) -> dict[str, Any]:
    return {
        "topic": looked.topic,
        "records": looked.records,
        "until": None if looked.last is None else seconds(looked.last),
        "whole": looked.whole,
        "trouble": looked.trouble,
    }
