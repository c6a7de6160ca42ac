"""A card says what a stored report says, to the right reader, in few words, and never that a lesion is harmless."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import orjson
import pytest
from tocsin.fhir.canonical import BODY_STRUCTURE, CLASSES, MARK
from tocsin.fhir.reference import ServiceBase
from tocsin.report.resources.compose import Issuer
from tocsin.report.words import Wording
from tocsin.review.cards import Card, Kind, Presentation, cards
from tocsin.review.resources import House, Read, written
from tocsin.review.types import Act
from tocsin.risk.judge import judge
from tocsin.risk.types import Judgement
from tocsin.words.catalogue import LANGUAGES

from tests.builders import findings
from tests.support.cds_rules import response_problems
from tests.support.reviewing import NOW, verdict
from tests.support.site_files import at_site
from tests.support.stored import BELOW, DARK, HIGH, ISSUER, LEFT_CALF, RAISED, stored

Json = dict[str, Any]

BASE = ServiceBase(("https://ehr.example.org/fhir",))
HOW = Presentation(
    words=Wording(ISSUER.card, "en"),
    shown=frozenset({Kind.FLAGGED, Kind.NOT_ASSESSABLE}),
    cards_max=10,
    launch_url="https://tocsin.example.org/launch",
    card_url="https://tocsin.example.org/model",
)
ALL = replace(HOW, shown=frozenset(Kind))
KINDS = ("DiagnosticReport", "Media", "Observation")
AT_SITE = replace(ISSUER, card=at_site(ISSUER.card))


def made(resources: list[Json], how: Presentation = HOW, patient: str = "Patient/p1", issuer: Issuer = ISSUER) -> list[Card]:
    """The cards with all of the resources, once it is seen that a real call's, without Observations, say the same of the results."""
    reports, pictures, results = ([each for each in resources if each["resourceType"] == kind] for kind in KINDS)
    found, called = (cards(reports, beside, patient, BASE, issuer, how) for beside in (pictures + results, pictures))
    assert response_problems({"cards": [each.content for each in found]}) == []
    assert response_problems({"cards": [each.content for each in called]}) == []
    assert [each.content["detail"] for each in called] == [each.content["detail"] for each in found]
    return found


def test_a_flagged_report_is_a_card_that_says_where_when_what_and_that_nobody_reviewed_it() -> None:
    [card] = made(stored(HIGH, site="Left forearm"))
    said, lesion = "High; Malignancy score 0.700", "Left forearm, picture of March 1, 2026"
    assert card.content["summary"] == f"{said}: {lesion}. AI result, not yet reviewed by a clinician."
    assert card.indicator == "critical"
    assert r"Malignancy score 0\.700 \(Raised from 0\.1\, High from 0\.5\)\." in card.content["detail"]
    assert r"is not a probability\." in card.content["detail"]
    assert "Test reader v3" in card.content["source"]["label"]
    assert card.content["source"]["topic"]["code"] == "reader-3"
    assert card.content["source"]["url"] == "https://tocsin.example.org/model"


@pytest.mark.parametrize("language", LANGUAGES)
def test_cards_of_a_calibrated_site_say_what_the_record_says_without_its_observations(language: str) -> None:
    issuer = replace(AT_SITE, language=language)
    how = replace(HOW, words=Wording(issuer.card, language))
    report, *_ = stored(judge(findings(mel=0.2, bcc=0.1, nv=0.7), issuer.card), issuer=issuer)
    picture = {"resourceType": "Media", "id": "m1", "subject": {"reference": "Patient/p1"}, "bodySite": LEFT_CALF}
    [card] = cards([report], [picture], "Patient/p1", BASE, issuer, how)
    told = card.content["detail"].replace("\\", "").split("\n\n")
    assert all(each in report["conclusion"] for each in told)
    assert any("11.8 %" in each or "11,8 %" in each for each in told)
    assert made([report, picture], how, issuer=issuer) == [card]


def test_a_card_of_a_score_by_another_site_file_calls_it_a_probability_and_says_by_which() -> None:
    older = replace(ISSUER, card=at_site(ISSUER.card, version=2))
    report, *_ = stored(judge(findings(mel=0.2, bcc=0.1, nv=0.7), older.card), issuer=older)
    [card] = cards([report], [], "Patient/p1", BASE, AT_SITE, replace(HOW, words=Wording(AT_SITE.card, "en")))
    assert "Probability of malignancy 11.8 %" in card.content["summary"]
    assert "This probability holds for st-elsewhere/2, which is not what is used here now" in card.content["detail"].replace("\\", "")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_summary_stays_below_140_characters_however_long_the_body_site_is_called(language: str) -> None:
    how = replace(ALL, words=Wording(ISSUER.card, language))
    for judgement in (HIGH, RAISED, BELOW, DARK):
        for site in ("", "x" * 500, "🫱" * 200):
            [card] = made(stored(judgement, site=site), how)
            assert card.content["summary"].endswith(how.words.catalogue.say("AI result, not yet reviewed by a clinician."))


def test_german_cards_are_german_throughout() -> None:
    english, german = (made(stored(HIGH), replace(HOW, words=Wording(ISSUER.card, language)))[0].content for language in LANGUAGES)
    for path in ("summary", "detail"):
        assert english[path] != german[path]
    assert german["summary"].startswith("High; Malignitätsscore 0,700: Körperstelle nicht angegeben, Bild vom 1. März 2026.")
    for ours, theirs in zip(english["overrideReasons"], german["overrideReasons"], strict=True):
        assert ours["code"] == theirs["code"]
        assert ours["display"] != theirs["display"]


def test_a_body_site_cannot_write_markdown_or_html_into_a_card() -> None:
    evil = "<img src=x onerror=alert(1)> [a](http://b)\n# c"
    [card] = made(stored(HIGH, site=evil))
    assert "\n" not in card.content["summary"]
    assert "<" not in card.content["detail"]


def test_the_link_names_the_report_itself_and_leaves_iss_and_launch_to_the_ehr() -> None:
    [card] = made(stored(HIGH))
    [link] = card.content["links"]
    assert link["type"] == "smart"
    assert f"DiagnosticReport/{parse_qs(urlsplit(link['url']).query)['report'][0]}" == card.report
    assert f"DiagnosticReport/{orjson.loads(link['appContext'])['report']}" == card.report


def test_the_same_version_of_a_report_is_the_same_card_and_another_version_another() -> None:
    first, again, other = (made(stored(HIGH, version=version))[0].uuid for version in ("1", "1", "2"))
    assert first == again != other


def test_a_server_that_states_no_version_still_gives_one_card_for_one_state() -> None:
    first, again = (made(stored(HIGH, version=None))[0] for _ in range(2))
    assert (first.uuid, first.report_version) == (again.uuid, None)


def test_what_is_not_assessable_is_information_and_says_that_it_tells_nothing_about_risk() -> None:
    [card] = made(stored(DARK))
    assert (card.indicator, card.band) == ("info", "too-dark")
    assert card.content["summary"].startswith("Not assessable by AI")
    assert "says nothing about the patient" in card.content["detail"]
    assert "score" not in card.content["detail"]


def test_no_flag_makes_no_card_unless_the_site_wants_one_and_is_never_an_all_clear() -> None:
    assert made(stored(BELOW)) == []
    [card] = made(stored(BELOW), ALL)
    assert card.indicator == "info"
    assert "not yet reviewed" in card.content["summary"]


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "registered", "partial", "unknown"])
def test_a_withdrawn_or_unfinished_report_gives_no_card(status: str) -> None:
    assert made(stored(HIGH, status=status), ALL) == []


@pytest.mark.parametrize("status", ["final", "amended", "corrected", "appended"])
def test_a_report_on_which_a_clinician_acted_asks_nobody_again(status: str) -> None:
    assert made(stored(HIGH, status=status)) == []
    [card] = made(stored(HIGH, status=status), ALL)
    assert card.indicator == "info"
    assert "not yet reviewed" not in card.content["summary"] + card.content["detail"]


def answered(judgement: Judgement, act: Act, code: str | None = None) -> list[Json]:
    """A report and its results once a clinician acted, as Tocsin writes it."""
    report, *results = stored(judgement, site="Left forearm")
    classes = {each.code: each.display for each in ISSUER.card.output.classes}
    decided = verdict(act, code=code, report=f"DiagnosticReport/{report['id']}")
    bundle = written(decided, Read(report, [], BASE), House(ISSUER.source, classes, ZoneInfo("Europe/Berlin"), "en"), NOW)
    return [bundle["entry"][0]["resource"], *results]


@pytest.mark.parametrize(
    ("act", "code", "said", "why"),
    [
        (Act.CORRECT, "mel", "The clinician names another class: Melanoma.", ""),
        (Act.OVERRIDE, "clinically-suspicious", "The clinician disagrees with the AI.", "Reason: Looks suspicious on examination."),
        (Act.NOT_ASSESSABLE, "out-of-focus", "The clinician finds that the picture allows no judgement.", "Reason: Out of focus."),
    ],
)
def test_a_contested_result_is_told_behind_the_clinicians_word(act: Act, code: str, said: str, why: str) -> None:
    [card] = made(answered(BELOW, act, code), ALL)
    summary, detail = card.content["summary"], card.content["detail"].replace("\\", "")
    assert summary == f"{said} The AI had said: Below threshold. Left forearm, picture of March 1, 2026."
    paragraphs = detail.split("\n\n")
    assert [each for each in paragraphs if each in (said, why)] == list(filter(None, (said, why)))
    assert paragraphs.index("The AI had said: Below threshold.") > paragraphs.index(said)
    assert "This is no all-clear" not in detail


def test_a_result_with_which_a_clinician_agreed_is_told_as_it_is() -> None:
    [card] = made(answered(HIGH, Act.ACCEPT), ALL)
    where = "Left forearm, picture of March 1, 2026."
    assert card.content["summary"] == f"The clinician agrees with the AI. High; Malignancy score 0.700. {where}"
    assert "had said" not in card.content["detail"]


def test_a_reviewed_result_whose_report_tells_no_act_is_told_as_what_the_ai_had_said() -> None:
    [card] = made(stored(BELOW, status="final"), ALL)
    assert card.content["summary"].startswith("AI result, reviewed by a clinician. The AI had said: Below threshold.")


def test_a_long_name_of_a_class_leaves_room_for_what_the_ai_had_said() -> None:
    report, *results = answered(BELOW, Act.CORRECT, "mel")
    named = [{"extension": [], "coding": [{"system": CLASSES, "code": "gone"}], "text": "A class [of](another) version " * 9}]
    acts = orjson.loads(orjson.dumps(report["extension"]).replace(b'"valueCode":"mel"', b'"valueCode":"gone"'))
    changed = report | {"conclusionCode": report["conclusionCode"][:1] + named, "extension": acts}
    [card] = made([changed, *results], ALL)
    assert "… The AI had said: Below threshold." in card.content["summary"].replace("….", "…")


def test_a_report_of_another_patient_gives_no_card() -> None:
    assert made(stored(HIGH), ALL, patient="Patient/p2") == []


def test_a_report_of_another_installation_gives_no_card() -> None:
    assert made(stored(HIGH, issuer=replace(ISSUER, source="urn:tocsin:site:other")), ALL) == []


def test_a_report_that_lost_its_mark_or_was_rewritten_gives_no_card() -> None:
    report, *results = stored(HIGH)
    assert made([report | {"extension": []}, *results], ALL) == []
    rewritten = report | {"conclusionCode": [{"coding": [{"system": "urn:tocsin:band", "code": "raised"}]}]}
    assert made([rewritten, *results], ALL) == []
    assert report["extension"][0]["url"] == MARK


def test_two_pictures_without_a_named_lesion_are_two_cards_though_the_body_site_is_the_same() -> None:
    both = stored(HIGH, "Media/m1", site="Trunk") + stored(RAISED, "Media/m2", site="Trunk", sha256="cd" * 32)
    assert [each.indicator for each in made(both)] == ["critical", "warning"]


def _of_lesion(media: str, lesion: str) -> Json:
    named = {"url": BODY_STRUCTURE, "valueReference": {"reference": lesion}}
    return {"resourceType": "Media", "id": media.removeprefix("Media/"), "bodySite": LEFT_CALF | {"extension": [named]}}


def test_two_pictures_of_one_named_lesion_are_one_card_and_the_newest_of_equals_counts() -> None:
    pictures = [_of_lesion("Media/m1", "BodyStructure/l1"), _of_lesion("Media/m2", "https://ehr.example.org/fhir/BodyStructure/l1")]
    older, newer = stored(RAISED, "Media/m1"), stored(RAISED, "Media/m2", days=9, sha256="cd" * 32)
    [card] = made(older + newer + pictures)
    assert card.report == f"DiagnosticReport/{newer[0]['id']}"
    assert "Left calf, lesion l1, picture of March 10, 2026" in card.content["summary"]


def test_a_later_picture_without_a_flag_takes_no_flag_away_that_nobody_answered() -> None:
    pictures = [_of_lesion("Media/m1", "BodyStructure/l1"), _of_lesion("Media/m2", "BodyStructure/l1")]
    flagged, later = stored(HIGH, "Media/m1"), stored(BELOW, "Media/m2", days=9, sha256="cd" * 32)
    [card] = made(flagged + later + pictures, ALL)
    assert card.report == f"DiagnosticReport/{flagged[0]['id']}"


def test_of_two_reports_on_one_picture_the_one_on_the_newer_content_holds() -> None:
    older, newer = stored(HIGH, sha256="ab" * 32), stored(RAISED, days=1, sha256="cd" * 32)
    [card] = made(older + newer)
    assert card.band == "raised"


def test_a_site_may_give_a_band_another_indicator() -> None:
    [card] = made(stored(HIGH), replace(HOW, indicators={"high": "warning"}))
    assert card.indicator == "warning"


def test_more_lesions_than_cards_are_said_on_the_last_card() -> None:
    many = [each for number in range(5) for each in stored(HIGH, f"Media/m{number}", sha256=f"{number}" * 64)]
    found = made(many, replace(HOW, cards_max=3))
    assert len(found) == 3
    assert "2 more AI results of this patient are in the record" in found[-1].content["detail"].replace("\\", "")


def test_a_score_just_below_a_limit_does_not_look_as_if_it_reached_it() -> None:
    [card] = made(stored(judge(findings(mel=0.4999, bcc=0, nv=0.5001), ISSUER.card)))
    assert r"Malignancy score 0\.499 \(" in card.content["detail"]


def test_what_is_no_report_at_all_is_passed_over() -> None:
    assert made([{"resourceType": "DiagnosticReport"}, {"resourceType": "DiagnosticReport", "id": "x", "subject": 3}], ALL) == []
