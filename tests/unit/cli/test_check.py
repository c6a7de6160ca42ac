"""`tocsin check` tells what it finds as it comes, and names whoever keeps silent."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator

import pytest
from rich.console import Console
from tocsin.cli.check import _sum, _tell, together
from tocsin.telemetry.preflight import Check, Preflight, check, skipped, warned

SOUND = check("fhir", "server", True, "http://127.0.0.1:1/fhir: FHIR 4.0.1", "")


def passing(part: str) -> Preflight:
    return Preflight(part, lambda: iter([check(part, "server", True, "there", "")]))


def test_a_part_that_keeps_silent_is_named_while_what_the_others_say_is_told() -> None:
    answer = threading.Event()
    said: list[str] = []

    def silent() -> Iterator[Check]:
        assert answer.wait(30)
        yield check("kafka", "broker", False, "away", "mend it")

    def slow(sentence: str) -> None:
        said.append(sentence)
        answer.set()

    kafka = Preflight("kafka", silent, "127.0.0.1:9092", "TOCSIN_KAFKA__BOOTSTRAP_SERVERS")
    found = together([kafka, passing("fhir")], 0.05, slow)
    assert next(found).part == "fhir"
    assert [each.part for each in found] == ["kafka"]
    assert said[0].startswith("still asking kafka at 127.0.0.1:9092 (TOCSIN_KAFKA__BOOTSTRAP_SERVERS)")


def test_the_lines_of_one_part_keep_their_order_and_none_is_lost() -> None:
    def many(part: str) -> Preflight:
        return Preflight(part, lambda: (check(part, str(number), True, "x", "") for number in range(50)))

    found = list(together([many("kafka"), many("fhir")], 5.0, pytest.fail))
    for part in ("kafka", "fhir"):
        assert [each.what for each in found if each.part == part] == [str(number) for number in range(50)]


def test_what_one_part_raises_is_its_failed_line_and_hides_no_other() -> None:
    def broken() -> Iterator[Check]:
        yield SOUND
        raise RuntimeError("Canary-Quintessa")

    found = list(together([Preflight("fhir", broken), passing("redis")], 5.0, pytest.fail))
    assert {(each.part, each.what, each.passed) for each in found} == {
        ("fhir", "server", True),
        ("fhir", "unforeseen", False),
        ("redis", "server", True),
    }
    assert "Canary" not in str(found)


def told(width: int | None, *checks: Check) -> str:
    stream = io.StringIO()
    out = Console(file=stream, width=width, force_terminal=width is not None, color_system=None)
    for each in checks:
        _tell(out, each)
    return stream.getvalue()


LONG = check(
    "fhir",
    "search DiagnosticReport",
    False,
    "not offered: media, issued",
    "let Tocsin's client search DiagnosticReport by media, issued, _id",
)


@pytest.mark.parametrize("width", [60, 80])
def test_a_narrow_terminal_breaks_between_words_alone(width: int) -> None:
    text = told(width, LONG)
    assert max(map(len, text.splitlines())) <= width
    assert set(f"FAIL fhir {LONG.what}: {LONG.found} fix: {LONG.fix}".split()) == set(text.split())


def test_a_pipe_gets_a_line_for_what_was_found_and_one_for_its_fix() -> None:
    found, fix = told(None, LONG).splitlines()
    assert found == "FAIL  fhir    search DiagnosticReport: not offered: media, issued"
    assert fix.strip() == f"fix: {LONG.fix}"


def test_the_last_line_counts_what_failed_was_left_out_and_was_warned_of() -> None:
    assert _sum([SOUND]) == "1 checked, all passed."
    warning, left_out = warned("report", "source", "the default", "name it"), skipped("kafka", "rights", "the broker does not say")
    assert _sum([SOUND, warning, left_out]) == "2 checked, all passed; 1 not looked at. 1 warning(s), marked `warn`."
    assert _sum([SOUND, LONG]) == "2 checked, 1 failed."
    assert told(None, warning).startswith("warn  report  source: the default\n")
