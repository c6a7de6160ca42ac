"""What is made of a token response."""

from __future__ import annotations

from typing import Any

import pytest
from tocsin.review.ehr_tasks import task_of
from tocsin.review.worklist import Ranks, Worklist
from tocsin.serve.smart.exchange import LIFE_S_MAX, LIFE_S_WHEN_UNSAID, grant, told_code
from tocsin.serve.smart.refusals import TokenAnswerMalformed

from tests.builders import card
from tests.support.flags import flag

SAID: dict[str, Any] = {"access_token": "t", "token_type": "Bearer", "expires_in": 3600, "id_token": "a.b.c", "scope": "openid launch"}


def test_the_context_of_the_launch_is_read() -> None:
    found = grant(SAID | {"patient": "p1", "need_patient_banner": False, "fhirContext": [{"reference": "DiagnosticReport/r1"}]})
    assert (found.patient, found.report, found.banner, found.scopes) == ("Patient/p1", "DiagnosticReport/r1", False, ("openid", "launch"))


@pytest.mark.parametrize(
    "change",
    [
        {"access_token": None}, {"access_token": ""}, {"access_token": "with space"}, {"access_token": "line\nend"}, {"access_token": 3},
        {"token_type": "mac"}, {"token_type": None}, {"id_token": None}, {"id_token": {}}, {"scope": None}, {"scope": ["openid"]},
        {"expires_in": 0}, {"expires_in": -1}, {"expires_in": "soon"}, {"expires_in": True}, {"expires_in": 1.5},
        {"patient": "../Patient"}, {"patient": 3}, {"patient": ""}, {"patient": "Patient/p1"},
    ],
    ids=str,
)  # fmt: skip
def test_nothing_that_is_missing_or_malformed_is_guessed(change: dict[str, Any]) -> None:
    with pytest.raises(TokenAnswerMalformed):
        grant(SAID | change)


@pytest.mark.parametrize(("stated", "life_s"), [(None, LIFE_S_WHEN_UNSAID), ("60", 60), (60, 60), (10**9, LIFE_S_MAX)])
def test_a_token_lives_no_longer_than_is_said(stated: object, life_s: int) -> None:
    assert grant(SAID | {"expires_in": stated}).life_s == life_s


@pytest.mark.parametrize("stated", [True, None, "false", 0])
def test_the_banner_is_left_out_only_where_the_ehr_says_so(stated: object) -> None:
    assert grant(SAID | {"need_patient_banner": stated}).banner


@pytest.mark.parametrize(
    "context",
    [
        {"fhirContext": [{"reference": "DiagnosticReport/r1"}, {"reference": "DiagnosticReport/r2"}]},
        {"fhirContext": [{"reference": "DiagnosticReport/r1"}], "appContext": '{"report": "r2"}'},
        {
            "fhirContext": [
                {"reference": "Patient/p1"},
                {"reference": "https://x.example.org/DiagnosticReport/r1"},
                "DiagnosticReport/r1",
                None,
            ]
        },
        {"fhirContext": "DiagnosticReport/r1"},
        {"appContext": "report=r1"},
        {"appContext": '{"report": "../r1"}'},
        {"appContext": '["r1"]'},
        {"appContext": '{"report": "Observation/r1"}'},
        {"appContext": '{"report": "DiagnosticReport/"}'},
        {"appContext": '{"report": "DiagnosticReport/DiagnosticReport/r1"}'},
    ],
    ids=str,
)
def test_of_two_reports_or_of_none_that_is_one_none_is_opened(context: dict[str, Any]) -> None:
    assert grant(SAID | context).report is None


def test_the_same_report_named_twice_is_one() -> None:
    assert (
        grant(SAID | {"fhirContext": [{"reference": "DiagnosticReport/r1"}], "appContext": '{"report": "r1"}'}).report
        == "DiagnosticReport/r1"
    )


def test_the_context_of_a_task_opens_its_report() -> None:
    worklist = Worklist(Ranks.of(card().operating_point.bands), 10)
    worklist.flag(flag(1))
    [row] = worklist.rows()
    [context] = [each["valueString"] for each in task_of(row, "https://tocsin.example.org/launch", True)["input"] if "valueString" in each]
    assert grant(SAID | {"appContext": context}).report == row.report


def test_the_context_of_a_task_from_before_opens_its_report_too() -> None:
    assert grant(SAID | {"appContext": '{"report":"DiagnosticReport/r1"}'}).report == "DiagnosticReport/r1"


def test_an_issuers_own_words_are_repeated_nowhere() -> None:
    assert told_code("access_denied") == "access_denied"
    assert told_code("Mrs. Canary <script>") == told_code(None) == "another reason"


def test_neither_token_shows_where_a_grant_is_printed() -> None:
    assert "a.b.c" not in repr(grant(SAID))
    assert "'t'" not in repr(grant(SAID))
