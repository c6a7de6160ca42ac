"""The demo says beside each ending whose file it is, and that none of it is for clinical use, however narrow the terminal."""

from __future__ import annotations

import io
import shlex
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from rich.console import Console
from tocsin.cli.demo_output import JsonTeller, TableTeller, Teller, Totals
from tocsin.deadletter.types import dead_letter
from tocsin.errors import SubjectMismatch
from tocsin.report.flag import Flag, FlagModel
from tocsin.sandbox.demo.run import Told, Up
from tocsin.sandbox.demo.ward import Case, Facts, drawn_cases

from tests.builders import record

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REPORT = "DiagnosticReport/474cf483-8e0d-57b4-9c59-3f2a6f5e8f10"
FILE = "ward 7/lesion.jpg"
REAL = [Case(0, Path("a.jpg"), "image/jpeg", "DMS", 0, 0, Facts(), FILE)]
DRAWN = drawn_cases(1)
UP = Up(
    {"TOCSIN_FHIR__BASE_URL": "http://127.0.0.1:1/fhir", "TOCSIN_IMAGE__URL_ORIGINS_ALLOWED": '["http://127.0.0.1:2"]'},
    {"work": 3},
    Path("/x/log"),
    "http://127.0.0.1:4",
    "http://127.0.0.1:5/launch?iss=http%3A%2F%2F127.0.0.1%3A4%2Ffhir&launch=r1",
)


def flagged(file: str | None) -> Told:
    flag = Flag(
        version=1,
        id="0" * 36,
        source="urn:test",
        report=REPORT,
        status="preliminary",
        media="Media/demo-001",
        subject="Patient/demo-patient-01",
        outcome="not-assessable",
        flagged=False,
        reason="too-dark",
        model=FlagModel(name="reader", version="3"),
        content_sha256="0" * 64,
        event="e",
        event_source="urn:test",
        announced_at=NOON,
    )
    return Told(flag, flag.media, file, 1.5, f"http://127.0.0.1:52535/fhir/{REPORT}")


def refused(file: str | None) -> Told:
    dead = dead_letter(record(), SubjectMismatch("x"), attempts=1, first_failed_at=NOON, now=NOON)
    return Told(dead, "Media/demo-002", file, 1.5, "")


def told(teller: Teller, file: str | None, up: Up | None = None) -> None:
    totals = Totals()
    teller.begin()
    for ending in (flagged(file), refused(file)):
        totals.count(ending)
        teller.tell(ending)
    teller.end(totals, up)


def printed(width: int | None, cases: list[Case], up: Up | None = None) -> str:
    """What a person sees on a terminal of so many columns, or what goes to a pipe."""
    stream = io.StringIO()
    told(TableTeller(Console(file=stream, width=width, force_terminal=width is not None, color_system=None), cases), cases[0].file, up)
    return stream.getvalue()


@pytest.mark.parametrize("cases", [REAL, DRAWN], ids=["real", "drawn"])
@pytest.mark.parametrize("width", [60, 80, 200, None])
def test_the_warning_is_whole_at_every_width(width: int | None, cases: list[Case]) -> None:
    text = " ".join(printed(width, cases).split())
    assert text.count("Not for clinical use") == 2


@pytest.mark.parametrize("width", [60, 80])
def test_no_line_is_longer_than_a_narrow_terminal_but_an_address(width: int) -> None:
    lines = printed(width, REAL).splitlines()
    assert [line for line in lines if len(line) > width and REPORT not in line] == []
    assert f"file {FILE}" in "\n".join(lines)
    assert any(REPORT in line for line in lines)


def test_a_pipe_gets_one_line_an_ending_with_the_files_name() -> None:
    lines = printed(None, REAL).splitlines()
    assert [line.startswith(FILE) for line in lines if "demo-00" in line] == [True, True]
    assert "file" in next(line for line in lines if "DiagnosticReport" in line).split()


def test_every_object_says_its_file_and_that_it_is_not_for_clinical_use(capsys: pytest.CaptureFixture[str]) -> None:
    told(JsonTeller(REAL), FILE, UP)
    flag, totals = [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (flag["file"], totals["refusals"][0]["file"]) == (FILE, FILE)
    assert all("Not for clinical use" in each["warning"] for each in (flag, totals))
    assert (totals["export"], totals["health"]) == (UP.variables, {"work": "http://127.0.0.1:3/ready"})


def test_what_stays_up_is_told_as_lines_that_a_shell_takes_unbroken() -> None:
    lines = [line for line in printed(60, DRAWN, UP).splitlines() if line.startswith("export ")]
    assert dict(word.split("=", 1) for line in lines for word in shlex.split(line)[1:]) == UP.variables
