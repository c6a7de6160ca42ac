"""A verdict that another act came before is never said to wait for the record, and its clinician is told until they act again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from tocsin.review.acted import extension
from tocsin.review.answered import NOTHING, answer_of
from tocsin.review.rules import Acted
from tocsin.review.types import Act, Standing, State
from tocsin.serve.types import Session

from tests.fakes.page import CLINICIAN, COLLEAGUE, NOW, Clinic, clinic, reader
from tests.support.flags import feedback
from tests.support.pictures import encoded, textured
from tests.unit.serve.page.test_verdicts import given, verdicts, visit

PICTURE = encoded(textured(64, 48))
WAITS = "not yet in the record"
OVERTAKEN = "Your verdict was not recorded: the result had changed since you opened it."
OTHER = reader(clinician=COLLEAGUE)


@pytest.fixture
def made() -> Clinic:
    """A clinic with one report."""
    return clinic(PICTURE)


@pytest.fixture
def browser(made: Clinic) -> FlaskClient:
    """At the process that took the reader's agreement while the record took no writes, which it does again now."""
    browser = visit(made)
    made.desk.state = State.WAITING
    given(browser, made, "accept")
    made.desk.state = State.RECORDED
    made.now += timedelta(minutes=5)
    return browser


def decided(browser: FlaskClient, made: Clinic, session: Session) -> None:
    """This reader disagrees, and the record has it."""
    made.sessions.now = session
    assert given(browser, made, "override", **{"code-override": "clinically-benign"}).status_code == 303


def page_of(browser: FlaskClient, made: Clinic, session: Session) -> str:
    """The page as this reader sees it, opened anew."""
    made.sessions.now = session
    return browser.get(made.path).get_data(as_text=True)


@pytest.mark.parametrize("first", [reader(), OTHER], ids=["by oneself", "by another"])
def test_by_a_verdict_that_is_recorded(made: Clinic, browser: FlaskClient, first: Session) -> None:
    decided(browser, made, first)
    [(waits, _), (stands, standing)] = made.desk.kept.values()
    assert (waits.report_version, stands.report_version, standing.state) == ("1", "1", State.RECORDED)
    assert [each.verdict for each in made.desk.of(stands.report)] == [stands.id], "as the bus is followed"
    pages = [page_of(browser, made, each) for each in (reader(), OTHER)]
    assert [WAITS in each for each in pages] == [False, False]
    assert [OVERTAKEN in each for each in pages] == [first is OTHER, False], "who decided again knows"


@pytest.mark.parametrize("known", [State.WAITING, State.OVERTAKEN], ids=["not tried yet", "tried"])
def test_by_another_program_that_changed_the_report(made: Clinic, browser: FlaskClient, known: State) -> None:
    [verdict] = verdicts(made)
    made.desk.kept[verdict.id] = verdict, Standing(verdict=verdict.id, report=verdict.report, state=known, at=made.now)
    made.changed(status="final")
    page = page_of(browser, made, reader())
    assert (WAITS in page, OVERTAKEN in page) == (False, True)
    decided(browser, made, reader())
    assert OVERTAKEN not in page_of(browser, made, reader())


def test_is_told_no_more_once_its_clinician_decided_again_at_another_process(made: Clinic, browser: FlaskClient) -> None:
    decided(visit(made), made, OTHER)
    assert OVERTAKEN in page_of(browser, made, reader())
    made.now += timedelta(minutes=5)
    decided(visit(made), made, reader())
    assert OVERTAKEN not in page_of(browser, made, reader())


def test_where_the_acts_are_not_known_it_still_waits(made: Clinic, browser: FlaskClient) -> None:
    made.changed(status="final")
    made.record.refused["Provenance"] = 503
    page = page_of(browser, made, reader())
    assert (WAITS in page, OVERTAKEN in page) == (True, False)


def test_one_that_the_report_itself_tells_is_recorded_though_its_provenance_was_not_found_yet(made: Clinic, browser: FlaskClient) -> None:
    [verdict] = verdicts(made)
    stands = Acted(verdict.id, Act.ACCEPT, None, CLINICIAN, verdict.issuer, verdict.decided_at, False, "Agreed.", "")
    made.changed(status="final", extension=[*made.report["extension"], extension(stands)])
    page = page_of(browser, made, reader())
    assert (WAITS in page, OVERTAKEN in page) == (False, False)


def test_keeps_no_override_from_being_made_ready(made: Clinic, browser: FlaskClient) -> None:
    made.changed(effectiveDateTime="2026-03-01T10:00:00Z")
    made.in_ehr = NOTHING.told(answer_of(feedback(1, "clinically-benign", id=1, at=NOW, report_version="2")))
    assert "Record my verdict: Disagree" in page_of(browser, made, reader())
