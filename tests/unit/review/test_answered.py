"""That a card was answered in the EHR is seen, and reads no report: the same however often, in whichever order and in whatever batch."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from tocsin.report.flag import Flag
from tocsin.review.answered import ANSWERS_MAX, CardBook
from tocsin.review.feedback import Feedback
from tocsin.review.measures import watch_worklist
from tocsin.review.notices import Overdue, due
from tocsin.review.types import Act, Standing, State, Verdict
from tocsin.review.worklist import Ranks, Row, Wanted, Worklist
from tocsin.telemetry.metrics import WORKLIST_UNREAD, WORKLIST_UNSIGNED

from tests.builders import card
from tests.support.flags import HOUR, NOW, feedback, flag, standing, verdict
from tests.support.measured import measured

BANDS = card().operating_point.bands
REPORT = "DiagnosticReport/r1"
EVENTS: tuple[Flag | Feedback, ...] = (
    flag(1),
    flag(1, at=NOW - HOUR),
    feedback(1, id=1, at=NOW + HOUR),
    feedback(1, "no-time-now", id=2, at=NOW + 2 * HOUR),
    feedback(1, id=3, at=NOW - HOUR, outcome="accepted", reason=None),
    *(feedback(1, id=number, at=NOW - number * HOUR) for number in range(4, 9)),
    feedback(None),
)


def take(of: Worklist, *events: Flag | Feedback | Verdict | Standing) -> Worklist:
    for each in events:
        {Flag: of.flag, Feedback: of.feedback, Verdict: of.verdict, Standing: of.standing}[type(each)](each)  # type: ignore[operator] # by its type
    return of


def worklist(*events: Flag | Feedback | Verdict | Standing, rows_max: int = 100) -> Worklist:
    return take(Worklist(Ranks.of(BANDS), rows_max), *events)


def row(of: Worklist) -> Row:
    found = of.row(REPORT)
    assert found is not None
    return found


@given(st.permutations(EVENTS), st.lists(st.sampled_from(EVENTS), max_size=6))
def test_repeats_batches_and_any_order_feedback_before_its_flag_too_make_the_same_list(order: list[Flag], again: list[Flag]) -> None:
    assert worklist(*order, *again).rows() == worklist(*EVENTS).rows()
    assert len(row(worklist(*order)).in_ehr.answers) == ANSWERS_MAX
    assert row(worklist(*order)).in_ehr.more


def test_a_high_flag_whose_card_was_put_away_is_unread_asks_and_is_told_of_all_the_same() -> None:
    seen = worklist(flag(1))
    put_away = take(worklist(flag(1)), feedback(1), feedback(1, "no-time-now", id=2))
    before, after = row(seen), row(put_away)
    assert (after.unread, after.asks, after.status, after.changed_at) == (True, True, before.status, before.changed_at)
    overdue, late = Overdue.of(3600, None, BANDS), NOW + 2 * HOUR
    assert [each.report for each in due(put_away.rows(), overdue, {}, "mail", late)] == [REPORT]
    assert put_away.totals() == seen.totals()
    put_away.forget(NOW + timedelta(days=400))
    assert row(put_away).unread, "it never leaves the list by its age"


def test_what_was_answered_in_the_ehr_and_not_signed_can_be_asked_for() -> None:
    of = worklist(flag(1), flag(2), flag(3), feedback(1), feedback(3), verdict(3, at=NOW + HOUR), standing(3, at=NOW + HOUR))
    assert [each.report for each in of.page(Wanted(unsigned=True), None, 10)] == [REPORT]


def test_it_is_counted_by_band_beside_the_unread_which_it_takes_nothing_from() -> None:
    with measured() as found:
        of = worklist(flag(1), flag(2), flag(3, "raised"), feedback(1))
        watch_worklist(of, lambda: 0.0, Overdue.of(60.0, None, BANDS), lambda: NOW)
        assert [found.of(WORKLIST_UNSIGNED, band=band) for band in ("high", "raised")] == [1, 0]
        assert [found.of(WORKLIST_UNREAD, band=band) for band in ("high", "raised")] == [2, 1]
        take(of, verdict(1, at=NOW + HOUR))
        assert found.of(WORKLIST_UNSIGNED, band="high") == 0


def test_a_verdict_signs_it_and_an_undo_asks_for_another_answer() -> None:
    of = worklist(flag(1), feedback(1), verdict(1, at=NOW + HOUR))
    assert row(of).unsigned is None
    take(of, standing(1, at=NOW + HOUR), verdict(1, Act.UNDO, id=2, at=NOW + 2 * HOUR), standing(1, verdict=2, at=NOW + 2 * HOUR))
    assert (row(of).unread, row(of).unsigned) == (True, None)
    assert row(of).in_ehr, "what the EHR told stays told"
    take(of, feedback(1, id=2, at=NOW + 3 * HOUR))
    assert row(of).unsigned is not None


def test_a_verdict_that_was_overtaken_is_asked_for_again_by_its_own_words() -> None:
    of = worklist(flag(1), feedback(1), verdict(1, at=NOW + HOUR), standing(1, State.OVERTAKEN, at=NOW + HOUR))
    assert (row(of).unread, row(of).unsigned) == (True, None)


def test_an_ehrs_clock_decides_no_more_than_the_order_of_its_answers() -> None:
    of = worklist(flag(1), feedback(1, at=NOW - 300 * 24 * HOUR, received_at=NOW + HOUR), verdict(1, at=NOW), standing(1, State.REFUSED))
    assert row(of).unsigned is not None
    assert row(of).in_ehr.received_at == NOW + HOUR


def test_answers_are_forgotten_with_the_time_from_which_a_start_reads_them() -> None:
    of = worklist(flag(1), feedback(1), feedback(2))
    of.forget(NOW + HOUR)
    assert (row(of).in_ehr.answers, of.in_ehr("DiagnosticReport/r2").answers) == ((), ())
    of = worklist(flag(1), feedback(1))
    of.clear()
    assert not of.in_ehr(REPORT)


def test_no_more_reports_are_held_than_the_list_has_room_for_and_the_longest_told_leave_first() -> None:
    of = worklist(flag(1), *(feedback(number, id=number, at=NOW + number * HOUR) for number in range(1, 41)), rows_max=20)
    held = [number for number in range(1, 41) if of.in_ehr(f"DiagnosticReport/r{number}")]
    assert held == list(range(21, 41))
    assert not row(of).in_ehr, "and its row does not show what is not held"
    book = CardBook(1)
    for number in (1, 2):
        book.take(f"DiagnosticReport/r{number}", feedback(number, at=NOW + number * HOUR))
    assert [bool(book.of(f"DiagnosticReport/r{number}")) for number in (1, 2)] == [False, True]
