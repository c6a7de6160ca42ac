"""A verdict is an act: given once, by its reader, on what they saw; and nothing else counts as one."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from tocsin.review.types import Act, State, Verdict
from tocsin.serve.page.looks import Impression
from tocsin.serve.types import Role
from werkzeug.test import TestResponse

from tests.fakes.page import CLINICIAN, COLLEAGUE, NAME, Clinic, clinic, not_assessable, patient, reader
from tests.support.pictures import encoded, textured

PICTURE = encoded(textured(64, 48))


def visit(made: Clinic) -> FlaskClient:
    """A reader's browser."""
    return made.app().test_client()


def fields(page: str) -> dict[str, str]:
    """The hidden fields of the page's forms."""
    return dict(re.findall(r'<input type="hidden" name="([a-z_-]+)" value="([^"]*)"', page))


def given(browser: FlaskClient, made: Clinic, act: str, **more: str) -> TestResponse:
    """The answer to a verdict that is given on the page as it is now."""
    hidden = fields(browser.get(made.path).get_data(as_text=True))
    return browser.post(f"{made.path}/verdict", data=hidden | {"act": act, **more})


def verdicts(made: Clinic) -> list[Verdict]:
    """What was taken."""
    return [each for each, _ in made.desk.kept.values()]


class TestGiving:
    """Each act with what it needs, and the page afterwards."""

    @pytest.mark.parametrize(
        ("act", "more", "status"),
        [
            ("accept", {}, "final"),
            ("override", {"code-override": "clinically-benign"}, "final"),
            ("correct", {"code-correct": "mel"}, "amended"),
            ("not-assessable", {"code-not-assessable": "out-of-focus"}, "amended"),
            ("withdraw", {"code-withdraw": "wrong-patient", "confirmed": "yes"}, "entered-in-error"),
        ],
    )
    def test_is_taken_once_and_leads_back_to_the_page(self, act: str, more: dict[str, str], status: str) -> None:
        made = clinic(PICTURE)
        browser = visit(made)
        answer = given(browser, made, act, **more)
        (verdict,) = verdicts(made)
        assert (verdict.act.value, verdict.code) == (act, more.get(f"code-{act}"))
        assert (answer.status_code, answer.location) == (303, f"{made.path}?verdict={verdict.id}")
        assert made.report["status"] == status
        page = browser.get(answer.location).get_data(as_text=True)
        assert "Your verdict is in the record." in page
        assert 'role="status"' in page

    def test_without_the_card_of_the_model_that_judged_the_classes_of_the_one_in_use_are_named(self) -> None:
        made = clinic(PICTURE, card_at_hand=False)
        page = visit(made).get(made.path).get_data(as_text=True)
        assert '<option value="mel">' in page
        assert "These are the classes of the model that is in use now" in page
        given(visit(made), made, "correct", **{"code-correct": "mel"})
        assert [(each.act, each.code) for each in verdicts(made)] == [(Act.CORRECT, "mel")]
        assert made.report["status"] == "amended"

    def test_says_who_acted_on_what_and_when(self) -> None:
        made = clinic(PICTURE)
        browser = visit(made)
        browser.get(made.path)
        made.now += timedelta(seconds=40)
        given(browser, made, "accept")
        (verdict,) = verdicts(made)
        assert (verdict.clinician, verdict.subject, verdict.media, verdict.report_version) == (
            CLINICIAN,
            "Patient/page-p1",
            "Media/page-m1",
            "1",
        )
        assert verdict.opened_at is not None
        assert verdict.decided_at - verdict.opened_at == timedelta(seconds=40)

    def test_the_same_form_sent_twice_is_the_very_same_act(self) -> None:
        made = clinic(PICTURE)
        browser = visit(made)
        form = fields(browser.get(made.path).get_data(as_text=True)) | {"act": "accept"}
        first = browser.post(f"{made.path}/verdict", data=form)
        made.now += timedelta(seconds=3)
        second = browser.post(f"{made.path}/verdict", data=form)
        assert first.location == second.location
        assert len(verdicts(made)) == 1
        assert "Your verdict is in the record." in browser.get(second.location).get_data(as_text=True)

    @pytest.mark.parametrize(("again", "same"), [({"act": "accept"}, True), ({"act": "correct", "code-correct": "mel"}, False)])
    def test_a_form_that_another_process_took_is_the_same_verdict_or_with_another_act_another_one(
        self, again: dict[str, str], same: bool
    ) -> None:
        ids = []
        made = clinic(PICTURE)
        form = fields(visit(made).get(made.path).get_data(as_text=True))
        for act in ({"act": "accept"}, again):
            answer = visit(made).post(f"{made.path}/verdict", data=form | act)
            ids.append(answer.location.partition("?verdict=")[2])
        assert (ids[0] == ids[1]) is same
        assert len(verdicts(made)) == len(set(ids))

    def test_a_form_that_was_sent_takes_no_other_act(self) -> None:
        made = clinic(PICTURE)
        browser = visit(made)
        form = fields(browser.get(made.path).get_data(as_text=True))
        browser.post(f"{made.path}/verdict", data=form | {"act": "accept"})
        answer = browser.post(f"{made.path}/verdict", data=form | {"act": "correct", "code-correct": "mel"})
        assert answer.status_code == 422
        assert len(verdicts(made)) == 1

    @pytest.mark.parametrize(
        "wrong",
        [
            {},
            {"act": "undo"},
            {"act": "burn"},
            {"act": "override"},
            {"act": "override", "code-override": "out-of-focus"},
            {"act": "correct", "code-correct": "lentigo"},
            {"act": "not-assessable", "code-not-assessable": ""},
            {"act": "accept", "submission": "1"},
            {"act": "accept", "report_version": ""},
        ],
    )
    def test_a_form_that_does_not_say_what_it_must_records_nothing(self, wrong: dict[str, str]) -> None:
        made = clinic(PICTURE)
        browser = visit(made)
        form = fields(browser.get(made.path).get_data(as_text=True)) | wrong
        answer = browser.post(f"{made.path}/verdict", data=form)
        assert answer.status_code == 422
        assert "Nothing was recorded." in answer.get_data(as_text=True)
        assert verdicts(made) == []

    def test_opening_and_closing_the_page_is_no_act(self) -> None:
        made = clinic(PICTURE)
        visit(made).get(made.path)
        assert (verdicts(made), made.report["status"]) == ([], "preliminary")


class TestDoors:
    """Who may give one."""

    @pytest.mark.parametrize("path", ["verdict", "undo", "first-look"])
    @pytest.mark.parametrize("csrf", [None, "", "another's", "ü"])
    def test_a_form_that_is_not_the_sessions_own_is_refused(self, path: str, csrf: str | None) -> None:
        made = clinic(PICTURE)
        browser = visit(made)
        form = fields(browser.get(made.path).get_data(as_text=True)) | {"act": "accept"}
        form.pop("csrf")
        answer = browser.post(f"{made.path}/{path}", data=form if csrf is None else form | {"csrf": csrf})
        assert (answer.status_code, verdicts(made)) == (403, [])

    @pytest.mark.parametrize(("change", "status"), [({"roles": frozenset({Role.OPERATOR})}, 403), ({"patient": "Patient/p2"}, 409)])
    def test_the_right_is_shown_again_with_the_readers_token(self, change: dict[str, object], status: int) -> None:
        made = clinic(PICTURE)
        browser = visit(made)
        form = fields(browser.get(made.path).get_data(as_text=True)) | {"act": "accept"}
        made.sessions.now = reader(**change)
        assert browser.post(f"{made.path}/verdict", data=form).status_code == status
        assert verdicts(made) == []

    def test_a_reader_who_lost_the_right_meanwhile_gives_none(self) -> None:
        made = clinic(PICTURE)
        browser = visit(made)
        form = fields(browser.get(made.path).get_data(as_text=True)) | {"act": "accept"}
        made.record.refused["Media/page-m1"] = 403
        assert browser.post(f"{made.path}/verdict", data=form).status_code == 404
        assert verdicts(made) == []


class TestWithdrawing:
    """It is asked for twice, and hides the picture."""

    def test_is_asked_once_more_before_anything_happens(self) -> None:
        made = clinic(PICTURE)
        browser = visit(made)
        answer = given(browser, made, "withdraw", **{"code-withdraw": "wrong-patient"})
        page = answer.get_data(as_text=True)
        assert (answer.status_code, verdicts(made)) == (200, [])
        assert "Withdraw this result?" in page
        assert "Wrong patient" in page
        browser.post(f"{made.path}/verdict", data=fields(page))
        assert [each.act for each in verdicts(made)] == [Act.WITHDRAW]

    @pytest.mark.parametrize("banner", [True, False])
    def test_the_second_asking_names_whose_result_it_is_where_no_ehr_does_and_a_doubt_about_that_always(self, banner: bool) -> None:
        made = clinic(PICTURE)
        made.record.keep(patient(active=False))
        made.sessions.now = reader(banner=banner)
        page = given(visit(made), made, "withdraw", **{"code-withdraw": "wrong-patient"}).text
        assert "Withdraw this result?" in page
        assert (NAME in page) is banner
        assert "was merged into another, or is no longer active" in page

    def test_a_withdrawn_result_shows_neither_picture_nor_score(self) -> None:
        made = clinic(PICTURE)
        browser = visit(made)
        given(browser, made, "withdraw", **{"code-withdraw": "wrong-patient", "confirmed": "yes"})
        page = browser.get(made.path).get_data(as_text=True)
        assert "This result does not count" in page
        assert not re.search(r"<img|0\.170|Raised", page)


class TestUndoing:
    """The reader's own last act, and no other's."""

    def test_takes_back_what_the_reader_did(self) -> None:
        made = clinic(PICTURE)
        browser = visit(made)
        given(browser, made, "accept")
        form = fields(browser.get(made.path).get_data(as_text=True).partition("undo")[2])
        answer = browser.post(f"{made.path}/undo", data=form)
        first, second = verdicts(made)
        assert (second.act, second.undoes) == (Act.UNDO, first.id)
        assert made.report["status"] == "preliminary"
        assert "Took back the last verdict" in browser.get(answer.location).get_data(as_text=True)

    def test_is_not_offered_for_a_colleagues_act(self) -> None:
        made = clinic(PICTURE)
        browser = visit(made)
        made.sessions.now = reader(clinician=COLLEAGUE)
        given(browser, made, "accept")
        made.sessions.now = reader()
        assert "Take back my verdict" not in browser.get(made.path).get_data(as_text=True)

    def test_names_a_verdict_or_is_refused(self) -> None:
        made = clinic(PICTURE)
        browser = visit(made)
        form = fields(browser.get(made.path).get_data(as_text=True)) | {"undoes": "x"}
        assert browser.post(f"{made.path}/undo", data=form).status_code == 422


class TestStandings:
    """What became of a verdict is on the page, whatever it was."""

    def test_a_waiting_one_is_shown_as_not_yet_in_the_record(self) -> None:
        made = clinic(PICTURE)
        made.desk.state = State.WAITING
        browser = visit(made)
        given(browser, made, "accept")
        page = browser.get(made.path).get_data(as_text=True)
        assert "Your verdict is kept, and not yet in the record." in page
        assert "not yet reviewed by a clinician" in page

    def test_a_colleague_sees_that_it_waits(self) -> None:
        made = clinic(PICTURE)
        made.desk.state = State.WAITING
        browser = visit(made)
        given(browser, made, "accept")
        made.sessions.now = reader(clinician=COLLEAGUE)
        assert "Another clinician&#39;s verdict is kept, and not yet in the record." in browser.get(made.path).get_data(as_text=True)

    def test_a_refused_one_is_kept_and_said(self) -> None:
        made = clinic(PICTURE)
        made.desk.state = State.REFUSED
        browser = visit(made)
        given(browser, made, "accept")
        assert "the record refuses it" in browser.get(made.path).get_data(as_text=True)

    def test_once_the_record_has_it_it_waits_no_more(self) -> None:
        made = clinic(PICTURE)
        made.desk.state = State.WAITING
        browser = visit(made)
        given(browser, made, "accept")
        (verdict,) = verdicts(made)
        made.desk.kept.clear()
        made.desk.state = State.RECORDED
        made.desk.submit(verdict)
        made.desk.kept.clear()
        assert "not yet in the record" not in browser.get(made.path).get_data(as_text=True)

    def test_the_second_of_two_clinicians_sees_the_firsts_act_and_decides_again(self) -> None:
        made = clinic(PICTURE)
        browser = visit(made)
        form = fields(browser.get(made.path).get_data(as_text=True)) | {"act": "accept"}
        made.sessions.now = reader(clinician=COLLEAGUE)
        given(browser, made, "override", **{"code-override": "clinically-benign"})
        made.sessions.now = reader()
        answer = browser.post(f"{made.path}/verdict", data=form)
        page = browser.get(answer.location).get_data(as_text=True)
        assert "the result had changed since you opened it" in page
        assert "Disagreed: Looks benign on examination" in page
        assert "Dr. Ben Beispiel" in page
        assert "Record my verdict" in page

    def test_a_bus_that_does_not_take_it_is_said_with_the_form_to_send_again(self) -> None:
        made = clinic(PICTURE)
        made.desk.bus_is_away = True
        browser = visit(made)
        answer = given(browser, made, "override", **{"code-override": "other"})
        assert (answer.status_code, verdicts(made)) == (503, [])
        made.desk.bus_is_away = False
        browser.post(f"{made.path}/verdict", data=fields(answer.get_data(as_text=True)))
        assert [(each.act, each.code) for each in verdicts(made)] == [(Act.OVERRIDE, "other")]


class TestFirstLook:
    """Before the AI's result is shown, where a role's setting asks for it."""

    def test_nothing_of_the_result_is_in_the_bytes_before(self) -> None:
        made = clinic(PICTURE, blind=frozenset({Role.READER}))
        page = visit(made).get(made.path).get_data(as_text=True)
        card = made.card
        told = [each.display for each in card.output.classes] + [each.display for each in card.operating_point.bands]
        told += [*map(str, card.limits), *(each.sentence for each in card.operating_point.bands), "0.17", "score"]
        assert [each for each in told if each.casefold() in page.casefold()] == []

    def test_what_was_not_assessable_is_not_told_either(self) -> None:
        made = clinic(PICTURE, not_assessable(), blind=frozenset({Role.READER}))
        page = visit(made).get(made.path).get_data(as_text=True)
        assert [each for each in ("assessable", "too dark") if each in page] == []

    def test_is_kept_with_the_verdict(self) -> None:
        made = clinic(PICTURE, blind=frozenset({Role.READER}))
        browser = visit(made)
        form = fields(browser.get(made.path).get_data(as_text=True))
        answer = browser.post(f"{made.path}/first-look", data=form | {"impression": "benign"})
        page = browser.get(answer.location).get_data(as_text=True)
        assert "Raised" in page
        assert "Your first look, before this result was shown: Benign" in page
        given(browser, made, "accept")
        assert [each.first_look for each in verdicts(made)] == ["benign"]

    def test_the_first_answer_holds(self) -> None:
        made = clinic(PICTURE, blind=frozenset({Role.READER}))
        browser = visit(made)
        form = fields(browser.get(made.path).get_data(as_text=True))
        for impression in ("benign", "suspicious"):
            browser.post(f"{made.path}/first-look", data=form | {"impression": impression})
            browser.get(made.path)
        assert made.looks.at(reader().reader, f"DiagnosticReport/{made.report['id']}").impression is Impression.BENIGN

    def test_whoever_has_not_looked_gives_no_verdict(self) -> None:
        made = clinic(PICTURE, blind=frozenset({Role.READER}))
        browser = visit(made)
        form = {"csrf": reader().csrf, "submission": "0" * 32, "report_version": "1", "act": "accept"}
        answer = browser.post(f"{made.path}/verdict", data=form)
        assert (answer.status_code, "Raised" in answer.text, verdicts(made)) == (422, False, [])
        assert "Nothing was recorded." in answer.text
        assert "no first look of yours at this picture is known. Say what you see" in answer.text
        assert "What do you see?" in answer.text

    def test_whoever_has_not_looked_is_told_so_in_their_language(self) -> None:
        made = clinic(PICTURE, blind=frozenset({Role.READER}))
        made.sessions.now = reader(language="de")
        form = {"csrf": reader().csrf, "submission": "0" * 32, "report_version": "1", "act": "accept"}
        page = visit(made).post(f"{made.path}/verdict", data=form).text
        assert "Es wurde nichts eingetragen." in page
        assert "Ihr Urteil wurde nicht angenommen" in page

    @pytest.mark.parametrize("impression", ["", "cancer"])
    def test_is_asked_again_until_it_is_one_of_those_offered(self, impression: str) -> None:
        made = clinic(PICTURE, blind=frozenset({Role.READER}))
        browser = visit(made)
        form = fields(browser.get(made.path).get_data(as_text=True))
        answer = browser.post(f"{made.path}/first-look", data=form | {"impression": impression})
        assert "What do you see?" in browser.get(answer.location).get_data(as_text=True)

    def test_other_roles_are_not_asked(self) -> None:
        made = clinic(PICTURE, blind=frozenset({Role.LEAD}))
        assert "Raised" in visit(made).get(made.path).get_data(as_text=True)
