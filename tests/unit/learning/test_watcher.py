"""One look at topics in memory: which records count, what is counted and logged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tocsin.bootstrap.watch import baseline_in_use
from tocsin.errors import ConfigurationError, Unavailable
from tocsin.fidelity.look import Looking
from tocsin.fidelity.make import answers_to
from tocsin.inference.types import Findings
from tocsin.kafka.records import encode
from tocsin.learning.scores import Header, write_scores
from tocsin.learning.types import Scored
from tocsin.learning.watch.inputs import Baseline
from tocsin.learning.watch.known import look_at_known
from tocsin.learning.watch.types import ALL, ANY, Look
from tocsin.learning.watch.watcher import Watcher, reasons_of_reports, tell
from tocsin.model_card import ModelCard
from tocsin.report.flag import Flag
from tocsin.review.types import Act, Standing, State
from tocsin.sandbox.demo.lesions import lesion
from tocsin.settings import KafkaSettings, ModelSettings, Settings, WatchSettings
from tocsin.site.file import card_sha256
from tocsin.telemetry.instruments import Labels
from tocsin.terminal import Silent

from tests.fakes.bus import FakeBus, FakeTopicReader
from tests.learning.watching import baseline
from tests.support.flags import flag
from tests.support.reviewing import NOW, verdict
from tests.support.site_files import at_site
from tests.unit.learning.test_labels_bus import CARD, MELANOMA, outcome

TOPICS = KafkaSettings()
SOURCE = "urn:tocsin:test"
LOCAL = at_site(CARD, evaluation=None)


class Desk:
    """A bus and who watches it."""

    def __init__(self, before: Baseline | None = None, **changes: Any) -> None:
        self.bus = FakeBus()
        settings = WatchSettings(**changes)
        self.watcher = Watcher(FakeTopicReader(self.bus), TOPICS, SOURCE, CARD, settings, before)

    def put(self, topic: str, model: Any, at: datetime = NOW, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        self.bus.append(topic, model.report.encode(), encode(model), headers, at_ms=int(at.timestamp() * 1000))

    def judged(self, number: int, band: str | None = "high", *, at: datetime = NOW, by: str | None = None, **changes: Any) -> Flag:
        told = flag(number, band, at=at, **({"source": SOURCE} | changes))
        self.put(TOPICS.topic_flags, told, at, [] if by is None else [("tocsin-site-file", by.encode())])
        return told

    def cancer(self, number: int, *, at: datetime = NOW, **changes: Any) -> None:
        self.put(TOPICS.topic_verdicts, outcome(number, MELANOMA, at=at, **changes), at)

    def look(self, now: datetime = NOW) -> dict[tuple[str, str], Look]:
        return {(each.signal, each.group): each for each in self.watcher.look(now)}


def test_missed_melanomas_alarm_and_the_same_again_after_a_restart() -> None:
    desk = Desk()
    for number in range(8):
        desk.judged(number, "below-threshold")
        desk.cancer(number)
    found = desk.look()
    assert {key for key, each in found.items() if each.state == "alarm"} == {("misses", ANY), ("misses", ALL), ("misses", "mel")}
    desk.watcher = Watcher(FakeTopicReader(desk.bus), TOPICS, SOURCE, CARD, WatchSettings(), None)
    assert desk.look() == found


def test_what_another_installation_said_and_judged_does_not_count() -> None:
    desk = Desk()
    desk.judged(1, "below-threshold", source="urn:other")
    desk.cancer(1)
    desk.judged(2, "below-threshold")
    desk.cancer(2, source="urn:other")
    assert desk.look()["misses", ALL].of == 0


@pytest.mark.parametrize(("card", "of"), [(CARD, 1), (LOCAL, 2)], ids=["card-alone", "site-file"])
def test_what_was_judged_by_another_site_file_does_not_count(card: ModelCard, of: int) -> None:
    """As after a roll-back; flags from before they named theirs count."""
    desk = Desk()
    desk.watcher = Watcher(FakeTopicReader(desk.bus), TOPICS, SOURCE, card, WatchSettings(), None)
    for number, by in enumerate((None, str(LOCAL.site), "st-elsewhere/9", "another/3")):
        desk.judged(number, "below-threshold", by=by)
        desk.cancer(number)
    assert desk.look()["misses", ALL].of == of


def test_overrides_are_counted_by_band() -> None:
    desk = Desk(override_rate_max=0.2)
    for number in range(12):
        told = desk.judged(number)
        said = verdict(Act.OVERRIDE, report=told.report, media=told.media, subject=told.subject)
        desk.put(TOPICS.topic_verdicts, said)
        desk.put(TOPICS.topic_verdicts, Standing(verdict=said.id, report=told.report, state=State.RECORDED, at=NOW))
    found = desk.look()
    assert (found["overrides", "high"].state, found["overrides", "high"].of) == ("alarm", 12)
    assert found["overrides", "below-threshold"].state == "too-few"


def test_a_look_says_nothing_of_what_comes_in_without_a_baseline_and_compares_with_one() -> None:
    assert not any(signal.startswith(("score", "reasons", "not-a")) for signal, _ in Desk().look())
    chance = np.random.default_rng(1)
    desk = Desk(baseline(chance, 500))
    for number in range(28 * 25):
        desk.judged(number, at=NOW - timedelta(days=1 + number % 28), probability=0.93)
    found = desk.look()
    assert (found["score-mean", ALL].state, found["score-mean", ALL].of) == ("alarm", 700)


@pytest.mark.parametrize(("card", "of"), [(CARD, 28 * 60), (LOCAL, 28 * 30)], ids=["card-alone", "site-file"])
def test_scores_on_another_scale_than_the_site_files_are_compared_with_nothing(card: ModelCard, of: int) -> None:
    desk = Desk()
    before = baseline(np.random.default_rng(1), 500)
    desk.watcher = Watcher(FakeTopicReader(desk.bus), TOPICS, SOURCE, card, WatchSettings(), before)
    for number in range(28 * 60):
        told = ("high", 0.6) if number % 2 else ("raised", 0.02)
        desk.judged(number, told[0], at=NOW - timedelta(days=1 + number // 2 % 28), probability=told[1])
    found = desk.look()
    assert (found["score-mean", ALL].of, found["not-assessable", ALL].of) == (of, 28 * 60)


def test_what_was_judged_before_the_setting_says_is_left_out() -> None:
    desk = Desk(since=NOW + timedelta(seconds=1))
    desk.judged(1, "below-threshold")
    desk.cancer(1)
    assert desk.look(NOW + timedelta(days=1))["misses", ALL].of == 0


def test_a_bus_that_is_away_defers_the_look() -> None:
    desk = Desk()
    desk.bus.away = True
    with pytest.raises(Unavailable):
        desk.look()


def test_a_look_is_counted_in_its_state_and_the_other_states_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = list[tuple[str, float, Labels]]()
    monkeypatch.setattr("tocsin.telemetry.instruments._elsewhere", lambda *measure: counted.append(measure))
    tell([Look("misses", "mel", "alarm", 12, 1.4), Look("known-pictures", ALL, "unanswered", 8)])
    looks = [(labels["signal"], labels["state"], value) for name, value, labels in counted if name == "tocsin.watch.looks"]
    assert [each for each in looks if each[2]] == [("misses", "alarm", 1.0), ("known-pictures", "unanswered", 1.0)]
    assert len(looks) == 8
    assert [value for name, value, _ in counted if name == "tocsin.watch.figure"] == [1.4]


class Answering:
    """A Classifier whose answers move by `moved`; while `away`, it does not answer."""

    def __init__(self) -> None:
        self.moved, self.away = 0.0, False

    def classify(self, _image: object, _facts: object) -> Findings:
        if self.away:
            raise Unavailable("triton", "UNAVAILABLE")
        none = {each.code: 0.0 for each in CARD.output.classes}
        return Findings(CARD.model, none | {"mel": 0.2 + self.moved, "nv": 0.8 - self.moved})


@pytest.mark.parametrize(("moved", "away", "state"), [(0.0, False, "quiet"), (0.3, False, "alarm"), (0.0, True, "unanswered")])
def test_known_pictures_alarm_when_the_answers_move_and_not_when_there_are_none(
    tmp_path: Path, moved: float, away: bool, state: str
) -> None:
    for seed in range(2):
        (tmp_path / f"{seed}.jpg").write_bytes(lesion(seed))
    triton = Answering()
    looking = Looking(triton, CARD, 10_000_000)
    known = answers_to(tmp_path, looking, "in a test", Silent()).known
    triton.moved, triton.away = moved, away
    assert look_at_known(known, tmp_path, looking, Silent()).state == state


def header(**changes: str) -> Header:
    whole: dict[str, Any] = {
        "model": str(CARD.model),
        "card_sha256": card_sha256(CARD),
        "served_sha256": CARD.provenance.served_sha256,
        "modality": "DMS",
        "source": "folder",
        "labels_sha256": "0" * 64,
        "malignant_classes": ("mel",),
        "made_at": NOW,
    }
    return Header(**(whole | changes))


def test_a_baseline_is_of_the_same_card_or_it_is_refused(tmp_path: Path) -> None:
    rows = [Scored(str(number), number / 200) for number in range(200)]
    write_scores(tmp_path / "a", header(), rows)
    write_scores(tmp_path / "b", header(card_sha256="9" * 64), rows)
    write_scores(tmp_path / "c", header(), rows[:50])
    write_scores(tmp_path / "d", header(input_gate_sha256="9" * 64), rows)
    settings = {name: Settings(model=ModelSettings(), watch=WatchSettings(baseline=tmp_path / name)) for name in "abcd"}
    found = baseline_in_use(settings["a"], CARD)
    assert found is not None
    assert found.scores.sum() == 200
    assert baseline_in_use(Settings(), CARD) is None
    for name, words in (("b", "another model or card"), ("c", "fewer than 100"), ("d", "with the input gate")):
        with pytest.raises(ConfigurationError, match=words):
            baseline_in_use(settings[name], CARD)


def test_reasons_of_reports_are_those_of_pictures_that_are_not_assessable() -> None:
    assert "too-dark" in reasons_of_reports()
    assert "content-unusable" not in reasons_of_reports()
