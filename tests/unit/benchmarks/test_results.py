"""What the benchmark says is what it measured."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from tests.benchmarks.contenders import CELERY, DOCUMENTED, GIVEN, TOCSIN, UNSEEN
from tests.benchmarks.photographs import DERMOSCOPY, PHOTOGRAPH, Kind, photograph
from tests.benchmarks.plot import as_svg
from tests.benchmarks.processes import Machine
from tests.benchmarks.results import PACED, SATURATED, Part, Results
from tests.benchmarks.scenario import Latency, Measured
from tests.benchmarks.table import as_text, last_line


def measured(contender: str, load: str, cpu_ms: float, p50: float | None = None, wall_s: float = 10.0) -> Measured:
    latency = None if p50 is None else Latency(p50, 2 * p50)
    return Measured(contender, load, 200, cpu_ms, {"Kafka": 1.0}, wall_s, latency, 150.0)


def results(*runs: Measured, rate: float = 20.0) -> Results:
    alone = {"floor": {"decode": [5.0, 5.0], "tensor": [3.0, 3.0]}, "Tocsin": {"decode": [6.0], "gate": [1.0]}, "Pillow": {"decode": [9.0]}}
    return Results(Machine(2, "a processor", "3.11", "Linux"), rate, [Part(PHOTOGRAPH, alone, runs)])


WHOLE = results(
    *(
        run
        for slower in (1.0, 1.5, 3.0)  # the machine, from pass to pass
        for run in (
            measured(TOCSIN, SATURATED, 12 * slower),
            measured(GIVEN, SATURATED, 16 * slower),
            measured(UNSEEN, SATURATED, 11.4 * slower),
            measured(DOCUMENTED, SATURATED, 20 * slower),
            measured(CELERY, SATURATED, 24 * slower),
            measured(TOCSIN, PACED, 13 * slower, 30.0),
            measured(GIVEN, PACED, 20 * slower, 40.0),
            measured(DOCUMENTED, PACED, 26 * slower, 45.0),
            measured(CELERY, PACED, 30 * slower, 90.0, wall_s=20.0),
        )
    )
)


def test_the_last_line_has_the_ratios_by_their_names() -> None:
    assert last_line(WHOLE) == (
        "ratios floor 2.250 faststream_saturated 0.750 faststream_20 0.650 p50_faststream 0.750 "
        "telemetry_share 0.050 rss_mb 150.000 faststream_docs 0.600"
    )
    assert as_text(WHOLE).endswith(last_line(WHOLE))


def test_a_run_that_measured_no_latency_says_so_and_has_a_last_line() -> None:
    line = last_line(results(measured(TOCSIN, SATURATED, 12), measured(GIVEN, SATURATED, 16)))
    assert line == (
        "ratios floor 1.500 faststream_saturated 0.750 faststream_20 - p50_faststream - telemetry_share - rss_mb 150.000 faststream_docs -"
    )


def test_a_run_that_ended_between_two_readings_has_no_ratio() -> None:
    line = last_line(results(measured(TOCSIN, SATURATED, 12), measured(GIVEN, SATURATED, 0)))
    assert "faststream_saturated - " in line


def test_whoever_could_not_keep_up_is_told_from_whoever_was_slow() -> None:
    paced = as_text(WHOLE).partition("20 a second")[2].splitlines()
    tocsin, celery = (next(line for line in paced if line.startswith(name)) for name in (TOCSIN, CELERY))
    assert "*" not in tocsin
    assert celery.endswith("* took 10.0 a second: the wait is a queue's")


@pytest.mark.parametrize("behind", [TOCSIN, GIVEN])
def test_a_queues_wait_is_no_ratio_of_anything(behind: str) -> None:
    took_s = {TOCSIN: 10.0, GIVEN: 10.0} | {behind: 11.2}  # 17.9 events a second of 20
    found = results(
        measured(TOCSIN, SATURATED, 12),
        *(measured(name, PACED, 13, 30.0 if name != behind else 2000.0, wall_s) for name, wall_s in took_s.items()),
    )
    assert "faststream_20 - p50_faststream - " in last_line(found)
    told = json.loads(json.dumps(found.as_json()))["parts"][0]
    assert (told["ratios"]["faststream_20"], told["ratios"]["p50_faststream"]) == (None, None)
    assert told["kept_up"] == {TOCSIN: behind != TOCSIN, GIVEN: behind != GIVEN}


def test_a_ratio_is_not_told_by_the_name_of_another_rate() -> None:
    fast = (measured(TOCSIN, PACED, 13, 30.0, 5.0), measured(GIVEN, PACED, 20, 40.0, 5.0))  # 40 events a second
    line = last_line(results(measured(TOCSIN, SATURATED, 12), *fast, rate=40.0))
    assert "faststream_20 - p50_faststream 0.750 " in line


def test_json_has_every_run() -> None:
    told = json.loads(json.dumps(WHOLE.as_json()))
    assert len(told["parts"][0]["runs"]) == 27
    assert told["parts"][0]["ratios"]["faststream_saturated"] == pytest.approx(0.75)


def test_the_picture_names_everybody_and_says_what_was_measured() -> None:
    texts = [each.text for each in ElementTree.fromstring(as_svg(WHOLE)).iter("{http://www.w3.org/2000/svg}text")]
    assert {TOCSIN, GIVEN, DOCUMENTED, CELERY, "18.0", "24.0", "30", "150"} <= set(texts)


def test_the_picture_draws_no_queues_wait() -> None:
    texts = [each.text for each in ElementTree.fromstring(as_svg(WHOLE)).iter("{http://www.w3.org/2000/svg}text")]
    assert "90" not in texts  # Celery's p50, which took 10 of 20 a second
    assert texts.count("took 10.0 a second") == 2


@pytest.mark.parametrize("kind", [PHOTOGRAPH, DERMOSCOPY], ids=str)
def test_pictures_have_the_size_that_their_kind_states(kind: Kind) -> None:
    assert len(photograph(0, kind)) == pytest.approx(kind.bytes_wanted, rel=0.05)
