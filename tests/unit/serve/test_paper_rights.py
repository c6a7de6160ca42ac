"""What the record keeps from a reader is told on a document as kept from them: never as absent, and never as a record that is away."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest
import structlog
from tocsin.cli.language import Language
from tocsin.cli.print import Paper as Size
from tocsin.cli.print import _known, _Press
from tocsin.fhir.datatypes import Json
from tocsin.paper.desk import Desk
from tocsin.review.types import Act
from tocsin.serve.app import make_app
from tocsin.serve.paper import blueprint
from tocsin.settings import ServeSettings
from typer import Exit
from werkzeug.test import TestResponse

from tests.fakes.page import Clinic, _contents, act_on, clinic, not_assessable, reader
from tests.fakes.sessions import FixedSessions
from tests.support.pictures import encoded, textured

SHOT = encoded(textured(64, 48))
RIGHTS = [403, 451]
ACTS_HIDDEN = "The record does not show who acted on this result to the account that this document was made with"
PICTURE_HIDDEN = "The picture: the record does not show it to the account that this document was made with."
NOBODY_SAID = "The record does not say who did this, or when."


@pytest.fixture
def made() -> Clinic:
    return clinic(SHOT)


@pytest.fixture
def lines() -> Iterator[list[dict[str, object]]]:
    with structlog.testing.capture_logs() as found:
        yield found  # type: ignore[misc] # structlog gives its lines as mutable mappings


def desk(made: Clinic) -> Desk:
    return Desk(made.card, ZoneInfo("Europe/Berlin"), _contents, side_px_max=900, pixels_max=10**8)


def document(made: Clinic, wish: str = "", *, banner: bool = True) -> TestResponse:
    """The answer to a reader who asks for the report's text; `banner`: their EHR shows no patient of its own."""
    session = reader(banner=banner)
    room = blueprint(lambda _session: made.record.client(), desk(made), "A4", lambda *_: False)
    return make_app([room], FixedSessions(session), ServeSettings()).test_client().get(f"{made.path}.txt{wish}")


def page(made: Clinic, *, banner: bool = True) -> TestResponse:
    made.sessions.now = reader(banner=banner)
    return made.app().test_client().get(made.path)


def text(answer: TestResponse) -> str:
    return " ".join(answer.text.split())


def of_kind(made: Clinic, kind: str) -> list[str]:
    return [each for each in made.record.resources if each.startswith(f"{kind}/")]


def signed(made: Clinic, status: str = "final") -> None:
    """Somebody acted by another program: the Provenance alone says what they did."""
    reference = f"DiagnosticReport/{made.report['id']}"
    made.changed(status=status)
    made.record.keep(act_on(reference, Act.OVERRIDE, "Practitioner/page-dr-2", made.now))


@pytest.mark.parametrize("status", [*RIGHTS, 404])
def test_a_report_that_is_kept_from_a_reader_is_not_there_as_on_the_page(made: Clinic, lines: list[Json], status: int) -> None:
    made.record.refused[f"DiagnosticReport/{made.report['id']}"] = status
    assert document(made).status_code == page(made).status_code == 404
    assert [each for each in lines if each["log_level"] == "warning"] == []


@pytest.mark.parametrize("status", RIGHTS)
def test_results_that_are_kept_from_a_reader_are_no_document_and_no_lack_of_results(made: Clinic, lines: list[Json], status: int) -> None:
    made.record.refused[of_kind(made, "Observation")[0]] = status
    answer = document(made)
    assert (answer.status_code, "Retry-After" in answer.headers) == (403, False)
    assert "This document cannot be made with your access" in answer.text
    assert "does not answer" not in answer.text
    assert [each["log_level"] for each in lines if each["log_level"] != "info"] == []


@pytest.mark.parametrize("status", RIGHTS)
@pytest.mark.parametrize("stands", ["preliminary", "final"])
def test_acts_that_are_kept_from_a_reader_are_told_as_kept(made: Clinic, lines: list[Json], stands: str, status: int) -> None:
    signed(made, stands)
    assert ACTS_HIDDEN not in text(document(made))
    made.record.refused["Provenance"] = status
    answer = document(made)
    assert (answer.status_code, ACTS_HIDDEN in text(answer), NOBODY_SAID in text(answer)) == (200, True, False)
    assert [each for each in lines if each["log_level"] == "warning"] == []


def test_a_signed_result_whose_acts_are_kept_is_not_printed_as_agreed_with(made: Clinic) -> None:
    signed(made)
    made.record.refused["Provenance"] = 403
    assert "The AI had said: " in text(document(made))


@pytest.mark.parametrize("status", RIGHTS)
def test_a_media_that_is_kept_from_a_reader_is_told_as_kept(made: Clinic, lines: list[Json], status: int) -> None:
    assert PICTURE_HIDDEN not in text(document(made))
    made.record.refused["Media/page-m1"] = status
    answer = document(made)
    assert (answer.status_code, PICTURE_HIDDEN in text(answer), "Trunk" in text(answer)) == (200, True, True)
    assert [each for each in lines if each["log_level"] == "warning"] == []


def test_a_body_site_that_only_a_hidden_media_states_is_not_called_unstated() -> None:
    made = clinic(SHOT, not_assessable())
    assert "Trunk" in text(document(made))
    made.record.refused["Media/page-m1"] = 403
    answer = text(document(made))
    assert ("Body site not shown" in answer, "Body site not stated" in answer) == (True, False)


def test_bytes_that_are_kept_from_a_reader_are_told_as_kept(made: Clinic) -> None:
    made.record.keep({**made.record.resources["Media/page-m1"], "content": {"contentType": "image/png", "url": "Binary/b1"}})
    made.record.refused["Binary/b1"] = 403
    answer = document(made)
    assert (answer.status_code, PICTURE_HIDDEN in text(answer)) == (200, True)


@pytest.mark.parametrize("status", [*RIGHTS, 404])
def test_a_patient_who_is_to_be_named_and_is_not_shown_is_as_on_the_page(made: Clinic, status: int) -> None:
    made.record.refused["Patient/page-p1"] = status
    assert document(made).status_code == page(made).status_code == 404
    assert document(made, "?patient=yes", banner=False).status_code == 404
    assert document(made, banner=False).status_code == page(made, banner=False).status_code == 200


@pytest.mark.parametrize("kind", ["DiagnosticReport", "Observation", "Media", "Provenance"])
def test_a_record_that_is_away_is_still_waited_for(made: Clinic, kind: str) -> None:
    refused = ["Provenance"] if kind == "Provenance" else of_kind(made, kind)
    made.record.refused |= dict.fromkeys(refused, 503)
    answer = document(made)
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("DiagnosticReport", "the record has no such report, or does not show it to Tocsin"),
        ("Observation", "the record does not show Tocsin Observation/"),
        ("Patient", "the record has no Patient/page-p1, whom --patient asks to name, or does not show it to Tocsin"),
    ],
)
def test_tocsin_print_says_what_its_token_is_not_shown(made: Clinic, capsys: pytest.CaptureFixture[str], kind: str, said: str) -> None:
    report = f"DiagnosticReport/{made.report['id']}"
    made.record.refused |= dict.fromkeys(of_kind(made, kind), 403)
    press = _Press(desk(made), made.record.client(), Size.A4, Language("en"), patient=True, picture=False)
    with pytest.raises(Exit) as ending, _known(report):
        press.text(report)
    assert ending.value.exit_code == 1
    assert said in " ".join(capsys.readouterr().err.split())
