"""The page is read by the reader's own token, fails closed, and leaves no patient anywhere but on the page."""

from __future__ import annotations

import hashlib
import logging
import re
from html import unescape
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from PIL import Image
from tocsin.serve.types import Role

from tests.fakes.page import NAME, Clinic, clinic, media_of, not_assessable, patient, reader, reference_card
from tests.fakes.record import BASE
from tests.support.pictures import encoded, textured
from tests.support.site_files import at_site

PICTURE = encoded(textured(64, 48))
OTHER = encoded(textured(64, 48, seed=2), "PNG")


def visit(made: Clinic) -> FlaskClient:
    """A reader's browser."""
    return made.app().test_client()


class TestWhoMayRead:
    """Whoever may not read a report learns nothing of it."""

    def test_every_read_carries_the_readers_own_token(self) -> None:
        made = clinic(PICTURE)
        visit(made).get(made.path)
        visit(made).get(f"{made.path}/picture")
        assert set(made.record.tokens) == {"Bearer readers-token"}

    @pytest.mark.parametrize("path", ["", "/picture", "/earlier/page-m1"])
    @pytest.mark.parametrize("status", [403, 404, 410])
    def test_a_report_that_the_record_does_not_give_is_not_there(self, path: str, status: int) -> None:
        made = clinic(PICTURE)
        made.record.refused[f"DiagnosticReport/{made.report['id']}"] = status
        answer = visit(made).get(made.path + path)
        assert answer.status_code == 404
        assert not [each for each in made.record.asked if each.startswith(("Patient", "Observation", "Media?"))]

    @pytest.mark.parametrize(("status", "code"), [(451, "suppressed"), (422, "forbidden"), (404, "security")])
    def test_a_report_that_rights_keep_from_the_reader_is_not_there_however_the_server_says_so(self, status: int, code: str) -> None:
        made = clinic(PICTURE)
        made.record.refusal = code
        made.record.refused[f"DiagnosticReport/{made.report['id']}"] = status
        assert visit(made).get(made.path).status_code == 404

    def test_nothing_else_is_asked_before_it_is_known_whose_report_it_is(self) -> None:
        made = clinic(PICTURE, sessions_patient="Patient/p2")
        assert visit(made).get(made.path).status_code == 409
        assert [each.partition("?")[0].partition("/")[0] for each in made.record.asked] == ["DiagnosticReport", "Provenance"]

    @pytest.mark.parametrize("id_", ["..", "a b", "x" * 65, "%2e%2e"])
    def test_what_is_no_id_asks_for_nothing(self, id_: str) -> None:
        made = clinic(PICTURE)
        assert visit(made).get(f"/reports/{id_}").status_code == 404
        assert made.record.asked == []

    @pytest.mark.parametrize("path", ["", "/picture", "/earlier/page-m1"])
    def test_without_a_session_nothing_is_read(self, path: str) -> None:
        made = clinic(PICTURE)
        made.sessions.now = None
        assert visit(made).get(made.path + path).status_code == 401
        assert made.record.asked == []

    def test_a_token_that_ended_says_so_and_leads_to_the_log_in(self) -> None:
        made = clinic(PICTURE)
        made.record.refused[f"DiagnosticReport/{made.report['id']}"] = 401
        answer = visit(made).get(made.path)
        assert (answer.status_code, "Your EHR does not accept your log-in any more" in answer.text) == (401, True)
        (address,) = re.findall(r'class="button" href="([^"]+)"', answer.text)
        assert parse_qs(urlsplit(unescape(address)).query) == {"iss": [BASE], "report": [made.report["id"]]}

    def test_without_a_session_the_log_in_is_offered_for_the_same_report(self) -> None:
        made = clinic(PICTURE)
        made.sessions.now = None
        assert f'href="/launch?report={made.report["id"]}"' in visit(made).get(made.path).text

    @pytest.mark.parametrize(("roles", "status"), [({Role.OPERATOR}, 403), ({Role.READER}, 200), ({Role.LEAD}, 200), (set(), 403)])
    def test_each_role_has_its_door(self, roles: set[Role], status: int) -> None:
        made = clinic(PICTURE)
        made.sessions.now = reader(roles=frozenset(roles))
        for path in ("", "/picture"):
            assert visit(made).get(made.path + path).status_code == status

    def test_a_record_that_is_away_is_said_and_when_to_try_again(self) -> None:
        made = clinic(PICTURE)
        made.record.away = True
        answer = visit(made).get(made.path)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")


class TestOnePatient:
    """Report, picture and chart of one patient, or nothing."""

    @pytest.mark.parametrize("path", ["", "/picture"])
    def test_a_picture_of_another_patient_hides_all(self, path: str) -> None:
        made = clinic(PICTURE)
        made.record.keep(media_of("page-m1", PICTURE, subject={"reference": "Patient/p2"}))
        answer = visit(made).get(made.path + path)
        assert answer.status_code == 409
        assert b"Raised" not in answer.data
        assert NAME.encode() not in answer.data

    def test_an_earlier_picture_of_another_patient_is_not_there(self) -> None:
        made = clinic(PICTURE)
        made.record.keep(media_of("m0", OTHER, subject={"reference": "Patient/p2"}))
        assert visit(made).get(f"{made.path}/earlier/m0").status_code == 404

    def test_without_the_patient_no_banner_and_so_nothing(self) -> None:
        made = clinic(PICTURE)
        made.record.refused["Patient/page-p1"] = 403
        assert visit(made).get(made.path).status_code == 404

    def test_an_ehr_that_shows_the_banner_itself_gets_no_second_one(self) -> None:
        made = clinic(PICTURE)
        made.sessions.now = reader(banner=False)
        answer = visit(made).get(made.path)
        assert answer.status_code == 200
        assert NAME.encode() not in answer.data

    @pytest.mark.parametrize("kind", ["Provenance", "Media", "Practitioner/page-dr-1"])
    def test_what_the_page_does_without_may_be_refused(self, kind: str) -> None:
        made = clinic(PICTURE)
        made.record.refused[kind] = 403
        assert visit(made).get(made.path).status_code == 200


class TestPictures:
    """The bytes, through our origin."""

    def test_are_the_very_bytes_stated_as_what_they_are_and_kept_nowhere(self) -> None:
        made = clinic(PICTURE)
        answer = visit(made).get(f"{made.path}/picture")
        assert hashlib.sha256(answer.data).hexdigest() == hashlib.sha256(PICTURE).hexdigest()
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")

    def test_a_png_that_calls_itself_by_another_name_is_said_to_be_a_png(self) -> None:
        made = clinic(PICTURE)
        content = media_of("m0", OTHER)["content"] | {"contentType": "application/octet-stream"}
        made.record.keep(media_of("m0", OTHER, content=content))
        assert visit(made).get(f"{made.path}/earlier/m0").headers["Content-Type"] == "image/png"

    @pytest.mark.parametrize(
        ("content", "status"),
        [(b"<script>alert(1)</script>", 415), (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415), (PICTURE + b"\0" * 70_000_000, 413)],
        ids=["script", "svg", "too large"],
    )
    def test_what_is_no_picture_is_not_handed_on(self, content: bytes, status: int) -> None:
        made = clinic(PICTURE)
        made.record.keep(media_of("m0", content))
        answer = visit(made).get(f"{made.path}/earlier/m0")
        assert (answer.status_code, answer.data) == (status, b"")

    def test_bytes_that_changed_since_they_were_judged_are_not_shown(self) -> None:
        made = clinic(PICTURE)
        made.record.keep(media_of("page-m1", OTHER, content=media_of("page-m1", OTHER)["content"] | {"contentType": "image/png"}))
        answer = visit(made).get(f"{made.path}/picture")
        assert (answer.status_code, answer.data) == (409, b"")

    def test_bytes_of_another_hash_than_stated_are_not_shown(self) -> None:
        made = clinic(PICTURE)
        stated = media_of("m0", PICTURE)["content"]["hash"]
        other = PICTURE[:-3] + b"\0" + PICTURE[-2:]
        made.record.keep(media_of("m0", other, content=media_of("m0", other)["content"] | {"hash": stated}))
        answer = visit(made).get(f"{made.path}/earlier/m0")
        assert (answer.status_code, answer.data) == (409, b"")

    @pytest.mark.parametrize("address", ["https://evil.test/p.jpg", "file:///etc/passwd", "http://169.254.169.254/"])
    def test_an_address_that_the_site_does_not_list_is_not_asked(self, address: str) -> None:
        made = clinic(PICTURE)
        made.record.keep(media_of("m0", PICTURE, content={"contentType": "image/jpeg", "url": address}))
        assert visit(made).get(f"{made.path}/earlier/m0").status_code == 409

    def test_a_picture_that_moves_is_shown_still_as_it_was_judged(self) -> None:
        first, then = textured(64, 48), textured(64, 48, seed=2)
        moving = BytesIO()
        first.save(moving, "PNG", save_all=True, append_images=[then], duration=100)
        made = clinic(PICTURE)
        stated = media_of("m0", moving.getvalue())["content"] | {"contentType": "image/apng"}
        made.record.keep(media_of("m0", moving.getvalue(), content=stated))
        answer = visit(made).get(f"{made.path}/earlier/m0")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")
        with Image.open(moving) as before, Image.open(BytesIO(answer.data)) as shown:
            assert [getattr(each, "n_frames", 1) for each in (before, shown)] == [2, 1]
            assert shown.convert("RGB").tobytes() == first.tobytes()

    def test_a_withdrawn_result_gives_no_picture(self) -> None:
        made = clinic(PICTURE)
        made.changed(status="entered-in-error")
        assert visit(made).get(f"{made.path}/picture").status_code == 404
        assert visit(made).get(f"{made.path}/earlier/page-m1").status_code == 404


class TestCanary:
    """A patient's name stands on the page, and nowhere else."""

    @pytest.mark.parametrize("path", ["", "?with=m0", "/picture", "/earlier/m0"])
    def test_no_header_address_or_line_names_the_patient(self, path: str, caplog: Any, capsys: Any) -> None:
        made = clinic(PICTURE)
        made.record.keep(media_of("m0", PICTURE, day="2025-01-01"))
        with caplog.at_level(logging.DEBUG):
            answer = visit(made).get(made.path + path)
        assert answer.status_code == 200
        written = f"{answer.headers}{answer.request.url}{caplog.text}{capsys.readouterr()}"
        assert not [each for each in (*NAME.split(), "MRN-4711", "1961-05-04") if each in written]
        assert answer.headers["Cache-Control"] == "no-store"

    def test_the_title_names_nobody_and_neither_does_any_link(self) -> None:
        page = visit(made := clinic(PICTURE)).get(made.path).get_data(as_text=True)
        assert page.count(NAME) == 1
        head, _, _ = page.partition("</head>")
        assert "<title>Review of an AI result - Tocsin</title>" in head

    def test_an_error_says_nothing_of_the_patient(self) -> None:
        made = clinic(PICTURE)
        made.record.keep(
            patient(name=[{"family": NAME}]), media_of("page-m1", PICTURE, subject={"reference": f"Patient/{NAME.split()[1]}"})
        )
        assert NAME.split()[1] not in visit(made).get(made.path).get_data(as_text=True)


class TestNotLow:
    """What is missing is never low risk."""

    def test_not_assessable_says_that_it_says_nothing(self) -> None:
        page = visit(made := clinic(PICTURE, not_assessable())).get(made.path).get_data(as_text=True)
        assert "This says nothing about the patient&#39;s risk" in page
        assert "Below threshold" not in page

    def test_an_unreadable_result_says_so(self) -> None:
        made = clinic(PICTURE)
        made.changed(extension=[])
        assert "This result cannot be read" in visit(made).get(made.path).get_data(as_text=True)

    def test_without_a_sites_calibration_the_meaning_is_not_known(self) -> None:
        page = visit(made := clinic(PICTURE)).get(made.path).get_data(as_text=True)
        assert "It is not known here how often such a score means cancer" in page
        assert "pictures that scored like this" not in page

    def test_a_calibration_stands_in_place_of_the_limit_that_it_answers(self) -> None:
        limit, by = "Its score is not calibrated", "Its probability was calibrated on 200 pictures of st-elsewhere"
        alone = visit(made := clinic(PICTURE)).get(made.path).get_data(as_text=True)
        here = visit(made := clinic(PICTURE, card=at_site(reference_card()))).get(made.path).get_data(as_text=True)
        assert (limit in alone, by in alone) == (True, False)
        assert (limit in here, by in here) == (False, True)

    @pytest.mark.parametrize("status", [503, 403])
    def test_results_that_cannot_be_read_deny_nothing_that_the_record_says(self, status: int) -> None:
        made = clinic(PICTURE, card=at_site(reference_card()))
        for each in made.record.resources:
            if each.startswith("Observation/"):
                made.record.refused[each] = status
        page = visit(made).get(made.path).get_data(as_text=True)
        assert "Probability of malignancy 7.9 %" in page
        assert "Of 100 pictures that scored like this here" in page
        assert "The scores of some or all classes could not be read" in page
        for denied in ("is not a probability", "Its score is not calibrated", "Without a score in the report"):
            assert denied not in page

    def test_a_report_of_which_too_little_is_known_says_that_and_no_kind_of_number(self) -> None:
        made = clinic(PICTURE)
        made.changed(conclusion="Seen.")
        for each in made.record.resources:
            if each.startswith("Observation/"):
                made.record.refused[each] = 503
        page = visit(made).get(made.path).get_data(as_text=True)
        assert "Whether this number is a probability, and by which thresholds it is read, was not at hand here" in page
        assert "is not a probability" not in page
        assert '<svg class="scale"' not in page

    def test_without_the_models_card_no_limit_is_guessed(self) -> None:
        page = visit(made := clinic(PICTURE, card_at_hand=False)).get(made.path).get_data(as_text=True)
        assert "its limits are not known here" in page


class TestDoubt:
    """Whoever was merged into another, or is not active, is named as that, also where the EHR shows the banner itself."""

    @pytest.mark.parametrize("path", ["", "list"])
    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"link": [{"type": "replaced-by", "other": {"reference": "Patient/p2"}}]}, True),
            ({"link": [{"type": "replaces", "other": {"reference": "Patient/p2"}}]}, False),
            ({"active": False}, True),
            ({}, False),
        ],
    )
    def test_is_said(self, change: dict[str, Any], said: bool, path: str) -> None:
        made = clinic(PICTURE)
        made.sessions.now = reader(banner=False)
        made.record.keep(patient(**change))
        page = visit(made).get(made.path if not path else "/reports", follow_redirects=True).text
        assert ("was merged into another, or is no longer active" in page) == said

    def test_a_name_that_turns_the_direction_of_writing_turns_nothing_else(self) -> None:
        made = clinic(PICTURE)
        made.record.keep(patient(name=[{"text": "\u202eEvil"}]))
        assert "<bdi>\u202eEvil</bdi>" in visit(made).get(made.path).text


class TestList:
    """The reports of the patient in whose chart the reader is."""

    @pytest.mark.parametrize("path", ["/reports", "/patients/current"])
    def test_leads_to_each_report(self, path: str) -> None:
        made = clinic(PICTURE)
        page = visit(made).get(path, follow_redirects=True).get_data(as_text=True)
        assert f'href="{made.path}"' in page
        assert "Raised" in page

    def test_in_the_window_of_one_chart_no_other_charts_reports_are_shown_though_both_are_one_browsers(self) -> None:
        made = clinic(PICTURE)
        first = visit(made).get("/reports", follow_redirects=True)
        made.record.keep(patient(id="p2", name=[{"family": "Zweite"}]))
        made.sessions.now = reader(patient="Patient/p2", key="b" * 64)
        answer = visit(made).get(first.request.full_path)
        assert (answer.status_code, "Zweite" in answer.text, "Another chart was opened" in answer.text) == (409, False, True)
        assert "Zweite" in visit(made).get("/reports", follow_redirects=True).text

    @pytest.mark.parametrize("searches", [True, False])
    def test_reports_of_others_such_as_the_laboratorys_are_not_among_them(self, searches: bool) -> None:
        made = clinic(PICTURE)
        made.record.keep({"resourceType": "DiagnosticReport", "id": "lab", "status": "final", "subject": {"reference": "Patient/page-p1"}})
        if not searches:
            made.record.unknown_parameters = frozenset({"identifier"})
        assert 'href="/reports/lab"' not in (page := visit(made).get("/reports", follow_redirects=True).text)
        assert f'href="{made.path}"' in page
        assert "There may be more results" not in page

    def test_that_there_are_more_than_are_listed_is_said(self) -> None:
        made = clinic(PICTURE)
        made.record.goes_on = True
        assert (
            "There may be more results of this patient in the record than this one."
            in visit(made).get("/reports", follow_redirects=True).text
        )

    def test_outside_a_chart_there_is_none(self) -> None:
        made = clinic(PICTURE)
        made.sessions.now = reader(patient=None)
        assert visit(made).get("/reports", follow_redirects=True).status_code == 404

    def test_another_patients_reports_are_not_among_them(self) -> None:
        made = clinic(PICTURE)
        made.sessions.now = reader(patient="Patient/p2")
        assert made.report["id"] not in visit(made).get("/reports", follow_redirects=True).get_data(as_text=True)

    def test_who_looks_first_is_told_no_result(self) -> None:
        made = clinic(PICTURE, blind=frozenset({Role.READER}))
        assert "Raised" not in visit(made).get("/reports", follow_redirects=True).get_data(as_text=True)
