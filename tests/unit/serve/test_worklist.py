"""What a reader sees of the worklist, what they do not, and through which door."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr
from tocsin.fhir.canonical import SNOMED
from tocsin.review.types import Act, State
from tocsin.review.worklist import Place
from tocsin.serve.types import Role
from tocsin.serve.worklist.asked import NotAsked, asked, read, written

from tests.fakes.sessions import a_session
from tests.support.flags import HOUR, NOW, feedback, flag, standing, verdict
from tests.support.worklists import Ward, ward

BACK = {"coding": [{"system": SNOMED, "code": "77568009"}, {"system": SNOMED, "code": "7771000"}]}


@pytest.fixture
def clinic() -> Iterator[Ward]:
    with ward() as made:
        yield made


def text_of(of: Ward, path: str = "/worklist", status: int = 200) -> str:
    answer = of.app.test_client().get(path)
    assert answer.status_code == status, answer.text
    return answer.text


def links(page: str) -> list[str]:
    return re.findall(r'href="/reports/([^"]+)"', page)


def following(page: str) -> str | None:
    found = re.search(r'rel="next" href="([^"]+)"', page)
    return found[1].replace("&amp;", "&") if found else None


def test_rows_come_with_band_name_and_age_the_highest_first(clinic: Ward) -> None:
    clinic.admit(1, "below-threshold", name="Brown, Ann")
    clinic.admit(2, "high", name="Smith, Eve", at=NOW - 3 * HOUR)
    page = text_of(clinic)
    assert links(page) == ["r2", "r1"]
    assert "Smith, Eve" in page
    assert "waiting for 3 hours" in page
    assert "born May 3, 1971" in page
    assert "MRN-00002" in page


def test_a_row_that_the_reader_may_not_read_is_not_shown_and_the_page_fills_up_without_telling(clinic: Ward) -> None:
    for number in range(1, 31):
        clinic.admit(number, at=NOW - number * HOUR, readable=number % 2 == 0)
    page = text_of(clinic)
    assert links(page) == [f"r{number}" for number in range(2, 21, 2)]
    path = following(page)
    assert path is not None
    last = text_of(clinic, path)
    assert links(last) == [f"r{number}" for number in range(22, 31, 2)]
    assert following(last) is None
    with ward() as alone:
        for number in range(2, 31, 2):
            alone.admit(number, at=NOW - number * HOUR)
        assert text_of(alone) == page, "the same page as where there is nothing else"
        assert text_of(alone, path) == last


@pytest.mark.parametrize("page_max", [1, 4])
def test_a_server_that_gives_few_resources_at_a_time_hides_no_row(clinic: Ward, page_max: int) -> None:
    clinic.record.page_max = page_max
    for number in range(1, 10):
        clinic.admit(number, readable=number != 5)
    page = text_of(clinic, "/worklist")
    assert [f"Jane {number} Canary" in page or f"Canary, Jane {number}" in page for number in range(1, 10)] == [
        each != 5 for each in range(1, 10)
    ]


def test_a_report_whose_patient_differs_from_the_flags_is_not_shown(clinic: Ward) -> None:
    clinic.admit(1)
    clinic.admit(2)
    clinic.record.resources["DiagnosticReport/r1"]["subject"]["reference"] = "Patient/p2"
    assert links(text_of(clinic)) == ["r2"]


def test_a_patient_whom_the_reader_may_not_read_hides_the_row_even_where_the_report_is_open(clinic: Ward) -> None:
    clinic.admit(1)
    clinic.record.may_read["canary-token"].discard("Patient/p1")
    page = text_of(clinic)
    assert links(page) == []
    assert "Nothing waits for you" in page


def test_who_may_read_few_of_many_is_asked_for_at_most_so_many_and_led_on(clinic: Ward) -> None:
    for number in range(400):
        clinic.admit(number, at=NOW - number * HOUR, readable=number == 399)
    page = text_of(clinic)
    assert links(page) == []
    assert len([path for path in clinic.record.asked if path.startswith("/fhir/DiagnosticReport")]) == 10
    for _ in range(5):
        path = following(page)
        if path is None:
            break
        assert "The list goes on" in page  # and never that everything is answered
        assert "has been answered" not in page
        page = text_of(clinic, path)
    assert links(page) == ["r399"]


def test_the_end_of_a_list_that_showed_rows_does_not_say_that_all_is_answered(clinic: Ward) -> None:
    for number in range(300):
        clinic.admit(number, at=NOW - number * HOUR, readable=number == 0)
    pages = [text_of(clinic)]
    while (path := following(pages[-1])) is not None:
        pages.append(text_of(clinic, path))
    assert (links(pages[0]), links(pages[-1])) == (["r0"], [])
    assert "Nothing here that you may see" in pages[-1]
    assert not any("has been answered" in each for each in pages)


def test_only_the_rows_on_screen_are_rendered_and_read_of_ten_thousand(clinic: Ward) -> None:
    for number in range(10_000):
        clinic.worklist.flag(flag(number, ("high", "raised", "below-threshold")[number % 3], at=NOW - number * HOUR))
    for number in range(0, 60, 3):
        clinic.admit(number, at=NOW - number * HOUR)
    text_of(clinic)
    clinic.record.asked.clear()
    began = time.perf_counter()
    page = text_of(clinic)
    took_s = time.perf_counter() - began
    assert len(links(page)) == 10
    assert len(clinic.record.asked) == 3, "one search each of reports, patients and pictures"
    assert all(path.count("%2C") + path.count(",") <= 13 for path in clinic.record.asked)
    assert took_s < 0.5


def test_filters_choose_and_stand_in_the_address_of_the_next_page(clinic: Ward) -> None:
    for number in range(1, 25):
        clinic.admit(number, "raised" if number % 2 else "high", at=NOW - number * HOUR, source=f"urn:site:{number % 4}")
    page = text_of(clinic, "/worklist?band=raised&age=8h&site=urn:site:1")
    assert links(page) == ["r9", "r13", "r17", "r21"]
    assert re.findall(r'value="([^"]*)" selected', page) == ["unread", "raised", "8h", "urn:site:1"]
    path = following(text_of(clinic, "/worklist?age=1h"))
    assert path is not None
    assert "age=1h" in path


def test_an_answered_report_is_shown_where_it_is_asked_for_with_what_was_answered(clinic: Ward) -> None:
    clinic.admit(1)
    clinic.admit(2)
    clinic.worklist.verdict(verdict(1, Act.CORRECT))
    clinic.worklist.standing(standing(1))
    clinic.worklist.verdict(verdict(2, id=2))
    assert links(text_of(clinic)) == []
    page = text_of(clinic, "/worklist?show=read")
    assert "Corrected" in page
    assert "Answered, and not yet in the record" in page


def test_a_report_whose_card_was_answered_in_the_ehr_stays_says_so_and_can_be_asked_for(clinic: Ward) -> None:
    for number in (1, 2, 3):
        clinic.admit(number, at=NOW - number * HOUR)
    clinic.worklist.feedback(feedback(2))
    page = text_of(clinic)
    assert links(page) == ["r1", "r2", "r3"]
    assert page.count("Card answered in the EHR, and not signed") == 1
    assert "benign" not in page
    asked_for = text_of(clinic, "/worklist?show=unsigned")
    assert links(asked_for) == ["r2"]
    assert re.findall(r'value="([^"]*)" selected', asked_for)[0] == "unsigned"
    clinic.worklist.verdict(verdict(2, Act.OVERRIDE, at=NOW + HOUR))
    assert links(text_of(clinic, "/worklist?show=unsigned")) == []


@pytest.mark.parametrize("rules", [{"by_cards": False}, {"blind": frozenset({Role.READER})}], ids=["no EHR tells", "look first"])
def test_answered_cards_are_told_of_only_where_ehrs_tell_and_to_nobody_who_is_to_look_first(rules: dict[str, Any]) -> None:
    with ward(**rules) as clinic:
        clinic.admit(1)
        clinic.worklist.feedback(feedback(1))
        page = text_of(clinic)
        assert links(page) == ["r1"]
        assert "in the EHR" not in page
        text_of(clinic, "/worklist?show=unsigned", 400)


def test_who_is_to_look_first_is_told_no_result_by_the_list() -> None:
    with ward(blind=frozenset({Role.READER})) as clinic, ward() as open_ward:
        for each in (clinic, open_ward):
            each.admit(1)
        hidden, shown = text_of(clinic), text_of(open_ward)
        said = re.findall(r'<p class="band">.*</span> (.*)</p>', shown)
        assert len(said) == 1
        assert links(hidden) == links(shown) == ["r1"]
        assert [word in hidden for word in (said[0], "rank-flagged", 'name="band"', "The highest result first")] == [False] * 4
        assert [word in shown for word in ("rank-flagged", 'name="band"', "The highest result first")] == [True] * 3
        text_of(clinic, "/worklist?band=high", 400)


def test_an_answer_that_the_record_refused_stays_on_the_list_and_says_so(clinic: Ward) -> None:
    clinic.admit(1)
    clinic.worklist.verdict(verdict(1))
    clinic.worklist.standing(standing(1, State.REFUSED))
    assert "The record refused the answer" in text_of(clinic)


def test_a_report_that_was_answered_elsewhere_says_so_before_the_bus_does(clinic: Ward) -> None:
    clinic.admit(1)
    clinic.record.resources["DiagnosticReport/r1"]["status"] = "final"
    assert "Answered in the record (final)" in text_of(clinic)


def test_a_report_that_was_withdrawn_just_now_is_not_shown(clinic: Ward) -> None:
    clinic.admit(1)
    clinic.record.resources["DiagnosticReport/r1"]["status"] = "entered-in-error"
    assert links(text_of(clinic)) == []


@pytest.mark.parametrize(
    ("roles", "rows", "numbers"),
    [
        ({Role.READER}, 200, 403),
        ({Role.LEAD}, 200, 200),
        ({Role.OPERATOR}, 403, 200),
        ({Role.READER, Role.OPERATOR}, 200, 200),
        (set(), 403, 403),
    ],
)
def test_each_door_opens_to_its_roles_alone(clinic: Ward, roles: set[Role], rows: int, numbers: int) -> None:
    clinic.admit(1)
    clinic.sessions.session = a_session(roles=frozenset(roles))
    assert ("Canary" in text_of(clinic, "/worklist", rows)) is (rows == 200)
    assert "Canary" not in text_of(clinic, "/worklist/numbers", numbers)
    assert clinic.app.test_client().get("/worklist/pictures/r1").status_code == rows


def test_without_a_session_nothing_opens(clinic: Ward) -> None:
    clinic.admit(1)
    clinic.sessions.session = None
    for path in ("/worklist", "/worklist/numbers", "/worklist/pictures/r1"):
        assert "Canary" not in text_of(clinic, path, 401)
    assert clinic.record.asked == []


def test_numbers_count_what_nobody_has_answered_and_ask_the_record_nothing(clinic: Ward) -> None:
    clinic.admit(1, at=NOW - 50 * HOUR)
    clinic.admit(2)
    clinic.admit(3, None, readable=False)
    clinic.worklist.verdict(verdict(2))
    clinic.sessions.session = a_session(roles=frozenset({Role.OPERATOR}))
    page = " ".join(text_of(clinic, "/worklist/numbers").split())
    assert '<td>High</td><td class="number">1</td><td class="number">2 days</td>' in page
    assert '<td>Not assessable</td><td class="number">1</td>' in page
    assert "1 is on its way and tried again by itself" in page
    assert re.search(r"r1|p1|MRN", page) is None
    assert clinic.record.asked == []


def test_a_token_that_the_record_takes_no_longer_ends_in_the_log_in_page(clinic: Ward) -> None:
    clinic.admit(1)
    session = clinic.sessions.session
    assert session is not None
    clinic.sessions.session = replace(session, token=SecretStr("ended"))
    page = text_of(clinic, status=401)
    assert "Your EHR does not accept your log-in any more" in page
    assert f'href="/launch?{urlencode({"iss": session.issuer})}"' in page
    picture = clinic.app.test_client().get("/worklist/pictures/r1")
    assert (picture.status_code, "Log in again" in picture.text) == (401, True)


def test_a_row_says_where_the_lesion_is_and_the_page_has_a_way_out(clinic: Ward) -> None:
    clinic.admit(1, site=BACK)
    clinic.admit(2, site=BACK, readable_picture=False)
    page = text_of(clinic)
    assert page.count('<p class="where">Back, left</p>') == 1, "a picture that this reader may not read says nothing"
    assert 'action="/log-off"' in page


REFUSALS = [(403, "forbidden"), (451, "suppressed"), (404, "not-supported"), (422, "security")]


@pytest.mark.parametrize("answer", REFUSALS, ids=lambda each: f"{each[0]} {each[1]}")
@pytest.mark.parametrize("kind", ["DiagnosticReport", "Patient"])
def test_a_list_that_the_record_refuses_to_search_for_is_never_said_to_be_empty(clinic: Ward, kind: str, answer: tuple[int, str]) -> None:
    clinic.admit(1)
    clinic.record.refused[kind] = answer
    page = text_of(clinic, status=403)
    assert "Nothing waits" not in page
    assert f"Ask your IT for the right to search {kind}." in page


@pytest.mark.parametrize("answer", REFUSALS, ids=lambda each: f"{each[0]} {each[1]}")
def test_a_list_does_without_pictures_that_the_record_refuses_to_search_for(clinic: Ward, answer: tuple[int, str]) -> None:
    clinic.admit(1, site=BACK)
    clinic.record.refused["Media"] = answer
    page = text_of(clinic)
    assert (links(page), "Back, left" in page) == (["r1"], False)


def test_a_record_that_is_away_is_said_and_no_row_is_shown(clinic: Ward) -> None:
    clinic.admit(1)
    clinic.record.status = 503
    page = text_of(clinic, status=503)
    assert links(page) == []
    assert "Try again in a moment" in page


def test_a_list_that_is_not_whole_yet_is_not_shown_and_one_that_is_not_current_says_so(clinic: Ward) -> None:
    clinic.admit(1)
    clinic.being.whole = False
    answer = clinic.app.test_client().get("/worklist")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert links(answer.text) == []
    clinic.being.whole, clinic.being.behind_s = True, 400.0
    assert "may lack what happened in the last 6 minutes" in text_of(clinic)


def test_a_list_that_had_to_leave_reports_out_says_so(clinic: Ward) -> None:
    clinic.admit(1)
    clinic.worklist.left_out = 3
    assert "The list is full: 3 unread reports had no room" in text_of(clinic)


def test_a_small_picture_comes_by_the_readers_token_and_is_kept_nowhere(clinic: Ward) -> None:
    clinic.admit(1)
    clinic.admit(2, readable=False)
    answer = clinic.app.test_client().get("/worklist/pictures/r1")
    assert answer.status_code == 200
    assert answer.data.startswith(b"\xff\xd8\xff")
    assert len(answer.data) < 10_000
    assert answer.headers["Cache-Control"] == "no-store"
    assert clinic.app.test_client().get("/worklist/pictures/r2").status_code == 404
    assert clinic.app.test_client().get("/worklist/pictures/r3").status_code == 404


def test_a_picture_that_is_anothers_by_now_or_damaged_is_not_shown(clinic: Ward) -> None:
    clinic.admit(1)
    clinic.admit(2)
    clinic.record.resources["Media/m1"]["subject"]["reference"] = "Patient/p2"
    clinic.record.resources["Media/m2"]["content"]["data"] = "AAAA"
    assert clinic.app.test_client().get("/worklist/pictures/r1").status_code == 404
    assert clinic.app.test_client().get("/worklist/pictures/r2").status_code == 415


def test_a_name_with_markup_is_text(clinic: Ward) -> None:
    clinic.admit(1, name="<b>O'Hara</b>, Zoë")
    assert "&lt;b&gt;O&#39;Hara&lt;/b&gt;, Zoë" in text_of(clinic)


def test_nothing_of_a_patient_stands_in_title_or_address(clinic: Ward) -> None:
    for number in range(1, 15):
        clinic.admit(number)
    page = text_of(clinic)
    addresses = " ".join(re.findall(r'(?:href|src|action)="([^"]*)"', page))
    assert re.search(r"Canary|Jane|1971|MRN|Patient", addresses) is None
    title = re.search(r"<title>([^<]*)</title>", page)
    assert title is not None
    assert title[1] == "Worklist - Tocsin"


@pytest.mark.parametrize("query", ["after=x", "after=WzEsMl0", "age=2h", "show=mine", f"site={'s' * 300}"])
def test_an_address_that_the_list_does_not_have_is_refused(clinic: Ward, query: str) -> None:
    assert "not one of the list" in text_of(clinic, f"/worklist?{query}", 400)


def test_a_place_in_an_address_is_read_as_it_was_written() -> None:
    place = Place(2, -1_772_366_400_000_000, "DiagnosticReport/0b9f7f0e-43c9-5a07-8f3e-2f4c4e3a9d10")
    assert read(written(place)) == place
    with pytest.raises(NotAsked):
        asked({"after": written(place)[:-4]})


def test_every_sentence_of_the_list_is_said_in_german(clinic: Ward) -> None:
    clinic.admit(1, at=NOW - 3 * HOUR)
    session = clinic.sessions.session
    assert session is not None
    clinic.sessions.session = replace(session, language="de")
    page = text_of(clinic)
    assert '<html lang="de">' in page
    assert "wartet seit 3 Stunden" in page
    assert "Arbeitsliste" in page
