"""Whatever fell between the record and the bus is found and mended; what is only late, refused or mended already is left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from pydantic import ValidationError
from tocsin.errors import MediaUnknown
from tocsin.event.deadletter import dead_letter, send_dead_letter
from tocsin.event.model import ImagingEvent, Place, Position, Record, TopicPartition
from tocsin.report.flag import Flag, FlagModel
from tocsin.settings import KafkaSettings, ReconcileSettings
from tocsin.worker.model import Filed, Query
from tocsin.worker.reconcile import Findings, Reconciler

from tests.builders import event_json
from tests.fakes.archive import FakeArchive, FakeGroup, Image
from tests.fakes.bus import GROUP, FakeBus, FakeLog, FakeSink

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

    def image(self, name: str = "m1", updated: datetime = CHANGED, **changes: object) -> str:
        image = Image(f"Media/{name}", updated, **changes)  # type: ignore[arg-type]
        self.archive.put(image)
        return image.media

    def report(self, media: str, issued: datetime = ISSUED, *, updated: datetime | None = None, calls: bool = True) -> str:
        reference = f"DiagnosticReport/on-{media.partition('/')[2]}"
        self.archive.reports[reference] = Filed(reference, media, issued, updated or issued, calls)
        return reference

    def flag(self, media: str, at: datetime = TOLD, source: str = OURS, report: str | None = None) -> str:
        report = report or f"DiagnosticReport/on-{media.partition('/')[2]}"
        flag = Flag(
            version=1,
            id="0" * 36,
            source=source,
            report=report,
            status="preliminary",
            media=media,
            subject="Patient/p1",
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

    def letter(self, media: str, at: datetime = TOLD) -> None:
        value = orjson.dumps(event_json(media=media))
        record = Record(Position(TopicPartition(TOPICS.topic_imaging, 0), 0), None, value, (), 0)
        self._at(at)
        letter = dead_letter(record, MediaUnknown("gone", reference=media), attempts=1, first_failed_at=at, now=at)
        send_dead_letter(FakeSink(self.bus), TOPICS.topic_dead_letters, letter, None)

    def event(self, media: str, at: datetime, topic: str = TOPICS.topic_imaging) -> None:
        self._append(topic, orjson.dumps(event_json(media=media)), at)

    def judge_everything(self) -> None:
        """The consumers commit all there is."""
        self.bus.groups[GROUP] = {log: Place(len(records)) for log, records in self.bus.logs.items()}

    def reconcile(self, now: datetime = NOW) -> Findings:
        self._at(now)
        return Reconciler(
            self.archive, FakeLog(self.bus), FakeSink(self.bus), FakeGroup(self.bus), TOPICS, Query(), OURS, self.settings
        ).reconcile(now)

    def announced(self) -> list[str]:
        return [ImagingEvent.model_validate_json(each.value or b"").media for each in self.bus.records(TOPICS.topic_backfill)]

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
    assert house.reconcile() == Findings()
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


def reported_and_signed(house: House) -> None:
    house.report(house.image(updated=ago(3600)), ago(90_000), updated=ago(1800))


def withdrawn(house: House) -> None:
    house.report(house.image(), calls=False)


def flagged_again_since_it_was_changed(house: House) -> None:
    media = house.image(updated=ago(3600))
    house.report(media, ago(90_000))
    house.flag(media)


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
        reported_and_signed,
        withdrawn,
        flagged_again_since_it_was_changed,
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
    assert (found.found, found.announced, found.behind_s) == (0, 0, 3590 if state is still_to_be_judged else 0)


def judged_and_nothing_came_of_it(house: House) -> str:
    house.event(house.image(), ago(3590))
    house.judge_everything()
    return "images_without_ending"


def changed_after_its_report(house: House) -> str:
    house.report(house.image(updated=ago(3000)), ago(3500))
    house.flag("Media/m1", ago(3400))
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
    [judged_and_nothing_came_of_it, changed_after_its_report, changed_after_it_was_refused, composed_anew_after_its_flag],
    ids=lambda state: state.__name__,
)
def test_an_ending_that_is_older_than_what_it_should_end_is_none(state: Callable[[House], str]) -> None:
    house = House()
    kind = state(house)
    found = house.reconcile()
    assert (len(getattr(found, kind)), found.found, found.announced) == (1, 1, 1)


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


def test_many_gaps_are_mended_over_several_runs() -> None:
    house = House(settings=ReconcileSettings(batch_max=4))
    media = [house.image(f"m{number}", ago(3600 - number)) for number in range(10)]
    runs = []
    for number in range(4):
        runs.append(house.reconcile(NOW + timedelta(seconds=number)))
        house.judge_everything()
    assert [each.announced for each in runs] == [4, 4, 2, 0]
    assert [each.left for each in runs] == [6, 2, 0, 0]
    assert house.announced() == media


def test_more_pictures_than_may_be_held_are_looked_at_from_the_oldest_change_on() -> None:
    house = House(settings=ReconcileSettings(images_max=3))
    media = [house.image(f"m{number}", ago(3600 - number)) for number in range(5)]
    assert house.reconcile().images_without_ending == tuple(media[:3])


def test_records_that_are_no_events_flags_or_letters_are_passed_over() -> None:
    house = House()
    whole(house)
    for topic in (TOPICS.topic_imaging, TOPICS.topic_backfill, TOPICS.topic_flags, TOPICS.topic_dead_letters):
        house._append(topic, b"not json", ago(1800))
    assert house.reconcile().found == 0


def test_a_grace_as_long_as_the_window_is_refused() -> None:
    with pytest.raises(ValidationError):
        ReconcileSettings(window_s=900, grace_s=900)
