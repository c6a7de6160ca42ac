"""Which acts are allowed on which report, what it becomes, and that nothing but an act ever makes it more than preliminary."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.errors import Unavailable
from tocsin.fhir.canonical import NON_ADHERENCE, VERDICT_REASONS
from tocsin.report.types import IN_ERROR, PRELIMINARY, STATUSES
from tocsin.review.reasons import (
    CARDS,
    NOT_ASSESSABLE,
    OVERRIDES,
    WITHDRAWALS,
    override_for,
    reason_of,
    reason_on_card,
    reasons_for,
    said,
)
from tocsin.review.rules import OPEN, Acted, Bar, Before, allowed, bar, bar_to, becomes, is_shared
from tocsin.review.types import Act, State, Verdict
from tocsin.words.catalogue import LANGUAGES, catalogue

from tests.fakes.verdicts import FakeVerdicts
from tests.support.reviewing import CLASSES, CODES, DECIDED, ISSUER, verdict

MINE, THEIRS = "Practitioner/d1", "Practitioner/d2"
DECISIONS = [act for act in Act if act is not Act.UNDO]


def acted(act: Act = Act.ACCEPT, by: str = MINE, *, shared: bool = False, issuer: str = ISSUER, id_: str = "v1") -> Acted:
    return Acted(id_, act, CODES.get(act), by, issuer, DECIDED, shared, "It was seen.", "Not seen.")


@pytest.mark.parametrize(
    ("act", "from_preliminary", "from_final", "from_amended"),
    [
        (Act.ACCEPT, "final", "final", "amended"),
        (Act.OVERRIDE, "final", "final", "amended"),
        (Act.CORRECT, "amended", "amended", "amended"),
        (Act.NOT_ASSESSABLE, "amended", "amended", "amended"),
        (Act.WITHDRAW, IN_ERROR, IN_ERROR, IN_ERROR),
        (Act.UNDO, PRELIMINARY, PRELIMINARY, PRELIMINARY),
    ],
)
def test_each_act_makes_of_a_report_what_the_table_says(act: Act, from_preliminary: str, from_final: str, from_amended: str) -> None:
    assert [becomes(act, each) for each in (PRELIMINARY, "final", "amended")] == [from_preliminary, from_final, from_amended]


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_clinicians_decide_on_open_reports_alone(status: str) -> None:
    expected = set(DECISIONS) if status in OPEN else set()
    assert allowed(Before(status), MINE, ISSUER) == expected


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_nobody_decides_on_a_report_that_gave_way_or_is_in_other_words(status: str) -> None:
    assert allowed(Before(status, gave_way=True), MINE, ISSUER) == set()
    assert allowed(Before(status, verbatim=False), MINE, ISSUER) == set()


@pytest.mark.parametrize("act", DECISIONS)
def test_only_who_acted_takes_it_back_and_only_while_nobody_else_acted(act: Act) -> None:
    after = Before(becomes(act, PRELIMINARY), acted(act))
    assert bar(Act.UNDO, after, MINE, ISSUER) is None
    assert bar(Act.UNDO, after, MINE, f"{ISSUER}/") is None
    assert bar(Act.UNDO, after, THEIRS, ISSUER) is Bar.NOT_YOURS
    assert bar(Act.UNDO, after, MINE, "https://other.example.org") is Bar.NOT_YOURS
    assert bar(Act.UNDO, replace(after, acted=acted(act, shared=True)), MINE, ISSUER) is Bar.ANOTHER_ACTED


def test_an_undo_names_the_last_act_and_a_report_on_which_nobody_acted_has_none() -> None:
    named = verdict(Act.ACCEPT)
    after = Before("final", acted(id_=named.id))
    assert bar_to(verdict(Act.UNDO, undoes=named.id), after, CLASSES) is None
    assert bar_to(verdict(Act.UNDO, undoes=verdict().id), after, CLASSES) is Bar.NOTHING_TO_UNDO
    for before in (Before(PRELIMINARY), Before("final"), Before("final", acted(Act.WITHDRAW)), Before("corrected", acted())):
        assert bar(Act.UNDO, before, MINE, ISSUER) is Bar.NOTHING_TO_UNDO


def test_a_withdrawn_report_can_only_be_taken_back() -> None:
    assert allowed(Before(IN_ERROR, acted(Act.WITHDRAW)), MINE, ISSUER) == {Act.UNDO}
    assert allowed(Before(IN_ERROR, acted(Act.WITHDRAW)), THEIRS, ISSUER) == set()


def test_a_report_that_another_program_signed_counts_as_anothers_act() -> None:
    assert is_shared(Before("final"), verdict())
    assert not is_shared(Before(PRELIMINARY), verdict())
    assert not is_shared(Before("final", acted()), verdict())
    assert is_shared(Before("final", acted(by=THEIRS)), verdict())


def test_each_act_gives_a_code_of_its_own_closed_set() -> None:
    for act, other in product(CODES, CODES):
        code = CODES[other] if act is not other else CODES[act]
        assert (bar_to(verdict(act, code=code), Before(PRELIMINARY), CLASSES) is None) == (act is other)


def test_the_reasons_are_told_in_every_language_and_stand_beside_hl7s() -> None:
    every = [*OVERRIDES, *NOT_ASSESSABLE, *WITHDRAWALS]
    assert CARDS[: len(OVERRIDES)] == OVERRIDES
    assert [each for each in CARDS[len(OVERRIDES) :] if reason_of(Act.OVERRIDE, each.code) is not None] == []
    for language in LANGUAGES[1:]:
        assert [each.display for each in (*every, *CARDS) if said(each, catalogue(language)) == each.display] == []
    assert [each for each in every if each.codings[0].system != VERDICT_REASONS] == []
    assert {each.codings[1].system for each in OVERRIDES if each.hl7} == {NON_ADHERENCE}
    assert [reason_of(act, each.code) for act in Act for each in reasons_for(act)] == every
    assert reason_of(Act.ACCEPT, "other") is None


def test_each_reason_on_a_card_is_an_overrides_or_is_about_the_card_alone() -> None:
    found = {each.code: override_for(VERDICT_REASONS, each.code) for each in CARDS}
    assert {code: of and of.code for code, of in found.items()} == {
        **{each.code: each.code for each in OVERRIDES},
        **dict.fromkeys(("not-mine-to-decide", "no-time-now")),
    }
    assert all(reason_on_card(VERDICT_REASONS, each.code) is each for each in CARDS)
    for system, code in ((NON_ADHERENCE, "other"), ("urn:ehr", "clinically-benign"), (VERDICT_REASONS, "wrong-patient")):
        assert (reason_on_card(system, code), override_for(system, code)) == (None, None)


ACTS = st.sampled_from(list(Act))


@given(st.lists(st.tuples(ACTS, st.sampled_from([MINE, THEIRS]), st.booleans()), max_size=12))
def test_whatever_clinicians_do_in_whatever_order_the_rules_keep_their_promises(steps: list[tuple[Act, str, bool]]) -> None:
    """A clinician who looks before acting is never overtaken; one who did not look always is; nobody's act is undone by another."""
    desk, done = FakeVerdicts(), list[Verdict]()
    report = "DiagnosticReport/r1"
    for act, by, looked in steps:
        before, version = desk.befores.get(report, Before(PRELIMINARY)), desk.version(report)
        last = before.acted
        undoes = (verdict().id if last is None else last.verdict) if act is Act.UNDO else None
        seen = version if looked else str(int(version) - 1)
        standing = desk.submit(decided := verdict(act, clinician=by, undoes=undoes, report_version=seen))
        after = desk.befores.get(report, Before(PRELIMINARY))
        if not looked:
            assert (standing.state, after) == (State.OVERTAKEN, before)
        elif standing.state is State.RECORDED:
            done.append(decided)
            assert after.status == becomes(act, before.status)
            if act is Act.UNDO:
                assert last is not None
                since = done[:-1][_last_undo(done[:-1]) :]
                assert {each.clinician for each in since} == {by}
        else:
            assert (standing.state, after) == (State.REFUSED, before)
            assert act not in allowed(before, by, ISSUER)
    assert (desk.befores.get(report, Before(PRELIMINARY)).status == PRELIMINARY) == (not done or done[-1].act is Act.UNDO)


def _last_undo(done: list[Verdict]) -> int:
    return max((number + 1 for number, each in enumerate(done) if each.act is Act.UNDO), default=0)


def test_the_fake_desk_keeps_what_it_took_and_takes_nothing_without_the_bus() -> None:
    desk = FakeVerdicts(bus_is_away=True)
    with pytest.raises(Unavailable):
        desk.submit(verdict())
    assert desk.submitted == []
