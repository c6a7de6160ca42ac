"""Whatever fell between the record and the bus is found and mended; what is only late, refused or mended already is left alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs
from tocsin.archive.announce import BACKFILL
from tocsin.archive.reconcile.gaps import Gaps
from tocsin.archive.types import ReportSummary
from tocsin.deadletter.closure import close
from tocsin.errors import MediaUnknown, Refused, ReportOfAnother, SubjectMismatch
from tocsin.event.types import REHEARSAL
from tocsin.settings import ReconcileSettings

from tests.fakes.bus import FakeSink
from tests.support.reconciling import CHANGED, ISSUED, SETTINGS, TOLD, TOPICS, House, ago


def whole(house: House) -> None:
    house.report(house.image())
    house.flag("Media/m1")


def test_a_record_and_a_bus_that_agree_need_nothing() -> None:
    house = House()
    whole(house)
    assert house.reconcile() == Gaps()
    assert house.announced() == []


def test_each_of_the_three_gaps_is_found_and_its_picture_announced_again() -> None:
    house = House()
    unended = house.image("unended")
    untold = house.report(house.image("untold"))
    lost = house.flag(house.image("lost"))
    found = house.reconcile()
    assert found.images_without_ending == (unended,)
    assert found.reports_without_flag == (untold,)
    assert found.flags_without_report == (lost,)
    assert (found.found, found.announced, found.left) == (3, 3, 0)
    assert sorted(house.announced()) == ["Media/lost", "Media/unended", "Media/untold"]


def still_to_be_judged(house: House) -> None:
    house.event(house.image(), ago(3590))


def still_to_be_judged_after_a_backfill(house: House) -> None:
    house.event(house.image(), ago(3590), TOPICS.topic_backfill)


def refused(house: House) -> None:
    house.letter(house.image())


def reported_long_after_it_was_stored(house: House) -> None:
    house.report(house.image(updated=ago(80_000)), ago(1000))
    house.flag("Media/m1", ago(950))


def stored_by_a_server_that_counts_microseconds(house: House) -> None:
    house.report(house.image(updated=CHANGED + timedelta(microseconds=7)), as_of=CHANGED)
    house.flag("Media/m1")


def withdrawn(house: House) -> None:
    house.report(house.image(), calls=False)


def reported_and_the_mark_was_dropped_by_another_program(house: House) -> None:
    report = house.report(house.image(), calls=False)
    house.archive.reports[report] = ReportSummary(report, "Media/m1", ISSUED, None, calls=False)


def signed_and_looked_at_again_since_it_was_changed(house: House) -> None:
    media = house.image(updated=ago(3600))
    house.report(media, ago(90_000), as_of=ago(90_100))
    house.own_event(media, ago(3590))
    house.judge_everything()


def signed_and_looked_at_again_by_a_backfill(house: House) -> None:
    media = house.image(updated=ago(3600))
    house.report(media, ago(90_000), as_of=ago(90_100))
    house.own_event(media, ago(3590), BACKFILL)
    house.judge_everything()


def announced_a_little_before_it_was_stored(house: House) -> None:
    at = ago(SETTINGS.window_s)
    house.event(house.image(updated=at), at - timedelta(seconds=SETTINGS.grace_s / 2))


def lost_report_that_was_flagged_a_moment_ago(house: House) -> None:
    house.flag(house.image(updated=ago(90_000)), ago(SETTINGS.grace_s - 1))


def lost_report_that_was_flagged_again_a_moment_ago(house: House) -> None:
    house.flag(house.image(updated=ago(90_000)), ago(3000))
    house.flag("Media/m1", ago(SETTINGS.grace_s - 1))


def lost_report_that_was_flagged_before_the_window(house: House) -> None:
    house.flag(house.image(updated=ago(90_000)), ago(SETTINGS.window_s + 1))


def too_young(house: House) -> None:
    house.image(updated=ago(SETTINGS.grace_s - 1))


def reported_a_moment_ago(house: House) -> None:
    house.report(house.image(updated=ago(950)), ago(SETTINGS.grace_s - 1))


def too_old(house: House) -> None:
    house.image(updated=ago(SETTINGS.window_s + 1))


def never_to_be_announced(house: House) -> None:
    house.image(status="preparation")


def report_whose_picture_is_gone(house: House) -> None:
    house.report("Media/gone")
    house.letter("Media/gone", error=MediaUnknown)


def flag_of_another_installation(house: House) -> None:
    whole(house)
    house.flag("Media/theirs", source="urn:test:theirs")


@pytest.mark.parametrize(
    "state",
    [
        still_to_be_judged,
        still_to_be_judged_after_a_backfill,
        refused,
        reported_long_after_it_was_stored,
        stored_by_a_server_that_counts_microseconds,
        withdrawn,
        reported_and_the_mark_was_dropped_by_another_program,
        signed_and_looked_at_again_since_it_was_changed,
        signed_and_looked_at_again_by_a_backfill,
        announced_a_little_before_it_was_stored,
        lost_report_that_was_flagged_a_moment_ago,
        lost_report_that_was_flagged_again_a_moment_ago,
        lost_report_that_was_flagged_before_the_window,
        too_young,
        reported_a_moment_ago,
        too_old,
        never_to_be_announced,
        report_whose_picture_is_gone,
        flag_of_another_installation,
    ],
    ids=lambda state: state.__name__,
)
def test_what_is_late_refused_withdrawn_or_out_of_the_window_is_no_gap(state: Callable[[House], None]) -> None:
    house = House()
    state(house)
    found = house.reconcile()
    behind_s: dict[Callable[[House], None], float] = {
        still_to_be_judged: 3590,
        announced_a_little_before_it_was_stored: SETTINGS.window_s + SETTINGS.grace_s / 2,
    }
    assert (found.found, found.announced, found.behind_s) == (0, 0, behind_s.get(state, 0))


def judged_and_nothing_came_of_it(house: House) -> str:
    house.event(house.image(), ago(3590))
    house.judge_everything()
    return "images_without_ending"


def changed_after_its_report(house: House) -> str:
    house.report(house.image(updated=ago(3000)), ago(3500), as_of=ago(3600))
    house.flag("Media/m1", ago(3400))
    return "images_without_ending"


def changed_while_its_older_version_was_judged(house: House) -> str:
    house.report(house.image(updated=ago(3550)), ago(3500), as_of=ago(3600))
    house.flag("Media/m1", ago(3400))
    house.judge_everything()
    return "images_without_ending"


def changed_after_its_report_whose_mark_another_program_dropped(house: House) -> str:
    report = house.report(house.image(updated=ago(3000)), calls=False)
    house.archive.reports[report] = ReportSummary(report, "Media/m1", ago(3500), None, calls=False)
    return "images_without_ending"


def changed_after_it_was_refused(house: House) -> str:
    house.letter(house.image(updated=ago(3000)), ago(3400))
    return "images_without_ending"


def unknown_a_moment_before_the_record_showed_it(house: House) -> str:
    house.letter(house.image(), error=MediaUnknown)
    return "images_without_ending"


def disputed_until_a_person_closed_it(house: House) -> str:
    close(FakeSink(house.bus), TOPICS.topic_replays, house.letter(house.image(), error=SubjectMismatch), TOLD)
    return "images_without_ending"


def composed_anew_after_its_flag(house: House) -> str:
    house.report(house.image(), ago(3000))
    house.flag("Media/m1", ago(3400))
    return "reports_without_flag"


@pytest.mark.parametrize(
    "state",
    [
        judged_and_nothing_came_of_it,
        changed_after_its_report,
        changed_while_its_older_version_was_judged,
        changed_after_its_report_whose_mark_another_program_dropped,
        changed_after_it_was_refused,
        unknown_a_moment_before_the_record_showed_it,
        disputed_until_a_person_closed_it,
        composed_anew_after_its_flag,
    ],
    ids=lambda state: state.__name__,
)
def test_an_ending_that_is_older_than_what_it_should_end_is_none(state: Callable[[House], str]) -> None:
    house = House()
    kind = state(house)
    found = house.reconcile()
    assert (len(getattr(found, kind)), found.found, found.announced) == (1, 1, 1)


def test_the_references_of_the_gaps_are_logged_twenty_at_most_and_no_gap_is_no_warning() -> None:
    house = House()
    with capture_logs() as none:
        house.reconcile()
    images = [house.image(f"m{number:02d}") for number in range(21)]
    with capture_logs() as some:
        house.reconcile()
    assert [(line["log_level"], line["event"]) for line in none] == [("info", "reconciliation found no gap")]
    [line] = [line for line in some if line["log_level"] == "warning"]
    assert (line["found"], line["announced"]) == (21, 21)
    assert f"({', '.join(images[:20])} and 1 more)" in line["detail"]


def test_records_that_are_no_events_flags_or_letters_are_passed_over() -> None:
    house = House()
    whole(house)
    for topic in (TOPICS.topic_imaging, TOPICS.topic_backfill, TOPICS.topic_flags, TOPICS.topic_dead_letters):
        house._append(topic, b"not json", ago(1800))
    assert house.reconcile().found == 0


@pytest.mark.parametrize("lengths", [{"window_s": 900, "grace_s": 900}, {"window_s": 7200, "catch_up_s": 7199}])
def test_a_grace_as_long_as_the_window_or_a_window_longer_than_the_reach_is_refused(lengths: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        ReconcileSettings.model_validate(lengths)


@pytest.mark.parametrize("error", [SubjectMismatch, ReportOfAnother])
def test_a_picture_of_which_it_is_open_whose_it_is_is_found_and_named_and_not_announced(error: type[Refused]) -> None:
    house = House()
    disputed, changed, untold = house.image("disputed"), house.image("changed"), house.image("untold")
    house.letter(disputed, ago(900_000), error)
    house.letter(changed, ago(900_000))
    house.report(untold)
    house.letter(untold, ago(900_000), error)
    with capture_logs() as lines:
        found = house.reconcile()
    assert (set(house.announced()), found.announced, found.left) == ({changed}, 1, 0)
    assert found.images_without_ending == (changed, disputed)
    assert {each.partition(" ")[0] for each in found.disputed} == {disputed, untold}
    assert any(line["log_level"] == "warning" and disputed in line.get("detail", "") and "--close" in line["advice"] for line in lines)


def test_a_flag_of_a_rehearsal_whose_report_somebody_removed_is_no_gap() -> None:
    house = House()
    house.flag(house.image(status="in-progress"), by=REHEARSAL)
    assert house.reconcile() == Gaps()
    assert house.announced() == []
