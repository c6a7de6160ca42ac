"""A sound report of another patient than the chart's is not shown, and is no alarm; where anything is uncertain it stays one."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import structlog

from tests.fakes.page import NAME, clinic, reader
from tests.fakes.record import BASE
from tests.support.pictures import encoded, textured
from tests.unit.serve.page.test_reading import visit

PICTURE = encoded(textured(64, 48))
ALARM = "it is not certain whose it is"


def test_says_so_and_leads_out_of_the_chart() -> None:
    made = clinic(PICTURE, sessions_patient="Patient/p2")
    with structlog.testing.capture_logs() as written:
        answer = visit(made).get(made.path)
    told = "This is another patient&#39;s report than the chart you are in"
    assert (answer.status_code, ALARM in answer.text, told in answer.text) == (409, False, True)
    assert [each for each in ("Raised", "score", NAME) if each in answer.text] == []
    (address,) = re.findall(r'class="button" href="([^"]+)">Log in without a chart<', answer.text)
    assert (urlsplit(unescape(address)).path, parse_qs(urlsplit(unescape(address)).query)) == (
        "/launch",
        {"iss": [BASE], "report": [made.report["id"]]},
    )
    assert [(each["log_level"], each["report"]) for each in written] == [("info", f"DiagnosticReport/{made.report['id']}")]


@pytest.mark.parametrize("path", ["/picture", "/earlier/page-m1"])
def test_no_picture_of_it_is_given(path: str) -> None:
    made = clinic(PICTURE, sessions_patient="Patient/p2")
    answer = visit(made).get(made.path + path)
    assert (answer.status_code, answer.data) == (409, b"")


@pytest.mark.parametrize(
    "subject", [{"reference": "Group/g1"}, {"identifier": {"value": "4711"}}, {"reference": "https://else.test/fhir/Patient/p2"}, {}]
)
def test_a_report_whose_subject_is_not_certain_is_an_alarm(subject: dict[str, Any]) -> None:
    made = clinic(PICTURE, sessions_patient="Patient/p2")
    made.changed(subject=subject)
    answer = visit(made).get(made.path)
    assert (answer.status_code, ALARM in answer.text, "without a chart" in answer.text) == (409, True, False)


def test_a_report_that_the_launch_itself_named_is_an_alarm() -> None:
    made = clinic(PICTURE)
    made.sessions.now = reader(patient="Patient/p2", report=f"DiagnosticReport/{made.report['id']}")
    answer = visit(made).get(made.path)
    assert (answer.status_code, ALARM in answer.text, "without a chart" in answer.text) == (409, True, False)
