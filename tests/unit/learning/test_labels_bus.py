"""What pathology and clinicians said becomes one label a picture; neither is taken for the other, and doubt is no label."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from tocsin.errors import MediaUnknown
from tocsin.event.types import ImagingEvent
from tocsin.image.types import PatientFacts, Picture
from tocsin.learning.labels_bus import OfMedia, groups_of, labels, meanings, sha256_of_labels
from tocsin.learning.labels_csv import pseudonym
from tocsin.learning.pictures import of_media
from tocsin.learning.types import Scored
from tocsin.model_card import read_card
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.review.ledger import Entry
from tocsin.review.outcomes import Finding, Link, Outcome
from tocsin.review.types import Act, Standing, State

from tests.builders import picture
from tests.support.flags import flag
from tests.support.reviewing import DECIDED, NOW, verdict

CARD = read_card(packaged(REFERENCE_CARD))
SNOMED = "http://snomed.info/sct"
MELANOMA, NAEVUS, SCC = "93655004", "400096001", "402815007"
MEANING = meanings(CARD, {f"{SNOMED}|{SCC}": True})


def outcome(number: int = 1, *codes: str, **changes: Any) -> Outcome:
    whole: dict[str, Any] = {
        "source": "urn:tocsin:test",
        "report": f"DiagnosticReport/r{number}",
        "media": f"Media/m{number}",
        "subject": f"Patient/p{number}",
        "found": f"Observation/h{number}",
        "status": "final",
        "link": Link.MEDIA,
        "findings": tuple(Finding(system=SNOMED, code=code) for code in codes),
        "issued_at": datetime(2026, 3, 12, 10, tzinfo=UTC),
        "at": NOW,
    }
    return Outcome(**(whole | changes))


def act(kind: Act, number: int = 1, state: State = State.RECORDED, **changes: Any) -> Entry:
    about = {"report": f"DiagnosticReport/r{number}", "media": f"Media/m{number}", "subject": f"Patient/p{number}"}
    made = verdict(kind, **(about | changes))
    return Entry(made, Standing(verdict=made.id, report=made.report, state=state, at=NOW))


def label(found: list[OfMedia]) -> tuple[bool | None, str]:
    [only] = found
    return only.said.malignant, only.said.label_kind


@pytest.mark.parametrize(
    ("codes", "malignant"), [([MELANOMA], True), ([NAEVUS], False), ([NAEVUS, MELANOMA], True), ([SCC], True), ([NAEVUS, "1"], False)]
)
def test_pathologys_codes_are_the_label(codes: list[str], malignant: bool) -> None:
    [only] = labels([outcome(1, *codes)], [], [], MEANING)
    assert only.said == Scored(
        "Media/m1", None, malignant=malignant, label_kind="pathology", labelled_on=date(2026, 3, 12), patient=pseudonym("Patient/p1")
    )
    assert (only.media, only.subject) == ("Media/m1", "Patient/p1")


def test_codes_that_nobody_knows_are_no_label_and_never_benign() -> None:
    assert labels([outcome(1, "123456"), outcome(2)], [], [], MEANING) == []


def test_of_one_finding_the_last_word_holds() -> None:
    assert label(labels([outcome(1, NAEVUS), outcome(1, MELANOMA, status="corrected")], [], [], MEANING)) == (True, "pathology")
    assert labels([outcome(1, NAEVUS), outcome(1, NAEVUS, status="entered-in-error")], [], [], MEANING) == []


def test_of_two_findings_on_a_picture_the_malignant_one_holds() -> None:
    found = [outcome(1, MELANOMA), outcome(1, NAEVUS, found="Observation/h2")]
    assert label(labels(found, [], [], MEANING)) == label(labels(found[::-1], [], [], MEANING)) == (True, "pathology")


def test_a_finding_that_stands_for_several_pictures_by_their_order_labels_none() -> None:
    both = [outcome(1, NAEVUS, found="Observation/h", link=Link.ORDER), outcome(2, NAEVUS, found="Observation/h", link=Link.ORDER)]
    assert labels(both, [], [], MEANING) == []
    assert label(labels(both[:1], [], [], MEANING)) == (False, "pathology")
    assert label(labels([both[0].model_copy(update={"link": Link.MEDIA}), both[1]], [], [], MEANING)) == (False, "pathology")


def test_a_finding_that_was_taken_back_from_one_picture_labels_the_other() -> None:
    one, other = (outcome(number, NAEVUS, found="Observation/h", link=Link.ORDER) for number in (1, 2))
    taken_back = other.model_copy(update={"status": "entered-in-error"})
    assert label(labels([one, other, taken_back], [], [], MEANING)) == (False, "pathology")
    assert labels([taken_back], [], [], MEANING) == []


@pytest.mark.parametrize(
    ("entry", "malignant"),
    [
        (act(Act.CORRECT, code="mel"), True),
        (act(Act.CORRECT, code="nv"), False),
        (act(Act.CORRECT, code="something-else"), None),
        (act(Act.OVERRIDE, code="clinically-benign"), False),
        (act(Act.OVERRIDE, code="clinically-suspicious"), True),
        (act(Act.OVERRIDE, code="known-lesion"), None),
        (act(Act.NOT_ASSESSABLE), None),
        (act(Act.ACCEPT), True),
    ],
)
def test_a_clinicians_act_is_a_verdict(entry: Entry, malignant: bool | None) -> None:
    assert label(labels([], [entry], [flag(1, "high")], MEANING)) == (malignant, "verdict")


def test_who_agrees_with_a_report_whose_flag_is_not_known_says_nothing() -> None:
    assert label(labels([], [act(Act.ACCEPT)], [], MEANING)) == (None, "verdict")
    assert label(labels([], [act(Act.ACCEPT)], [flag(1, "below-threshold")], MEANING)) == (False, "verdict")


def test_pathology_comes_before_a_verdict() -> None:
    assert label(labels([outcome(1, MELANOMA)], [act(Act.OVERRIDE)], [], MEANING)) == (True, "pathology")
    assert label(labels([outcome(1, "123456")], [act(Act.OVERRIDE)], [], MEANING)) == (False, "verdict")


def test_the_last_act_that_was_not_taken_back_holds() -> None:
    first = act(Act.CORRECT, code="mel")
    second = act(Act.CORRECT, code="nv", decided_at=DECIDED + timedelta(hours=1))
    undo = act(Act.UNDO, undoes=second.verdict.id, decided_at=DECIDED + timedelta(hours=2))
    assert label(labels([], [first, second], [], MEANING)) == (False, "verdict")
    assert label(labels([], [first, second, undo], [], MEANING)) == (True, "verdict")


@pytest.mark.parametrize("state", [State.OVERTAKEN, State.REFUSED])
def test_an_act_that_never_was_in_the_record_says_nothing(state: State) -> None:
    assert labels([], [act(Act.CORRECT, 1, state, code="mel")], [], MEANING) == []


def test_a_picture_whose_report_was_withdrawn_is_left_out() -> None:
    assert labels([outcome(1, MELANOMA)], [act(Act.WITHDRAW)], [], MEANING) == []


def test_another_label_has_another_hash() -> None:
    benign, malignant = (labels([outcome(1, code)], [], [], MEANING) for code in (NAEVUS, MELANOMA))
    assert sha256_of_labels(benign) != sha256_of_labels(malignant)
    assert sha256_of_labels(benign) == sha256_of_labels(labels([outcome(1, NAEVUS)], [], [], MEANING))


def test_a_picture_of_the_record_is_fetched_as_its_event_would_have_it() -> None:
    asked: list[ImagingEvent] = []

    class Pictures:
        def fetch(self, event: ImagingEvent) -> Picture:
            asked.append(event)
            if event.media == "Media/m2":
                raise MediaUnknown("no such Media", reference=event.media)
            return picture()

    [one] = labels([outcome(1, MELANOMA)], [], [], MEANING)
    fetched = of_media(one, Pictures(), CARD.facts, lambda: NOW)
    assert fetched.fetch() == picture()
    assert [(each.media, each.subject, each.taken_at) for each in asked] == [("Media/m1", "Patient/p1", None)]
    with pytest.raises(MediaUnknown):
        of_media(replace(one, media="Media/m2"), Pictures(), CARD.facts, lambda: NOW).fetch()


def test_groups_are_what_the_model_is_told() -> None:
    arm = CARD.facts.site_codes["arm"]
    assert groups_of(PatientFacts("female", 41.0, arm[1:2]), CARD.facts) == {"age band": "40 to 59", "sex": "female", "body site": "arm"}
    assert groups_of(PatientFacts("other", None, (arm[0], CARD.facts.site_codes["trunk"][0])), CARD.facts) == {}
