"""Whatever fell between the record and the bus is found and mended; what is only late, refused or mended already is left alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs
from tocsin.archive.announce import BACKFILL, RECONCILE, event_id
from tocsin.archive.reconcile.checkpoint import Checkpoint, ask
from tocsin.archive.reconcile.gaps import Gaps
from tocsin.archive.reconcile.reconciler import Reconciler, Slice
from tocsin.archive.types import Candidate, Query, Reconciliation, ReportSummary
from tocsin.deadletter.types import dead_letter, send_dead_letter
from tocsin.errors import Deferred, MediaUnknown, Refused, ReportOfAnother, SubjectMismatch, Unavailable
from tocsin.event.types import ImagingEvent
from tocsin.kafka.types import CommittedOffset, Position, Record, TopicPartition
from tocsin.report.flag import Flag, FlagModel
from tocsin.settings import KafkaSettings, ReconcileSettings

from tests.builders import event_json
from tests.fakes.archive import FakeArchive, FakeGroup, Image
from tests.fakes.bus import GROUP, FakeBus, FakeSink, FakeTopicReader

NOW = datetime(2026, 5, 2, 12, tzinfo=UTC)
OURS = "urn:test:ours"
TOPICS = KafkaSettings()
SETTINGS = ReconcileSettings()


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


CHANGED, ISSUED, TOLD = ago(3600), ago(3500), ago(3400)


@dataclass
class House:
    """A hospital whose record and bus can be put out of step."""

    bus: FakeBus = field(default_factory=FakeBus)
    archive: FakeArchive = field(default_factory=FakeArchive)
    settings: ReconcileSettings = SETTINGS
    clock: Callable[[], float] = lambda: 0.0

    def image(self, name: str = "m1", updated: datetime = CHANGED, **changes: Any) -> str:
        image = Image(f"Media/{name}", updated, **changes)
        self.archive.put(image)
        return image.media

    def report(
        self,
        media: str,
        issued: datetime = ISSUED,
        *,
        as_of: datetime | None = None,
        calls: bool = True,
        study: str | None = None,
    ) -> str:
        """On the version of the picture that there is, unless it is told."""
        reference = f"DiagnosticReport/on-{media.partition('/')[2]}"
        stored = as_of or (self.archive.images[media].updated if media in self.archive.images else CHANGED)
        self.archive.reports[reference] = ReportSummary(reference, media, issued, stored, calls, study)
        return reference

    def flag(self, media: str, at: datetime = TOLD, source: str = OURS, report: str | None = None, study: str | None = None) -> str:
        report = report or f"DiagnosticReport/on-{media.partition('/')[2]}"
        flag = Flag(
            version=1,
            id="0" * 36,
            source=source,
            report=report,
            status="preliminary",
            media=media,
            subject="Patient/p1",
            study=study,
            outcome="not-assessable",
            flagged=False,
            reason="too-dark",
            model=FlagModel(name="reader", version="3"),
            content_sha256="0" * 64,
            event="e",
            event_source="urn:test",
            announced_at=at,
        )
        self._append(TOPICS.topic_flags, flag.model_dump_json(exclude_none=True).encode(), at)
        return report

    def letter(self, media: str, at: datetime = TOLD, error: type[Refused] = MediaUnknown) -> None:
        value = orjson.dumps(event_json(media=media))
        record = Record(Position(TopicPartition(TOPICS.topic_imaging, 0), 0), None, value, (), 0)
        self._at(at)
        letter = dead_letter(record, error("gone", reference=media), attempts=1, first_failed_at=at, now=at)
        send_dead_letter(FakeSink(self.bus), TOPICS.topic_dead_letters, letter, None)

    def event(self, media: str, at: datetime, topic: str = TOPICS.topic_imaging, **changes: object) -> None:
        self._append(topic, orjson.dumps(event_json(media=media, **changes)), at)

    def own_event(self, media: str, at: datetime, source: str = RECONCILE) -> None:
        """Tocsin announced the version that there is."""
        candidate = self.archive.images[media].candidate
        assert isinstance(candidate, Candidate)
        self.event(media, at, TOPICS.topic_backfill, id=event_id(source, candidate), source=source)

    def judge_everything(self) -> None:
        """The consumers commit all there is."""
        self.bus.groups[GROUP] = {log: CommittedOffset(len(records)) for log, records in self.bus.logs.items()}

    def reconciler(self, now: datetime) -> Reconciler:
        self._at(now)
        log, sink, group = FakeTopicReader(self.bus), FakeSink(self.bus), FakeGroup(self.bus)
        return Reconciler(self.archive, log, sink, group, TOPICS, Query(), OURS, self.settings, self.clock)

    def reconcile(self, now: datetime = NOW) -> Gaps:
        return self.reconciler(now).reconcile(now)

    def compare(self, since: datetime, announcements_max: int) -> list[Slice]:
        return list(self.reconciler(NOW).compare(since, NOW, announcements_max))

    def events(self) -> list[ImagingEvent]:
        return [ImagingEvent.model_validate_json(each.value or b"") for each in self.bus.records(TOPICS.topic_backfill)]

    def announced(self) -> list[str]:
        return [each.media for each in self.events()]

    def reached(self) -> Reconciliation:
        """What the last run left to the next."""
        return Reconciliation.model_validate_json(self.bus.records(TOPICS.topic_backfills)[-1].value or b"")

    def _append(self, topic: str, value: bytes, at: datetime) -> None:
        self._at(at)
        self.bus.append(topic, None, value)

    def _at(self, at: datetime) -> None:
        self.bus.now_ms = int(at.timestamp() * 1000)


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
    house.letter("Media/gone")


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


def test_consumers_that_are_behind_are_spoken_of_and_what_waits_for_them_is_not_announced_again() -> None:
    house = House()
    house.event(house.image(updated=ago(7200)), ago(7190))
    found = house.reconcile()
    assert (found.behind_s, found.found, found.announced) == (7190, 0, 0)


def test_a_picture_is_announced_once_in_a_window_and_again_only_once_it_was_changed() -> None:
    house = House()
    media = house.image()
    assert house.reconcile().announced == 1
    house.judge_everything()
    again = house.reconcile(NOW + timedelta(seconds=3600))
    assert (again.images_without_ending, again.announced) == ((media,), 0)
    house.image(updated=NOW + timedelta(seconds=3700))
    changed = house.reconcile(NOW + timedelta(seconds=7200))
    assert (changed.images_without_ending, changed.announced) == ((media,), 1)
    assert house.announced() == [media, media]


def test_a_report_that_is_lost_after_its_picture_was_announced_has_it_announced_once_more_and_not_by_every_run() -> None:
    house = House()
    media = house.image()
    assert house.reconcile().announced == 1
    house.judge_everything()
    report = house.flag(media, NOW + timedelta(seconds=10))  # and the report is nowhere
    hours = []
    for number in range(1, 24):
        hours.append(house.reconcile(NOW + timedelta(hours=number)))
        house.judge_everything()
    assert {each.flags_without_report for each in hours} == {(report,)}
    assert [number for number, each in enumerate(hours, 1) if each.announced] == [13]


def test_a_picture_whose_announcement_led_nowhere_is_not_announced_again_however_long_ago_that_was() -> None:
    house = House()
    media = house.image(updated=ago(80_000))
    house.own_event(media, ago(79_000))
    house.judge_everything()
    found = house.reconcile()
    assert (found.images_without_ending, found.announced) == ((media,), 0)


def test_a_run_that_goes_on_half_way_knows_what_was_announced_before() -> None:
    house = House()
    media = house.image(updated=ago(50_000))
    house.own_event(media, ago(20_000))
    house.judge_everything()
    report = house.flag(media, ago(3600))
    Checkpoint(FakeTopicReader(house.bus), FakeSink(house.bus), TOPICS.topic_backfills).keep(ago(7200), 10, whole=False, now=ago(7000))
    found = house.reconcile()
    assert (found.flags_without_report, found.announced) == ((report,), 0)


def test_a_picture_is_announced_with_the_study_that_its_report_names() -> None:
    house = House()
    house.report(house.image("untold"), study="ImagingStudy/of-untold")
    house.report(house.image("changed", ago(1800)), ago(90_000), as_of=ago(90_100), study="ImagingStudy/of-changed")
    house.flag(house.image("lost"), study="ImagingStudy/of-lost")
    house.image("new")
    house.reconcile()
    assert {each.media: each.study for each in house.events()} == {
        "Media/untold": "ImagingStudy/of-untold",
        "Media/changed": "ImagingStudy/of-changed",
        "Media/lost": "ImagingStudy/of-lost",
        "Media/new": None,
    }


def test_a_picture_that_the_journey_judges_though_it_is_not_completed_gets_its_lost_flag_back() -> None:
    house = House()
    report = house.report(house.image(status="in-progress"))
    found = house.reconcile()
    assert (found.reports_without_flag, house.announced()) == ((report,), ["Media/m1"])


@pytest.mark.parametrize("slice_max", [3, 1000])
def test_many_gaps_are_mended_over_several_runs_the_oldest_first(slice_max: int) -> None:
    house = House(settings=ReconcileSettings(batch_max=4, slice_max=slice_max))
    media = [house.image(f"m{number}", ago(3600 - number)) for number in range(10)]
    runs = []
    for number in range(4):
        runs.append(house.reconcile(NOW + timedelta(seconds=number)))
        assert house.reached().whole is (runs[-1].left == 0)
        house.judge_everything()
    assert [each.announced for each in runs] == [4, 4, 2, 0]
    assert [each.left > 0 for each in runs] == [True, True, False, False]
    assert house.announced() == media


@dataclass
class Watched(FakeArchive):
    """Counts what is held together, and takes its time."""

    slice_s: float = 0.0
    now_s: float = 0.0
    together_max: int = 0
    dies_over: int = 1_000_000

    def changed(self, query: Query, since: datetime, until: datetime) -> Iterator[Candidate]:
        self.now_s += self.slice_s
        return super().changed(query, since, until)

    def reports_on(self, media: Collection[str]) -> list[ReportSummary]:
        self.together_max = max(self.together_max, len(media))
        if len(media) > self.dies_over:
            raise Unavailable("fhir", "a time limit")
        return super().reports_on(media)

    def existing(self, reports: Collection[str]) -> set[str]:
        self.together_max = max(self.together_max, len(reports))
        return super().existing(reports)


def watched(slice_max: int = 3, **changes: Any) -> tuple[House, Watched]:
    archive = Watched(**changes)
    return House(archive=archive, settings=ReconcileSettings(slice_max=slice_max), clock=lambda: archive.now_s), archive


def many_images(house: House, count: int) -> list[str]:
    return [house.image(f"image{number}", ago(3600 - number)) for number in range(count)]


def many_reports(house: House, count: int) -> list[str]:
    media = [house.image(f"report{number}", ago(90_000)) for number in range(count)]
    return [house.report(each, ago(3600 - number)) for number, each in enumerate(media)]


def many_flags(house: House, count: int) -> list[str]:
    media = [house.image(f"flag{number}", ago(90_000)) for number in range(count)]
    return [house.flag(each, ago(3600 - number)) for number, each in enumerate(media)]


@pytest.mark.parametrize("count", [5, 10])
@pytest.mark.parametrize("kinds", [(many_images,), (many_reports,), (many_flags,), (many_images, many_reports, many_flags)])
def test_however_many_pictures_reports_and_flags_there_are_few_are_held_together_and_every_gap_is_found(
    kinds: tuple[Callable[[House, int], list[str]], ...], count: int
) -> None:
    house, archive = watched()
    gaps = [each for make in kinds for each in make(house, count)]
    found = house.reconcile()
    assert archive.together_max <= 3
    told = (*found.images_without_ending, *found.reports_without_flag, *found.flags_without_report)
    assert (sorted(told), found.found) == (sorted(gaps), len(gaps))
    assert len(house.announced()) == len(set(house.announced())) == len(gaps)


def test_pictures_that_one_import_stored_at_one_time_are_compared_together() -> None:
    house, archive = watched()
    media = [house.image(f"m{number}") for number in range(10)] + [house.image("later", ago(1800))]
    assert house.reconcile().images_without_ending == tuple(media)
    assert archive.together_max == 10


def test_a_run_stops_in_time_and_the_next_goes_on_where_it_stopped_until_all_was_compared() -> None:
    house, _ = watched(slice_s=25)
    media = [house.image(f"m{number}", ago(3600 - number)) for number in range(12)]
    first = house.reconcile()
    assert (list(first.images_without_ending), house.announced()) == (media[:6], media[:6])
    assert not house.reached().whole
    second = house.reconcile(NOW + timedelta(seconds=60))
    assert list(second.images_without_ending) == media[6:]
    assert house.announced() == media
    assert house.reached().whole
    anew = house.reconcile(NOW + timedelta(seconds=120))
    assert (anew.found, anew.announced, house.reached().whole) == (0, 0, False)  # all of them wait for the consumers


def test_a_run_that_dies_over_a_slice_leaves_a_smaller_one_to_the_next_so_that_none_starts_over_for_ever() -> None:
    house, archive = watched(slice_max=64, dies_over=5)
    media = [house.image(f"m{number:02}", ago(3600 - number)) for number in range(40)]
    for number in range(40):
        try:
            house.reconcile(NOW + timedelta(seconds=number))
        except Deferred:
            continue
    assert house.announced() == media
    assert archive.together_max > 5


def test_a_slice_that_takes_long_is_followed_by_a_smaller_one_and_a_quick_one_by_a_larger() -> None:
    house, archive = watched(slice_max=8, slice_s=35)
    for number in range(40):
        house.image(f"m{number:02}", ago(3600 - number))
    house.reconcile()
    assert house.reached().size == 4
    archive.slice_s = 1
    house.reconcile(NOW + timedelta(seconds=1))
    assert house.reached().size == 8


def test_what_came_about_while_nobody_compared_is_made_up_for() -> None:
    house = House()
    house.reconcile()
    media = house.image(updated=NOW + timedelta(hours=1))
    assert house.reconcile(NOW + timedelta(days=5)).images_without_ending == (media,)


def test_a_comparison_that_comes_late_goes_back_as_far_as_it_is_told_and_no_further() -> None:
    house = House(settings=ReconcileSettings(catch_up_s=259_200))
    house.reconcile()
    house.image("early", NOW + timedelta(hours=1))
    media = house.image("late", NOW + timedelta(days=3))
    assert house.reconcile(NOW + timedelta(days=5)).images_without_ending == (media,)


def test_whoever_lost_events_has_the_next_run_look_back_once_and_finds_their_pictures() -> None:
    house = House()
    house.reconcile(ago(60))
    old = house.image(updated=ago(5 * 86_400))
    assert house.reconcile(ago(50)).found == 0, "it is older than any window"
    ask(FakeSink(house.bus), TOPICS.topic_backfills, ago(14 * 86_400), ago(40))
    assert house.reconcile(ago(30)).images_without_ending == (old,)
    house.judge_everything()
    assert house.announced() == [old]
    before = house.reached()
    assert house.reconcile(ago(20)).found == 0
    assert house.reached().next_from >= before.next_from - timedelta(seconds=SETTINGS.window_s)


def test_a_call_to_look_back_that_comes_in_the_middle_of_a_run_is_answered_by_the_next() -> None:
    house = House()
    sink = FakeSink(house.bus)
    run = Checkpoint(FakeTopicReader(house.bus), sink, TOPICS.topic_backfills)
    run.start(ago(86_400), 10)
    ask(sink, TOPICS.topic_backfills, ago(800_000), ago(30))
    run.keep(ago(10), 10, whole=True, now=ago(20))
    following = Checkpoint(FakeTopicReader(house.bus), sink, TOPICS.topic_backfills)
    assert following.start(ago(86_400), 10) == (ago(800_000), 10)
    following.keep(ago(700_000), 10, whole=False, now=ago(10))
    assert Checkpoint(FakeTopicReader(house.bus), sink, TOPICS.topic_backfills).start(ago(86_400), 10) == (ago(700_000), 10)


def test_a_comparison_by_hand_goes_back_as_far_as_it_is_told_and_leaves_the_runs_alone() -> None:
    house = House()
    old = [house.image(f"m{number}", ago(864_000 - number)) for number in range(3)]
    dry = house.compare(ago(900_000), 0)
    assert ([each.gaps.images_without_ending for each in dry], house.announced()) == ([tuple(old)], [])
    assert [each.gaps.announced for each in house.compare(ago(900_000), 1_000_000)] == [3]
    assert house.announced() == old
    assert house.bus.records(TOPICS.topic_backfills) == []


def test_what_is_no_word_of_an_earlier_run_is_passed_over() -> None:
    house = House()
    media = house.image()
    house.bus.append(TOPICS.topic_backfills, b"reconciliation", b"not json")
    house.bus.append(TOPICS.topic_backfills, b"0a1b2c3d", b"{}")
    assert house.reconcile().images_without_ending == (media,)


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
