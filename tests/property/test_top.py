"""Whatever processes say, `tocsin top` shows no negative rate, and whoever answers is read or refused, never more."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from tocsin.telemetry.top.samples import Unreadable, parsed
from tocsin.telemetry.top.scrape import Answer
from tocsin.telemetry.top.seen import Seen, heard
from tocsin.telemetry.top.types import View
from tocsin.telemetry.top.view import view

NUMBERS = st.one_of(st.floats(0, 1e12).map(str), st.integers(0, 10**6).map(str), st.sampled_from(["NaN", "+Inf", "-Inf", "-3", "1e400"]))
NAMES = st.sampled_from(
    ["tocsin_events_total", "tocsin_event_latency_seconds_bucket", "tocsin_stage_duration_seconds_bucket", "tocsin_consumer_lag"]
)
LABELS = st.lists(
    st.tuples(st.sampled_from(["ending", "reason", "stage", "le"]), st.sampled_from(["a", "b", "0.5", "+Inf", "-1", "NaN"])),
    unique_by=lambda pair: pair[0],
)


def line(name: str, labels: list[tuple[str, str]], number: str) -> str:
    told = ",".join(f'{label}="{value}"' for label, value in labels)
    return f"{name}{{{told}}} {number}\n"


TEXTS = st.lists(st.builds(line, NAMES, LABELS, NUMBERS), max_size=12).map("".join)
ANSWERS = st.tuples(st.floats(0, 1000), st.sampled_from("ab"), st.one_of(st.none(), TEXTS))


def seen(answers: list[tuple[float, str, str | None]]) -> View:
    known: dict[str, Seen] = {}
    for at_s, address, text in sorted(answers, key=lambda each: each[0]):
        answer = Answer(address, at_s, text, None, "" if text is not None else "no answer")
        known[address] = heard(known.get(address, Seen(address)), answer)
    return view(tuple(known.values()), datetime(2026, 3, 1, tzinfo=UTC))


@given(st.lists(ANSWERS, max_size=12))
def test_a_view_never_shows_a_negative_rate_count_or_time(answers: list[tuple[float, str, str | None]]) -> None:
    found = seen(answers)
    assert found.window_s >= 0
    assert all(each.total >= 0 for each in found.throughput)
    rates = [each.per_second for each in found.throughput] + [each.per_second for each in found.endings]
    assert all(rate is None or rate >= 0 for rate in rates)
    for timing in (*found.latency, *found.stages):
        assert timing.count >= 0
        assert (timing.p50_s or 0.0) >= 0
        assert (timing.p50_s or 0.0) <= (timing.p95_s or 0.0) + 1e-9


@given(st.tuples(NAMES, st.text(alphabet='{}",=\\ \t#ae1_+-.\u00e9\x00', max_size=40)).map(lambda pair: f"{pair[0]}{pair[1]}\n"))
def test_a_line_of_a_stranger_is_read_or_refused(text: str) -> None:
    with suppress(Unreadable):
        parsed(text)
