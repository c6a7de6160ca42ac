"""A month's report: what is counted, what it says it cannot show, and the folder in which it is kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tocsin.bootstrap import monthly
from tocsin.bootstrap.card import card_in_use
from tocsin.bootstrap.monthly import found_of, report_month
from tocsin.cli.commands import app
from tocsin.errors import ConfigurationError
from tocsin.kafka.records import encode
from tocsin.learning.monthly.compose import as_json, composed
from tocsin.learning.monthly.month import Month
from tocsin.learning.monthly.parts import MonthFound
from tocsin.learning.monthly.sentences import VERDICT, cannot_be_shown
from tocsin.learning.monthly.shelf import Shelf, shelf_preflight
from tocsin.learning.report.page import html
from tocsin.learning.report.speech import Speech
from tocsin.learning.report.types import GoLive
from tocsin.model_card import Features
from tocsin.report.flag import Flag
from tocsin.review.types import Act, Standing, State
from tocsin.settings import ReportSettings, Settings, WatchSettings
from tocsin.site.gate import gate_sha256
from typer.testing import CliRunner

from tests.fakes.bus import FakeBus, FakeTopicReader
from tests.fakes.origins import FakeOrigins
from tests.support.evaluations import ENGLISH, said_in
from tests.support.flags import HOUR, flag
from tests.support.gates import FEATURES, gate_json
from tests.support.reviewing import verdict
from tests.support.site_files import EVALUATION, at_site
from tests.unit.learning.test_labels_bus import CARD, MELANOMA, NAEVUS, outcome

SOURCE = "urn:tocsin:test"
FEBRUARY = Month(2026, 2)
THEN = datetime(2026, 2, 14, 9, tzinfo=UTC)
MADE = datetime(2026, 3, 5, 2, tzinfo=UTC)
PROMOTED = EVALUATION | {"carried_on": "2026-02-10T08:00:00+00:00"}
SCHEMA = Path(__file__).parents[3] / "schemas" / "learning" / "month.v1.schema.json"


class House:
    """A bus and a record of which a month's report is made."""

    def __init__(self, **changes: Any) -> None:
        self.bus, self.record = FakeBus(), FakeOrigins()
        self.settings = Settings(report=ReportSettings(source=SOURCE), watch=WatchSettings(**changes))

    def put(self, topic: str, model: Any, at: datetime, key: str = "") -> None:
        self.bus.append(topic, (key or model.report).encode(), encode(model), at_ms=int(at.timestamp() * 1000))

    def judged(self, number: int, band: str | None = "high", *, at: datetime = THEN, **changes: Any) -> Flag:
        score = {} if band is None else {"probability": 0.6 if band == "high" else 0.01}
        told = flag(number, band, at=at, **({"source": SOURCE} | score | changes))
        self.put(self.settings.kafka.topic_flags, told, told.announced_at, told.subject)
        return told

    def found(self, number: int, code: str, at: datetime = MADE - timedelta(days=2), **changes: Any) -> None:
        told = outcome(number, code, at=at, issued_at=at, source=SOURCE, **changes)
        self.put(self.settings.kafka.topic_verdicts, told, at)

    def answered(self, told: Flag, act: Act) -> None:
        said = verdict(act, report=told.report, media=told.media, subject=told.subject, decided_at=THEN + timedelta(days=1))
        topic = self.settings.kafka.topic_verdicts
        self.put(topic, said, THEN + timedelta(days=1))
        self.put(topic, Standing(verdict=said.id, report=told.report, state=State.RECORDED, at=THEN + timedelta(days=1)), MADE)

    def month(self, month: Month = FEBRUARY, now: datetime = MADE) -> MonthFound:
        return found_of(self.settings, month, now, FakeTopicReader(self.bus), self.record)

    def report(self, found: MonthFound, speech: Speech = ENGLISH) -> GoLive:
        return composed(found, card_in_use(self.settings.model), speech)


def lived() -> House:
    """A February of 30 pictures, of which some have labels by now."""
    house = House()
    house.judged(0, at=datetime(2026, 1, 20, tzinfo=UTC))
    for number in range(1, 31):
        told = house.judged(number, "high" if number <= 6 else None if number > 28 else "below-threshold")
        if number <= 8:
            house.found(number, MELANOMA if number in (1, 2, 7) else NAEVUS)
        if number in (1, 2, 9):
            house.answered(told, Act.ACCEPT if number != 2 else Act.OVERRIDE)
    house.judged(99, at=datetime(2026, 3, 1, tzinfo=UTC))
    return house


def test_volumes_are_of_the_months_pictures_by_the_report_that_was_announced_last() -> None:
    house = lived()
    house.judged(3, status="final", announced_at=MADE)
    house.judged(4, flagged=False, status="entered-in-error", announced_at=MADE)
    house.judged(50, model={"name": "sklesion", "version": "0"})
    house.judged(51, source="urn:other")
    volumes = house.month().volumes
    assert (volumes.pictures, volumes.assessed, volumes.flagged, volumes.withdrawn) == (29, 27, 5, 1)
    assert volumes.not_assessable == {"too-dark": 2}
    assert (volumes.bands["high"], volumes.bands["below-threshold"]) == (5, 22)
    assert (volumes.other_versions, volumes.announcements) == ({"sklesion/0": 1}, 33)


@pytest.mark.parametrize("version", ["1", "0"])
def test_a_picture_that_was_judged_anew_counts_by_the_report_that_holds_though_the_older_gives_way_after_it(version: str) -> None:
    house, model = House(), {"name": "sklesion", "version": version}
    house.judged(1, "below-threshold", model=model)
    house.judged(2, "high", media="Media/m1", subject="Patient/p1", at=THEN + HOUR)
    house.judged(1, "below-threshold", model=model, status="entered-in-error", announced_at=THEN + HOUR)
    found = house.month()
    volumes = found.volumes
    assert (volumes.pictures, volumes.flagged, volumes.withdrawn, volumes.other_versions) == (1, 1, 0, {})
    assert found.evaluation.flow.pictures == volumes.pictures


def test_figures_are_of_the_labels_so_far_and_nobody_without_one_is_benign() -> None:
    evaluation = lived().month().evaluation
    at = evaluation.at_the_point
    assert at is not None
    assert (at.true_positive, at.false_negative, at.false_positive, at.true_negative) == (2, 1, 4, 1)
    assert (evaluation.flow.pictures, evaluation.flow.labelled, evaluation.flow.unlabelled) == (30, 8, 19)
    assert evaluation.agreement is not None
    assert evaluation.agreement.pictures == 1
    assert (evaluation.reference.verification, at.shown) == ("by-score", False)
    assert evaluation.reference.labelled_to == (MADE - timedelta(days=2)).date()


def test_a_label_of_another_patient_is_none_of_the_pictures() -> None:
    house = House()
    house.judged(1)
    house.found(1, MELANOMA, subject="Patient/p2")
    assert house.month().evaluation.flow.labelled == 0


def test_groups_are_what_the_record_says_of_labelled_pictures_and_it_is_asked_for_no_others() -> None:
    house = lived()
    found = house.month()
    assert {(each.column, each.value) for each in found.evaluation.subgroups} == {("device", "Device/a"), ("body site", "trunk")}
    assert house.record.asked[-1] == tuple(sorted(f"Media/m{number}" for number in range(1, 10)))
    house.record.away = True
    away = house.month()
    assert (away.origins_known, away.evaluation.subgroups) == (False, ())
    assert any("the record was not asked, or did not answer" in each for each in cannot_be_shown(away, ENGLISH))


def test_alarms_are_those_at_the_end_of_the_month_whenever_the_report_is_made() -> None:
    house = House()
    for number in range(8):
        house.judged(number, "below-threshold")
        house.found(number, MELANOMA, at=datetime(2026, 3, 1, 8, tzinfo=UTC))
    assert [each.signal for each in house.month().looks if each.state == "alarm"] == []
    april = house.month(Month(2026, 3), datetime(2026, 4, 5, tzinfo=UTC))
    assert {each.signal for each in april.looks if each.state == "alarm"} == {"misses"}
    assert "there was an alarm: cancers missed" in house.report(april).answer[1]


def test_the_report_says_first_that_it_is_monitoring_and_what_it_cannot_show() -> None:
    house = lived()
    report = house.report(house.month())
    assert (report.verdict, report.shown) == (VERDICT, False)
    assert report.title == "Monitoring of sklesion/1 at urn:tocsin:test: February 2026"
    assert [each.heading for each in report.sections][:2] == ["What cannot be shown", "What came in"]
    assert not {"Checklist", "What could not be shown yet"} & {each.heading for each in report.sections}
    assert "Monitoring, and no validation" in html(report)
    said = said_in(report)
    assert "30 pictures of 30 patients were judged: 6 flagged, 22 not flagged, and 2 not assessable." in said
    assert "labels are mature to March 3, 2026" in report.answer[2]
    assert report.answer[1] == "When the month ended nothing could be said by any of 21 alarms, which is no all-clear."
    assert "an upper bound" in report.answer[3]
    assert not any("Shown here" in each for each in said)


@pytest.mark.parametrize(
    ("oldest", "words"),
    [(datetime(2026, 1, 20, tzinfo=UTC), ""), (datetime(2026, 2, 3, 4, tzinfo=UTC), "no flag from before February 3, 2026, 04:00 UTC")],
)
def test_a_month_of_which_the_bus_no_longer_holds_the_beginning_says_so(oldest: datetime, words: str) -> None:
    house = House()
    house.judged(1, at=oldest)
    told = [each for each in cannot_be_shown(house.month(), ENGLISH) if "the bus holds" in each]
    assert (len(told), all(words in each for each in told)) == (1 if words else 0, True)


def test_an_old_flag_that_is_told_again_does_not_stand_for_the_months_beginning() -> None:
    house = House()
    house.judged(1, at=datetime(2026, 2, 4, tzinfo=UTC))
    house.judged(2, at=datetime(2026, 1, 20, tzinfo=UTC), announced_at=datetime(2026, 2, 10, tzinfo=UTC))
    assert any("no flag from before February 4, 2026" in each for each in cannot_be_shown(house.month(), ENGLISH))


def test_pictures_that_were_judged_before_counting_began_anew_are_in_no_figure_and_it_is_said() -> None:
    house = House(since=THEN + timedelta(days=1))
    house.judged(1)
    house.found(1, MELANOMA)
    house.judged(2, at=THEN + timedelta(days=2))
    found = house.month()
    assert (found.volumes.pictures, found.evaluation.flow.pictures) == (2, 1)
    assert any("judged before February 15, 2026" in each for each in cannot_be_shown(found, ENGLISH))


def test_what_the_card_alone_judged_after_a_promotion_is_in_no_figure_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """As before every process had been started anew with the site file."""
    local, house = at_site(CARD, evaluation=PROMOTED), lived()
    house.judged(40, "raised", probability=0.02)  # flagged by the card, and below the site file's threshold of 0.03
    house.found(40, MELANOMA)
    monkeypatch.setattr(monthly, "card_in_use", lambda _: local)
    found = house.month()
    at = found.evaluation.at_the_point
    assert at is not None
    assert (at.true_positive, at.false_negative) == (2, 1)
    assert (found.judged_by_others, found.evaluation.flow.pictures, found.volumes.pictures) == (1, 30, 31)
    assert [each for each in cannot_be_shown(found, ENGLISH) if each.startswith("Labels, if there are any, of 1 picture whose flag")]


def test_a_site_file_with_an_input_gate_has_a_month_that_names_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    features = Features(name="features", length=FEATURES)
    card = CARD.model_copy(update={"output": CARD.output.model_copy(update={"features": features})})
    local = at_site(card, evaluation=PROMOTED, input_gate=gate_json(card))
    monkeypatch.setattr(monthly, "card_in_use", lambda _: local)
    found = lived().month()
    gate = found.evaluation.about.input_gate
    assert gate is not None
    assert gate.sha256 == gate_sha256(local.site.input_gate)
    assert any(gate.sha256[:12] in each for each in said_in(composed(found, local, ENGLISH)))


@pytest.mark.parametrize("house", [House, lived])
def test_json_fits_its_schema_also_of_a_month_in_which_nothing_came(house: Any) -> None:
    there = house()
    found = there.month()
    said = json.loads(as_json(found))
    written = as_json(found).decode() + html(there.report(found))
    assert [each.message for each in Draft202012Validator(json.loads(SCHEMA.read_bytes())).iter_errors(said)] == []
    assert said["month"] == "2026-02"
    assert ("Patient/" in written, "Media/" in written) == (False, False)


@pytest.mark.parametrize(("text", "end"), [("2026-12", datetime(2027, 1, 1, tzinfo=UTC)), ("2026-02", datetime(2026, 3, 1, tzinfo=UTC))])
def test_a_month_ends_where_the_next_one_begins(text: str, end: datetime) -> None:
    month = Month.of(text)
    assert (str(month), month.end, Month.before(end), month.holds(end)) == (text, end, month, False)
    assert Month.before(datetime(2026, 1, 5, tzinfo=UTC)) == Month(2025, 12)


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "26-01", "2026-01-01", "0000-01", ""])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no month like"):
        Month.of(text)


def test_a_report_is_made_once_from_its_day_on_and_again_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house, folder = lived(), tmp_path / "reports"
    monkeypatch.setattr(monthly, "KafkaTopicReader", lambda _: FakeTopicReader(house.bus))
    monkeypatch.setattr(monthly, "record_of", lambda *_: house.record)
    settings = house.settings.model_copy(update={"watch": WatchSettings(report_folder=folder)})
    report_month(settings, MADE - timedelta(days=1))
    assert not folder.exists()
    report_month(settings, MADE)
    files = {each.name: each.read_bytes() for each in folder.iterdir()}
    assert set(files) == {"2026-02.html", "2026-02.pdf", "2026-02.json"}
    assert files["2026-02.pdf"].startswith(b"%PDF-")
    house.found(9, MELANOMA)
    report_month(settings, MADE + timedelta(days=1))
    assert (folder / "2026-02.json").read_bytes() == files["2026-02.json"]
    monkeypatch.setattr(monthly, "pages", lambda *_: (b"page", b"paper"))
    found, _ = monthly.made(settings, FEBRUARY, folder, MADE + timedelta(days=1))
    assert found.evaluation.flow.labelled == 9
    assert (folder / "2026-02.html").read_bytes() == b"page"


def test_a_folder_keeps_so_many_months_and_touches_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "notes.pdf").write_bytes(b"mine")
    (tmp_path / "2026-01-notes.html").write_bytes(b"mine")
    shelf = Shelf(tmp_path, 2)
    for number in (1, 3, 2):
        shelf.put(Month(2026, number), dict.fromkeys(("html", "pdf", "json"), b"x"))
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "2026-01-notes.html",
        *(f"2026-0{number}.{kind}" for number in (2, 3) for kind in ("html", "json", "pdf")),
        "notes.pdf",
    ]
    assert (shelf.has(Month(2026, 3)), shelf.has(Month(2026, 1))) == (True, False)


def test_a_month_whose_files_were_not_all_written_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "2026-02.html").write_bytes(b"x")
    assert not Shelf(tmp_path, 2).has(FEBRUARY)


def test_a_folder_that_cannot_be_written_is_said_by_task_and_check(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        Shelf(file, 2).put(FEBRUARY, dict.fromkeys(("html", "pdf", "json"), b"x"))
    [bad], [good] = shelf_preflight(file), shelf_preflight(tmp_path)
    assert (bad.passed, good.passed, list(shelf_preflight(None))) == (False, True, [])
    assert "TOCSIN_WATCH__REPORT_FOLDER" in bad.fix
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(("words", "said"), [(["--month", "2099-01", "--out", "."], "is not over"), (["--month", "x"], "no month like")])
def test_a_month_that_is_not_over_or_none_is_refused_by_the_command(words: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["watch", "report", *words])
    assert (done.exit_code, said in done.output) == (2, True)
