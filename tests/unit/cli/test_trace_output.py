"""`tocsin trace` prints what happened for a terminal of any width, and for scripts."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from opentelemetry.trace import SpanKind
from rich.console import Console
from tocsin.cli.trace_output import SPANS_SHOWN_MAX, bar, length, print_json, print_story
from tocsin.telemetry.calls import TRITON_METHOD, triton_request
from tocsin.telemetry.trace import root_span
from tocsin.traces.evidence import Looked, Sighting
from tocsin.traces.story import Story
from tocsin.traces.timeline import Line, timelines
from tocsin.traces.types import SHOWN, Span, Subject, moment, value_of

from tests.support.journey_spans import BEGAN_US, journey, span
from tests.support.spans import exported, named

FIRST, SECOND = "0a" * 16, "0b" * 16
FAILED = journey(FIRST, report=None, ending="unavailable")
SPANS = [*FAILED, *journey(SECOND, attempt=2, start_us=BEGAN_US + 900_000, event_trace_id=FIRST)]


def story(spans: list[Span], **more: object) -> Story:
    return replace(Story(Subject("media", "Media/m1"), moment(BEGAN_US), timelines(spans)), **more)  # type: ignore[arg-type] # fields of Story


def printed(told: Story, width: int | None = 140, **how: object) -> str:
    """What a terminal of this width shows; None: what a pipe gets."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=str(how.get("encoding", "utf-8")))
    out = Console(file=stream, width=width, force_terminal=width is not None, color_system=None, legacy_windows=False)
    print_story(out, told)
    stream.seek(0)
    return stream.read()


def test_attempts_stand_side_by_side_and_each_trace_is_a_tree_with_bars() -> None:
    assert printed(story(SPANS)).splitlines() == [
        "ATTEMPT  BEGAN                 TOOK      ENDING       REASON  FETCH    ANNOUNCE",
        "1        2026-03-01T08:40:00Z  100.0 ms  unavailable  fhir    20.0 ms  10.0 ms",
        "2        2026-03-01T08:40:00Z  100.0 ms  published    high    20.0 ms  10.0 ms",
        "",
        "trace 0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a  2026-03-01T08:40:00Z, 100.0 ms, 5 spans",
        "   +0.0 ms   100.0 ms  ████████████████████████████████  process imaging.events.v1",
        "    tocsin-consume, unavailable, fhir, Media/m1, attempt 1, partition 1, offset 17, ERROR",
        "   +1.0 ms    20.0 ms  ██████                              fetch",
        "   +1.0 ms    10.0 ms  ███                                   GET Media/{id}  200",
        "  +80.0 ms    10.0 ms                           ███        announce",
        "  +80.0 ms    10.0 ms                           ███          send tocsin.flags.v1",
        "",
        "trace 0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b  2026-03-01T08:40:00Z, 100.0 ms, 5 spans",
        "   +0.0 ms   100.0 ms  ████████████████████████████████  process imaging.events.v1",
        "    tocsin-consume, published, high, Media/m1, DiagnosticReport/r1, attempt 2, partition 1, offset 17",
        "   +1.0 ms    20.0 ms  ██████                              fetch",
        "   +1.0 ms    10.0 ms  ███                                   GET Media/{id}  200",
        "  +80.0 ms    10.0 ms                           ███        announce",
        "  +80.0 ms    10.0 ms                           ███          send tocsin.flags.v1",
    ]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100])
def test_no_line_is_longer_than_the_terminal_is_wide_but_for_a_word_that_is(width: int) -> None:
    lines = printed(story(SPANS), width).splitlines()
    assert [line for line in lines if len(line) > width and len(max(line.split(), key=len)) < width - 28] == []


def test_a_pipe_gets_one_line_for_each_span_without_bars() -> None:
    lines = printed(story(SPANS), None).splitlines()
    told = "tocsin-consume, unavailable, fhir, Media/m1, attempt 1, partition 1, offset 17, ERROR"
    assert f"   +0.0 ms   100.0 ms  process imaging.events.v1  {told}" in lines


def test_a_terminal_that_shows_ascii_alone_gets_no_bars() -> None:
    assert printed(story(SPANS), 140, encoding="ascii").isascii()


def test_a_trace_of_too_many_spans_is_cut_and_says_so() -> None:
    many = [span(FIRST, "fetch") for _ in range(SPANS_SHOWN_MAX + 7)]
    assert printed(story(many)).splitlines()[-1] == "... and 7 more spans (--json has all)"


def test_links_are_shown() -> None:
    assert f"links to trace {SECOND}" in printed(story([replace(FAILED[0], links=(SECOND,))])).splitlines()


def test_what_record_and_bus_tell_is_a_table_and_it_is_said_how_far_was_looked() -> None:
    sightings = [Sighting(moment(BEGAN_US), "announced", "imaging.events.v1[1]@17", FIRST, False, {"media": "Media/m1"})]
    looked = [Looked("imaging.events.v1", 12, moment(BEGAN_US), True), Looked("tocsin.flags.v1", 0, None, False, "time was over")]
    assert printed(story([], sightings=sightings, looked=looked, missing=["No trace."])).splitlines() == [
        "",
        "TIME                  WHAT       WHERE                    TRACE                             SAID",
        "2026-03-01T08:40:00Z  announced  imaging.events.v1[1]@17  0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a  media=Media/m1, not sampled",
        "imaging.events.v1: 12 records read, the last of 2026-03-01T08:40:00Z.",
        "tocsin.flags.v1: 0 records read; not to its end: time was over (--within, --since).",
        "No trace.",
    ]


@pytest.mark.parametrize(
    ("away", "words"),
    [
        (False, "Nothing was found of Media/m1 since 2026-03-01T08:40:00Z; --since looks further back."),
        (
            True,
            "Nothing was found of Media/m1 since 2026-03-01T08:40:00Z, but not everything was read: it may be there all the same. "
            "--within gives more time.",
        ),
    ],
)
def test_nothing_found_says_whether_everything_was_read(away: bool, words: str) -> None:
    assert printed(story([], away=away), None).splitlines()[-1] == words


def test_how_triton_answered_is_shown_as_the_journey_records_it() -> None:
    with exported() as found, root_span("journey", SpanKind.CONSUMER, {}), triton_request("triton", 8001) as asked:
        asked.answered("UNAVAILABLE")
    recorded = named(found, TRITON_METHOD).attributes or {}
    shown = {name: value_of(value) for name, value in recorded.items() if name in SHOWN}
    assert "gRPC status UNAVAILABLE" in printed(story([span(FIRST, TRITON_METHOD, attributes=shown)]), None)


def test_json_has_everything(capsys: pytest.CaptureFixture[str]) -> None:
    sightings = [Sighting(moment(BEGAN_US), "flagged", "flags[1]@17", FIRST, True, {"flagged": True})]
    print_json(story(SPANS, sightings=sightings, missing=["x"]))
    told = json.loads(capsys.readouterr().out)
    assert [(each["trace_id"], len(each["spans"])) for each in told["traces"]] == [(FIRST, 5), (SECOND, 5)]
    assert told["traces"][0]["spans"][1] == {
        "id": FAILED[1].id,
        "parent": FAILED[0].id,
        "depth": 1,
        "service": "tocsin-consume",
        "name": "fetch",
        "kind": "INTERNAL",
        "offset_us": 1000,
        "duration_us": 20000,
        "failed": False,
        "attributes": {},
    }
    assert (told["sightings"][0]["what"], told["sightings"][0]["flagged"], told["missing"]) == ("flagged", True, ["x"])


@pytest.mark.parametrize(("us", "words"), [(0, "0.0 ms"), (1_234, "1.2 ms"), (9_999_000, "9999.0 ms"), (12_345_678, "12.3 s")])
def test_a_duration_is_told_in_milliseconds_and_from_ten_seconds_on_in_seconds(us: int, words: str) -> None:
    assert length(us) == words


@pytest.mark.parametrize(
    ("offset", "duration", "drawn"),
    [(0, 100, "████████"), (0, 0, "█       "), (100, 0, "       █"), (50, 50, "    ████"), (99, 50, "       █")],
)
def test_a_bar_stays_within_its_cells(offset: int, duration: int, drawn: str) -> None:
    assert bar(Line(span(FIRST, "x", duration_us=duration), 0, offset), 100, 8) == drawn
