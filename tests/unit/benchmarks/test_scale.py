"""What the benchmark of scale says: no event is forgotten, a drift is told from noise, and what was scarce is named."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.benchmarks.account import EventsLost
from tests.benchmarks.bus import Said
from tests.benchmarks.counts import Tally
from tests.benchmarks.fhir_stub import Traffic
from tests.benchmarks.photographs import TINY
from tests.benchmarks.scale import Found, Plan
from tests.benchmarks.scaling.cores import Together
from tests.benchmarks.scaling.flow import Endings
from tests.benchmarks.scaling.growth import Stretch, joined, slope
from tests.benchmarks.scaling.plot import as_svg
from tests.benchmarks.scaling.reading import Neighbour, Reading, RedisUse
from tests.benchmarks.scaling.table import growth_end, growth_line

NAMES = ("Kafka", "Triton", "Redis", "FHIR stub", "benchmark")


class OneVerdict:
    def of(self, media: str) -> dict[str, object]:
        return {"band": "below", "subject": media}


def flag(media: str, band: str = "below", at_ms: int = 150) -> Said:
    return Said({"media": f"Media/{media}", "subject": media, "band": band, "announced_at": "later"}, at_ms)


def endings(sent: int) -> Endings:
    ends = Endings("run", OneVerdict())
    assert [ends.next(100.0) for _ in range(sent)] == [f"run-{number}" for number in range(sent)]
    return ends


def check(ends: Endings, **other: Any) -> None:
    all_ = Tally(ends.sent, ends.sent)
    ends.check(**{"read": all_, "written": all_, "dead_letters": 0, **other})


def test_events_that_ended_once_and_rightly_are_accounted_for() -> None:
    ends = endings(2)
    assert [ends.take(flag("run-1")), ends.take(flag("run-0", at_ms=180))] == [50, 80]
    check(ends)


def test_an_event_without_a_flag_ends_the_benchmark() -> None:
    ends = endings(2)
    ends.take(flag("run-0"))
    with pytest.raises(EventsLost, match="2 events sent, 1 flagged, 0 flagged twice"):
        check(ends)


def test_a_second_flag_ends_the_benchmark_and_is_not_counted_as_an_event() -> None:
    ends = endings(2)
    assert [ends.take(flag(f"run-{number}")) for number in (0, 0, 1)] == [50, None, 50]
    assert ends.ended == 2
    with pytest.raises(EventsLost, match="1 flagged twice"):
        check(ends)


def test_an_event_that_others_overtake_is_seen_while_they_end() -> None:
    ends = endings(4)
    for number in (0, 2, 3):
        ends.take(flag(f"run-{number}"))
    assert ends.overtaken == 2
    ends.take(flag("run-1"))
    assert ends.overtaken == 0


@pytest.mark.parametrize("wrong", [flag("run-0", band="high"), flag("another-0")], ids=["another band", "nobody's event"])
def test_a_flag_that_says_anything_else_than_was_to_be_told_ends_the_benchmark(wrong: Said) -> None:
    ends = endings(1)
    ends.take(flag("run-0"))
    ends.take(wrong)
    with pytest.raises(EventsLost, match="1 flags wrong"):
        check(ends)


@pytest.mark.parametrize("other", [{"read": Tally(1, 0)}, {"written": Tally(1, 0)}, {"written": Tally(0, 0)}, {"dead_letters": 1}], ids=str)
def test_an_event_that_was_read_or_written_otherwise_than_once_ends_the_benchmark(other: dict[str, Any]) -> None:
    ends = endings(1)
    ends.take(flag("run-0"))
    with pytest.raises(EventsLost):
        check(ends, **other)


def reading(events: int, *, at: float | None = None, cpu_s: float | None = None, memory_mb: float = 150.0, **others_s: float) -> Reading:
    """A process that takes 100 events a second at 10 ms each, beside parts that take nothing unless it is said."""
    seconds, used = (events / 100 if at is None else at), (events / 100 if cpu_s is None else cpu_s)
    neighbours = {name: Neighbour(others_s.get(name.replace(" ", "_"), 0.0), 20.0) for name in NAMES}
    machine_s = used + sum(others_s.values())
    redis, traffic = RedisUse(0.9, 0, 10), Traffic(7 * events, 10_000 * events, 200_000 * events)
    kafka = {"imaging": 250 * events, "flags": 600 * events}
    return Reading(events, seconds, used, memory_mb, memory_mb + 1, 31, 54, machine_s, neighbours, redis, kafka, 400 * events, traffic)


def stretch(first: Reading, last: Reading, took_ms: int = 50) -> Stretch:
    return Stretch(first, last, Counter({took_ms: last.events - first.events}))


def test_a_stretch_says_what_an_event_cost_in_it() -> None:
    one = stretch(reading(100), reading(300, cpu_s=4.0, Kafka=0.4))
    assert (one.events, one.cpu_ms, one.neighbours_ms["Kafka"], one.took_ms(0.5)) == (200, 15.0, 2.0, 50.0)


def test_stretches_that_follow_each_other_are_one() -> None:
    whole = joined([stretch(reading(0), reading(100, memory_mb=170.0), 40), stretch(reading(100), reading(400), 60)])
    assert (whole.events, whole.cpu_ms, whole.took_ms(0.25), whole.took_ms(0.5), whole.last.highest_mb) == (400, 10.0, 40.0, 60.0, 171.0)


def test_a_drift_is_told_for_ten_thousand_events_and_noise_has_an_error_that_says_so() -> None:
    drift = slope([(number * 1000, 100 + number * 2.0) for number in range(1, 11)])
    assert drift is not None
    assert (drift.growth, drift.error) == pytest.approx((20.0, 0.0), abs=1e-9)
    noise = slope([(number * 1000, 100 + (-1) ** number) for number in range(1, 11)])
    assert noise is not None
    assert abs(noise.growth) < 2 * noise.error


def test_of_two_slices_no_slope_is_told() -> None:
    assert slope([(1000, 1.0), (2000, 2.0)]) is None


@pytest.mark.parametrize(
    ("processes", "cores", "others_s", "limit"),
    [
        (1, 2, {"Kafka": 1.0}, "all 2 cores: consume 1.00, Kafka 1.00"),
        (4, 16, {"FHIR_stub": 0.9}, "FHIR stub, which has one thread: consume 1.00, FHIR stub 0.90"),
        (16, 16, {}, "12 partitions: consume 1.00"),
        (1, 16, {"Kafka": 1.0}, "no processor, so waiting (2.0 of 16 cores used)"),
    ],
    ids=["cores", "one thread", "partitions", "waiting"],
)
def test_what_was_scarce_is_named(processes: int, cores: int, others_s: dict[str, float], limit: str) -> None:
    assert Together(processes, cores, 12, stretch(reading(0), reading(100, at=1.0, **others_s))).limit.startswith(limit)


def found() -> Found:
    slices = [stretch(reading(number * 100), reading(number * 100 + 100)) for number in range(4)]
    plan = Plan(TINY, (400,), (1,), 4, 16, 100, 10, quiet=True)
    return Found(plan, slices, [joined(slices)], [Together(1, 2, 12, slices[0])])


def test_the_findings_are_told_in_words_and_for_programs_and_as_a_picture() -> None:
    all_ = found()
    text = "\n".join([growth_line(all_.slices[0]), *growth_end(all_.slices, all_.tenfolds)])
    assert "an event asks the FHIR server 7.00 times, reads 200.0 KB and writes 10.0 KB" in text
    assert "an event leaves 850 bytes on Kafka (imaging 250, flags 600)" in text
    told = json.loads(json.dumps(all_.as_json()))
    assert [each["to"] for each in told["slices"]] == [100, 200, 300, 400]
    assert told["growth_of_ten_thousand"]["RSS MB"] == {"growth": 0.0, "error": 0.0}
    ElementTree.fromstring(as_svg("a title", "a machine", all_.slices, all_.together))


def test_what_was_interrupted_before_its_first_slice_has_nothing_to_tell_and_tells_it() -> None:
    nothing = Found(found().plan, interrupted=True)
    assert list(growth_end(nothing.slices, nothing.tenfolds)) == []
    assert nothing.as_json()["interrupted"] is True
    ElementTree.fromstring(as_svg("a title", "a machine", [], []))
