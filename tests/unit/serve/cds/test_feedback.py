"""Feedback says what became of a card: kept once, without what its reader wrote, and never a signature under a report."""

from __future__ import annotations

from typing import Any

import pytest
from tocsin.kafka.records import encode

from tests.support.cds_caller import call_json
from tests.support.cds_desk import Desk, desk
from tests.support.stored import HIGH, searchset, stored

Json = dict[str, Any]

CARD = "4e0a3a1e-3283-4575-ab82-028d55fe2719"
WHEN = "2026-03-01T10:00:00Z"
REASON = {"system": "urn:tocsin:verdict-reason", "code": "clinically-benign"}


def overridden(card: str = CARD, **more: Any) -> Json:
    return {"card": card, "outcome": "overridden", "outcomeTimestamp": WHEN, **more}


def shown(at: Desk) -> str:
    _, said = at.ask(call_json(prefetch={"reports": searchset(stored(HIGH)[:1])}))
    card: str = said["cards"][0]["uuid"]
    return card


def test_a_card_that_was_put_away_is_kept_with_its_report_and_the_coded_reason() -> None:
    at = desk()
    card = shown(at)
    assert at.tell(overridden(card, overrideReason={"reason": REASON}))[0] == 200
    [kept] = at.feedbacks.kept
    assert kept.report == f"DiagnosticReport/{stored(HIGH)[0]['id']}"
    assert (kept.report_version, kept.outcome, kept.issuer) == ("1", "overridden", "https://ehr.example.org")
    assert kept.reason is not None
    assert (kept.reason.code, kept.commented) == ("clinically-benign", False)


def test_what_a_reader_wrote_is_not_kept() -> None:
    at = desk()
    at.tell(overridden(overrideReason={"userComment": "Canary-Quintessa says hello"}))
    at.tell(overridden(overrideReason={"reason": {"system": "urn:x", "code": "Canary Quintessa, born 1960", "display": "Canary"}}))
    first, second = at.feedbacks.kept
    assert (first.commented, first.reason, second.reason) == (True, None, None)
    assert b"Canary" not in encode(first) + encode(second)


def test_the_same_answer_sent_again_is_the_same_and_another_one_is_not() -> None:
    at = desk()
    for each in (overridden(), overridden(), overridden(outcomeTimestamp="2026-03-01T11:00:00+01:00")):
        at.tell(each)
    at.tell(overridden(outcomeTimestamp="2026-03-01T10:00:01Z"))
    at.tell(overridden(overrideReason={"reason": REASON}))
    first, again, in_other_words, later, with_reason = (each.id for each in at.feedbacks.kept)
    assert first == again == in_other_words
    assert len({first, later, with_reason}) == 3


def test_many_answers_come_in_one_call_and_accepted_ones_too() -> None:
    at = desk()
    accepted = {"card": CARD, "outcome": "accepted", "outcomeTimestamp": WHEN, "acceptedSuggestions": [{"id": CARD}]}
    assert at.tell(overridden(), accepted, overridden("4e0a3a1e-3283-4575-ab82-028d55fe2720"))[0] == 200
    assert [each.outcome for each in at.feedbacks.kept] == ["overridden", "accepted", "overridden"]


def test_no_answers_are_no_mistake() -> None:
    assert desk().tell()[0] == 200


def test_feedback_on_a_card_that_is_not_known_any_more_is_kept_without_its_report() -> None:
    at = desk()
    at.tell(overridden())
    assert at.feedbacks.kept[0].report is None


@pytest.mark.parametrize(
    "wrong",
    [
        overridden(outcome="ignored"),
        overridden(outcome="accepted"),
        overridden(outcome="accepted", acceptedSuggestions=[]),
        overridden(overrideReason={}),
        overridden("not-a-uuid"),
        overridden(outcomeTimestamp="yesterday"),
        {"outcome": "overridden", "outcomeTimestamp": WHEN},
    ],
    ids=["cds-fb-1", "cds-fb-2", "cds-fb-2 empty", "cds-fb-3", "card", "time", "no card"],
)
def test_feedback_that_breaks_a_rule_is_refused_whole(wrong: Json) -> None:
    at = desk()
    status, _ = at.tell(overridden(), wrong, sound=False)
    assert (status, at.feedbacks.kept) == (400, [])


def test_a_batch_has_a_bound() -> None:
    at = desk(feedback_max=2)
    assert at.tell(*[overridden()] * 3)[0] == 400
    assert at.tell(*[overridden()] * 2)[0] == 200


def test_feedback_that_the_bus_does_not_take_may_be_sent_again() -> None:
    at = desk()
    at.feedbacks.away = True
    status, outcome = at.tell(overridden())
    assert (status, outcome["issue"][0]["code"]) == (503, "transient")
