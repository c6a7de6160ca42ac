"""What the record does not give, or not now, is told as that: never as another thing, and no result stands before eyes that look first."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from tocsin.fhir.datatypes import Json
from tocsin.review.types import Act
from tocsin.serve.types import Role

from tests.fakes.page import COLLEAGUE, NAME, NOW, Clinic, act_on, clinic, media_of, patient, reader
from tests.support.pictures import encoded, textured

PICTURE = encoded(textured(64, 48))
MEDIA = "Media/page-m1"
PATIENT = "Patient/page-p1"
AWAY = [429, 500, 503]
UNSEEN = "The picture of this report is not shown to you"
ACTED = "Withdrew the result"
WRONG_PATIENT = [{"coding": [{"system": "urn:test", "code": "wrong-patient"}], "text": "Wrong patient"}]


def visit(made: Clinic) -> FlaskClient:
    """A reader's browser."""
    return made.app().test_client()


def listed(made: Clinic) -> str:
    """The list of the patient's reports."""
    return visit(made).get("/reports", follow_redirects=True).text


def blind() -> Clinic:
    """A clinic whose reader looks first."""
    return clinic(PICTURE, blind=frozenset({Role.READER}))


def has_looked(made: Clinic) -> bool:
    """Whether the result, in whatever form, is open to the clinic's reader."""
    return not made.looks.at(reader().reader, f"DiagnosticReport/{made.report['id']}").is_none


class TestWhoLooksFirst:
    """Is shown no result of a picture that was not read, and is asked once it is."""

    @pytest.mark.parametrize("status", AWAY)
    def test_a_picture_that_is_not_given_now_is_waited_for(self, status: int) -> None:
        made = blind()
        made.record.refused[MEDIA] = status
        answer = visit(made).get(made.path)
        assert (answer.status_code, answer.headers["Retry-After"], "Raised" in answer.text) == (503, "10", False)

    @pytest.mark.parametrize("status", [403, 404, 410, 400])
    def test_without_a_right_to_the_picture_that_is_all_there_is_to_say(self, status: int) -> None:
        made = blind()
        made.record.refused[MEDIA] = status
        answer = visit(made).get(made.path)
        assert (answer.status_code, UNSEEN in answer.text) == (403, True)
        assert [each for each in ("Raised", "score", "bad at", NAME) if each in answer.text] == []

    @pytest.mark.parametrize("status", [403, 503])
    def test_the_first_look_is_asked_for_afterwards_and_no_document_is_open_before(self, status: int) -> None:
        made = blind()
        made.record.refused[MEDIA] = status
        visit(made).get(made.path)
        assert not has_looked(made)
        del made.record.refused[MEDIA]
        page = visit(made).get(made.path).text
        assert ("What do you see?" in page, "Raised" in page) == (True, False)

    def test_a_report_that_names_no_picture_shows_no_result_either(self) -> None:
        made = blind()
        made.changed(media=[])
        answer = visit(made).get(made.path)
        assert (answer.status_code, "Raised" in answer.text) == (403, False)

    def test_a_picture_that_was_read_and_is_withdrawn_holds_nothing_back(self) -> None:
        made = blind()
        made.record.keep(made.record.resources[MEDIA] | {"status": "entered-in-error"})
        page = visit(made).get(made.path).text
        assert ("The picture was withdrawn" in page, has_looked(made)) == (True, True)

    @pytest.mark.parametrize("status", [403, 503])
    def test_a_result_that_a_clinician_reviewed_is_shown(self, status: int) -> None:
        made = blind()
        made.changed(status="final")
        made.record.refused[MEDIA] = status
        assert visit(made).get(made.path).status_code == 200

    @pytest.mark.parametrize("status", [403, 503])
    def test_who_need_not_look_first_goes_without_the_picture(self, status: int) -> None:
        made = clinic(PICTURE)
        made.record.refused[MEDIA] = status
        assert "Raised" in visit(made).get(made.path).text


class TestHistory:
    """Is this report's, whatever the server searches by."""

    @staticmethod
    def _of_another(made: Clinic, id_: str = "of-another-patient") -> Json:
        return act_on(f"DiagnosticReport/{id_}", Act.WITHDRAW, COLLEAGUE, NOW, WRONG_PATIENT, verdict=id_)

    def test_an_act_on_another_report_is_not_told_as_on_this(self) -> None:
        made = clinic(PICTURE)
        made.changed(status="final")
        made.record.keep(self._of_another(made))
        made.record.unknown_parameters = frozenset({"target"})
        page = visit(made).get(made.path).text
        assert (ACTED in page, "Made the result" in page) == (False, True)

    def test_a_server_that_refuses_the_search_is_not_taken_for_one_without_acts(self) -> None:
        made = clinic(PICTURE)
        made.record.unknown_parameters, made.record.heeds_prefer = frozenset({"target"}), True
        page = visit(made).get(made.path).text
        assert ("The record does not give it now" in page, "The record holds no acts" in page) == (True, False)

    def test_where_others_acts_fill_the_answer_this_reports_are_not_known(self) -> None:
        made = clinic(PICTURE)
        others = [self._of_another(made, f"r{number}") for number in range(3)]
        made.record.resources = {f"Provenance/{each['id']}": each for each in others} | made.record.resources
        made.record.unknown_parameters, made.record.page_max = frozenset({"target"}), 2
        page = visit(made).get(made.path).text
        assert ("The record does not give it now" in page, "The record holds no acts" in page, ACTED in page) == (True, False, False)


class TestPatient:
    """Who is to be named stands above each result, or there is none."""

    @pytest.mark.parametrize("path", ["", "/reports"])
    @pytest.mark.parametrize("status", AWAY)
    def test_a_patient_who_is_not_given_now_is_waited_for(self, status: int, path: str) -> None:
        made = clinic(PICTURE)
        made.record.refused[PATIENT] = status
        answer = visit(made).get(path or made.path, follow_redirects=True)
        assert (answer.status_code, answer.headers.get("Retry-After"), "Raised" in answer.text) == (503, "10", False)

    @pytest.mark.parametrize("path", ["", "/reports"])
    def test_without_a_right_to_the_patient_no_result_is_shown(self, path: str) -> None:
        made = clinic(PICTURE)
        made.record.refused[PATIENT] = 403
        answer = visit(made).get(path or made.path, follow_redirects=True)
        assert (answer.status_code, "Raised" in answer.text) == (404, False)

    @pytest.mark.parametrize("path", ["", "/reports"])
    @pytest.mark.parametrize("status", [403, 503])
    def test_an_ehr_that_shows_the_banner_itself_waits_for_none(self, status: int, path: str) -> None:
        made = clinic(PICTURE)
        made.sessions.now = reader(banner=False)
        made.record.refused[PATIENT] = status
        assert "Raised" in visit(made).get(path or made.path, follow_redirects=True).text


class TestList:
    """ "None" is said where all were looked through, and never before."""

    @staticmethod
    def _among(made: Clinic, others: int) -> None:
        """Others' reports on the patient before Tocsin's, on pages of ten, of a server that searches by no identifier."""
        report, base = made.report, {"resourceType": "DiagnosticReport", "status": "final", "subject": {"reference": PATIENT}}
        del made.record.resources[f"DiagnosticReport/{report['id']}"]
        made.record.keep(*({**base, "id": f"lab-{number}"} for number in range(others)), report)
        made.record.unknown_parameters, made.record.page_max = frozenset({"identifier"}), 10

    def test_a_report_on_a_later_page_is_found(self) -> None:
        made = clinic(PICTURE)
        path = made.path
        self._among(made, 25)
        page = listed(made)
        assert (f'href="{path}"' in page, "There may be more" in page) == (True, False)

    def test_what_lies_behind_the_bound_is_not_told_as_none(self) -> None:
        made = clinic(PICTURE)
        self._among(made, 500)
        page = listed(made)
        assert ("There are none" in page, "Not all reports of this patient could be looked through" in page) == (False, True)
        assert len([each for each in made.record.asked if each.startswith("DiagnosticReport?")]) == 5

    def test_a_search_that_breaks_off_is_not_told_as_none(self) -> None:
        made = clinic(PICTURE)
        made.record.keep({**made.report, "subject": {"reference": "Patient/p2"}})
        made.record.goes_on = True
        page = listed(made)
        assert ("There are none" in page, "Not all reports of this patient could be looked through" in page) == (False, True)

    def test_none_is_said_where_all_were_looked_through(self) -> None:
        made = clinic(PICTURE)
        made.record.keep(patient(id="p2"))
        made.sessions.now = reader(patient="Patient/p2")
        page = listed(made)
        assert ("There are none" in page, "Not all reports" in page) == (True, False)


class TestEarlierPictures:
    """That the record holds none is said where all pictures were looked through, and never before."""

    NONE = "The record holds none of this lesion or body site."
    NOT_ALL = "Not all pictures of this patient could be looked through"

    @staticmethod
    def _behind(others: int, made: Clinic) -> str:
        """The page of a report whose lesion's earlier picture stands behind this many newer ones of another lesion, one on each page."""
        newer = (media_of(f"n{number}", b"", lesion="l2", day="2026-02-01") for number in range(others))
        made.record.keep(*newer, media_of("m0", b"", day="2024-03-01"))
        made.record.page_max = 1
        return visit(made).get(made.path).text

    def test_one_on_a_later_page_is_found(self) -> None:
        page = self._behind(3, made := clinic(PICTURE))
        assert (f"{made.path}/earlier/m0" in page, self.NONE in page, self.NOT_ALL in page) == (True, False, False)

    def test_what_lies_behind_the_bound_is_not_told_as_none(self) -> None:
        page = self._behind(4, made := clinic(PICTURE))
        assert (self.NONE in page, f"{self.NOT_ALL}. Among those that were there is none" in page) == (False, True)
        assert len([each for each in made.record.asked if each.startswith("Media?")]) == 5

    def test_those_that_were_found_are_not_told_as_all(self) -> None:
        made = clinic(PICTURE)
        made.record.keep(media_of("m1", b"", day="2025-03-01"))
        page = self._behind(4, made)
        assert (f"{made.path}/earlier/m1" in page, f"{self.NOT_ALL}: there may be more." in page) == (True, True)

    def test_a_search_that_breaks_off_is_not_told_as_none(self) -> None:
        made = clinic(PICTURE)
        made.record.goes_on = True
        page = visit(made).get(made.path).text
        assert (self.NONE in page, self.NOT_ALL in page) == (False, True)

    def test_none_is_said_where_all_were_looked_through(self) -> None:
        page = visit(made := clinic(PICTURE)).get(made.path).text
        assert (self.NONE in page, self.NOT_ALL in page) == (True, False)


@pytest.mark.parametrize(("status", "told"), [(403, 404), (503, 503)])
def test_bytes_that_the_record_keeps_from_the_reader_are_no_outage(status: int, told: int) -> None:
    made = clinic(PICTURE)
    content = {name: value for name, value in made.record.resources[MEDIA]["content"].items() if name != "data"}
    made.record.keep(made.record.resources[MEDIA] | {"content": content | {"url": "Binary/b1"}})
    made.record.refused["Binary/b1"] = status
    assert visit(made).get(f"{made.path}/picture").status_code == told
