"""What stands on the worklist, in which order, and what takes it off again."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from tocsin.review.types import Act, State
from tocsin.review.worklist import NOT_ASSESSABLE, OTHER, Place, Ranks, Row, Wanted, Worklist

from tests.builders import card
from tests.support.flags import HOUR, NOW, flag, standing, verdict

BANDS = card().operating_point.bands
RANKS = Ranks.of(BANDS)


def worklist(rows_max: int = 100_000) -> Worklist:
    return Worklist(RANKS, rows_max)


def numbers(rows: list[Row]) -> list[int]:
    return [int(row.report.removeprefix("DiagnosticReport/r")) for row in rows]


def shown(of: Worklist, count: int = 100, **wanted: object) -> list[int]:
    return numbers(of.page(Wanted(**wanted), None, count))  # type: ignore[arg-type] # as the test names them


def one(of: Worklist) -> Row:
    row = of.row("DiagnosticReport/r1")
    assert row is not None
    return row


def test_the_highest_band_comes_first_and_of_one_band_the_newest() -> None:
    of = worklist()
    for number, band, hours in ((1, "below-threshold", 0), (2, "high", 5), (3, "raised", 1), (4, "high", 2), (5, None, 0)):
        of.flag(flag(number, band, at=NOW - hours * HOUR))
    assert shown(of) == [4, 2, 3, 5, 1]


def test_a_flagged_band_that_the_card_does_not_know_stands_with_the_highest_and_an_unflagged_one_behind_what_could_not_be_judged() -> None:
    of = worklist()
    for number, band in ((1, None), (2, "raised"), (3, "new-band")):
        of.flag(flag(number, band))
    of.flag(flag(4, "other-new", flagged=False))
    assert shown(of) == [3, 2, 1, 4]
    assert shown(of, band=OTHER) == [3, 4]


def test_the_newest_flag_holds_in_whichever_order_they_come() -> None:
    for flags in ((flag(at=NOW, status="final"), flag(at=NOW - HOUR)), (flag(at=NOW - HOUR), flag(at=NOW, status="final"))):
        of = worklist()
        for each in flags:
            of.flag(each)
        assert one(of).status == "final"
        assert one(of).since == NOW - HOUR


def test_the_age_counts_from_the_report_and_not_from_a_flag_that_was_told_again() -> None:
    of = worklist()
    of.flag(flag(at=NOW, issued=NOW - 40 * 24 * HOUR))
    assert one(of).since == NOW - 40 * 24 * HOUR


def test_a_report_that_gave_way_asks_nobody_any_more() -> None:
    of = worklist()
    of.flag(flag(at=NOW - HOUR))
    of.flag(flag(at=NOW, status="entered-in-error", flagged=False))
    assert shown(of) == []
    assert one(of).withdrawn


@pytest.mark.parametrize(
    ("state", "unread"), [(State.RECORDED, False), (State.WAITING, False), (State.OVERTAKEN, True), (State.REFUSED, True)]
)
def test_a_verdict_takes_a_report_off_the_unread_unless_the_record_did_not_take_it(state: State, unread: bool) -> None:
    of = worklist()
    of.flag(flag())
    of.verdict(verdict(at=NOW + HOUR))
    assert not one(of).unread, "the bus has the clinician's answer"
    of.standing(standing(state=state, at=NOW + HOUR))
    assert one(of).unread is unread


def test_an_undone_verdict_is_no_answer() -> None:
    of = worklist()
    of.flag(flag())
    of.verdict(verdict(at=NOW + HOUR))
    of.standing(standing(at=NOW + HOUR, report_status="final"))
    of.verdict(verdict(act=Act.UNDO, at=NOW + 2 * HOUR, id=2))
    assert not one(of).unread, "the record still says final"
    of.standing(standing(at=NOW + 2 * HOUR, verdict=2, report_status="preliminary"))
    assert one(of).unread


def test_of_two_clinicians_the_later_verdict_counts_and_an_earlier_ones_standing_does_not() -> None:
    of = worklist()
    of.flag(flag())
    of.verdict(verdict(at=NOW + HOUR, id=1))
    of.verdict(verdict(act=Act.CORRECT, at=NOW + 2 * HOUR, id=2))
    of.standing(standing(at=NOW + 3 * HOUR, verdict=1))
    answer = one(of).answer
    assert answer is not None
    assert (answer.act, answer.state) == (Act.CORRECT, State.WAITING)


def test_a_verdict_that_is_read_before_its_flag_counts_all_the_same() -> None:
    of = worklist()
    of.verdict(verdict(at=NOW + HOUR))
    of.standing(standing(at=NOW + HOUR))
    of.flag(flag())
    assert one(of).status == "final"
    assert shown(of) == []
    assert shown(of, unread=False) == [1]


def test_the_order_of_topics_and_repeats_change_nothing() -> None:
    told = [
        lambda of: of.flag(flag(at=NOW)),
        lambda of: of.flag(flag(at=NOW + 3 * HOUR, status="final")),
        lambda of: of.verdict(verdict(at=NOW + HOUR)),
        lambda of: of.standing(standing(at=NOW + 2 * HOUR)),
    ]
    lists = []
    for order in ((0, 1, 2, 3), (2, 3, 0, 1), (0, 2, 1, 3), (0, 1, 0, 1, 2, 3, 2, 3)):
        of = worklist()
        for each in order:
            told[each](of)
        lists.append(of.rows())
    assert all(each == lists[0] for each in lists)


def test_filters_by_site_band_and_age() -> None:
    of = worklist()
    of.flag(flag(1, "high", at=NOW - 30 * HOUR))
    of.flag(flag(2, "high", source="urn:tocsin:site:south"))
    of.flag(flag(3, None))
    assert of.sites() == ["urn:tocsin:site:north", "urn:tocsin:site:south"]
    assert shown(of, site="urn:tocsin:site:south") == [2]
    assert shown(of, band=NOT_ASSESSABLE) == [3]
    assert shown(of, until=NOW - 24 * HOUR) == [1]


def test_pages_follow_each_other_without_a_gap_or_a_double_while_the_list_grows() -> None:
    of = worklist()
    for number in range(100):
        of.flag(flag(number, at=NOW - number * HOUR))
    seen: list[int] = []
    after: Place | None = None
    while rows := of.page(Wanted(), after, 7):
        seen += numbers(rows)
        after = of.place(rows[-1])
        of.flag(flag(1000 + len(seen), at=NOW + len(seen) * HOUR))
    assert seen == list(range(100))


def test_what_the_bus_spoke_of_long_ago_is_forgotten_but_never_what_asks_to_be_looked_at() -> None:
    of = worklist()
    old = NOW - 40 * 24 * HOUR
    of.flag(flag(1, "high", at=old))
    of.flag(flag(2, None, at=old))
    of.flag(flag(3, "below-threshold", at=old))
    of.flag(flag(4, "high", at=old))
    of.verdict(verdict(4, at=old + HOUR))
    of.flag(flag(5, "below-threshold", at=NOW))
    of.verdict(verdict(9, at=old))
    of.forget(NOW - timedelta(days=30))
    assert numbers(of.rows()) == [1, 2, 5]
    of.flag(flag(9))
    assert shown(of, band="high") == [9, 1], "the verdict of a report that never came is forgotten too"


def test_a_full_list_drops_what_was_answered_first_then_what_asks_nobody_and_says_what_it_had_to_leave_out() -> None:
    of = worklist(rows_max=20)
    for number in range(10):
        of.flag(flag(number, "below-threshold"))
    for number in range(10, 30):
        of.flag(flag(number, "high", at=NOW + number * HOUR))
    assert shown(of) == list(range(29, 9, -1))
    assert of.left_out == 0
    of.flag(flag(30, "high", at=NOW + 30 * HOUR))
    assert shown(of) == list(range(30, 10, -1))
    assert of.left_out == 1


def test_totals_count_the_unread_by_site_and_band_and_name_the_oldest() -> None:
    of = worklist()
    of.flag(flag(1, at=NOW - 3 * HOUR))
    of.flag(flag(2, at=NOW - HOUR))
    of.flag(flag(3, "strange"))
    of.flag(flag(4, at=NOW - 9 * HOUR, status="final"))
    totals = {band: (total.unread, total.oldest) for (_, band), total in of.totals().items()}
    assert totals == {"high": (2, NOW - 3 * HOUR), OTHER: (1, NOW)}


def test_ten_thousand_rows_are_paged_and_counted_fast() -> None:
    of = worklist()
    for number in range(10_000):
        of.flag(flag(number, ("high", "raised", "below-threshold")[number % 3], at=NOW - number * timedelta(minutes=1)))
    began = time.perf_counter()
    for _ in range(20):
        of.page(Wanted(site="urn:tocsin:site:nowhere"), None, 50)  # the costliest page: nothing matches
    assert (time.perf_counter() - began) / 20 < 0.1
    assert len(of.page(Wanted(), None, 50)) == 50
