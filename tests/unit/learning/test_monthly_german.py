"""A month's report in German says what the English one says: the same numbers, and nothing is left in English."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from functools import cache
from itertools import product
from pathlib import Path
from typing import get_args

import pytest
from tocsin.bootstrap import monthly
from tocsin.bootstrap.card import card_in_use
from tocsin.cli.commands import app
from tocsin.learning.monthly.compose import LEFT_OUT, composed
from tocsin.learning.monthly.names import ACTS, SIGNALS, STATES
from tocsin.learning.monthly.parts import Answers, MonthFound
from tocsin.learning.monthly.sentences import alarms, answers, came_in, cannot_be_shown, labels
from tocsin.learning.report import compose
from tocsin.learning.report.speech import Speech
from tocsin.learning.watch.origins import ELSEWHERE
from tocsin.learning.watch.performance import OTHER, SITE, UNJUDGED
from tocsin.learning.watch.types import ALL, ANY, Look, Signal, State
from tocsin.review.types import Act
from tocsin.settings import ModelSettings, Settings
from typer.testing import CliRunner

from tests.fakes.bus import FakeTopicReader
from tests.support.evaluations import ENGLISH, GERMAN, numbers, plain, texts_of
from tests.unit.learning.test_monthly import FEBRUARY, MADE, House, lived

CARD = card_in_use(ModelSettings())
GROUPS = (ALL, ANY, UNJUDGED, OTHER, "mel", "below-threshold", f"{SITE}trunk", f"{SITE}{ELSEWHERE}")
KINDS = ("lived", "nothing", "everything", "quiet", "one")


@cache
def found(kind: str) -> MonthFound:
    """A month with labels, one in which nothing came, and ones in which everything or next to nothing is said of the alarms."""
    if kind == "nothing":
        return House().month()
    of = lived().month()
    looks = tuple(Look(*each, 1200, 0.5) for each in product(get_args(Signal), GROUPS, get_args(State)))
    volumes = replace(of.volumes, withdrawn=1, other_versions={"sklesion/0": 3}, announcements=1234)
    match kind:
        case "everything":
            said = Answers({str(act.value): 2 for act in Act}, 1)
            late = FEBRUARY.start + timedelta(days=2, hours=4)
            of = replace(of, oldest_flag_at=late, counted_from=late, judged_by_others=3, origins_known=False)
            return replace(of, looks=looks, volumes=volumes, answers=said)
        case "quiet":
            return replace(of, looks=tuple(each for each in looks if each.state in ("quiet", "too-few")))
        case "one":
            return replace(of, looks=looks[1:3], volumes=replace(volumes, pictures=1, patients=1), judged_by_others=1)
        case _:
            return of


@pytest.mark.parametrize("kind", KINDS)
def test_each_sentence_has_the_same_numbers_in_both_languages(kind: str) -> None:
    english, german = (texts_of(composed(found(kind), CARD, each)) for each in (ENGLISH, GERMAN))
    assert len(english) == len(german)
    for one, other in zip(english, german, strict=True):
        assert numbers(one, ",", ".") == numbers(other, ".", ","), (one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_in_english(kind: str) -> None:
    about = found(kind).evaluation.about
    own = {about.title, about.intended_use, about.site, about.card_sha256, about.scores_sha256, "Score"}
    own |= {f"{about.model} ({about.title}), {about.manufacturer}", *(each.value for each in found(kind).evaluation.subgroups)}
    both = set.intersection(*(set(texts_of(composed(found(kind), CARD, each))) for each in (ENGLISH, GERMAN)))
    assert [each for each in both - own if re.search(r"[a-z]{3}", each)] == []


@pytest.mark.parametrize("speech", [ENGLISH, GERMAN])
def test_parts_of_an_evaluation_are_left_out_whatever_they_are_called(speech: Speech) -> None:
    of = found("lived")
    headings = {each.heading for each in composed(of, CARD, speech).sections}
    names = {name for name, _ in compose.parts(of.evaluation, speech)}
    assert names >= LEFT_OUT
    assert not {speech.say(each) for each in LEFT_OUT} & {each.split(" (")[0] for each in headings}
    assert speech.say("How it was computed") in headings


def test_each_code_has_a_name() -> None:
    assert (set(SIGNALS), set(STATES), set(ACTS)) == (set(get_args(Signal)), set(get_args(State)), set(Act))


def test_what_a_month_was_like() -> None:
    of = found("lived")
    report = composed(of, CARD, GERMAN)
    assert report.title == "Überwachung von sklesion/1 am Standort urn:tocsin:test: Februar 2026"
    assert report.verdict.startswith("Überwachung und keine Validierung für den Betrieb")
    assert came_in(of, GERMAN) == "30 Bilder von 30 Personen wurden geprüft: 6 mit Hinweis, 22 ohne Hinweis und 2 nicht beurteilbar."
    assert alarms(of, GERMAN) == "Am Ende des Monats ließ keines von 21 Signalen eine Aussage zu, und das ist keine Entwarnung."
    assert labels(of, GERMAN) == (
        "Bisher haben 8 beurteilbare Bilder eine gesicherte Diagnose, davon maligne: 3; ohne Diagnose sind 19, und sie gelten nie als "
        "gutartig; die Diagnosen sind ausgereift bis 3. März 2026."
    )
    assert answers(of, GERMAN).startswith("Von den Befunden des Monats sind bisher 3 beantwortet.")


def test_one_is_said_as_one() -> None:
    assert came_in(found("one"), GERMAN).startswith("1 Bild von 1 Person wurde geprüft: ")
    assert came_in(found("one"), ENGLISH).startswith("1 picture of 1 patient was judged: ")


def test_alarms_are_named_and_what_could_not_be_said_is_no_all_clear() -> None:
    of = found("lived")
    loud = replace(of, looks=(Look("misses", ALL, "alarm", 8, 1.2), Look("score-mean", ALL, "alarm", 90, 1.1)))
    assert alarms(loud, GERMAN) == "Am Ende des Monats bestand eine Warnung: Krebs ohne Hinweis und Mittelwert der Scores."
    one = replace(of, looks=(Look("misses", ALL, "quiet", 80, 0.2), Look("overrides", ALL, "too-few", 1, 0.0)))
    assert alarms(one, GERMAN) == "Am Ende des Monats gab 1 prüfbares Signal keine Warnung; 1 weiteres ließ keine Aussage zu."
    assert any(
        each.startswith("Ob es nichts zu warnen gibt: 1 Signal ließ sich nicht prüfen (Wid") for each in cannot_be_shown(one, GERMAN)
    )


def test_files_are_in_the_language_of_the_installation_or_in_the_one_asked_for_and_the_json_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = lived()
    monkeypatch.setattr(monthly, "KafkaTopicReader", lambda _: FakeTopicReader(house.bus))
    monkeypatch.setattr(monthly, "record_of", lambda *_: house.record)
    german = house.settings.model_copy(update={"report": house.settings.report.model_copy(update={"language": "de"})})
    _, own = monthly.made(german, FEBRUARY, tmp_path / "own", MADE)
    _, asked = monthly.made(german, FEBRUARY, tmp_path / "asked", MADE, "en")
    assert ['<html lang="de">' in own["html"].read_text(), '<html lang="en">' in asked["html"].read_text()] == [True, True]
    assert own["json"].read_bytes() == asked["json"].read_bytes()
    assert b"of-a-month" in own["json"].read_bytes()


def test_the_command_hands_on_the_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = list[object]()

    def made(_: Settings, month: object, folder: Path, now: object, language: str | None) -> tuple[MonthFound, dict[str, Path]]:
        given.append(language)
        return found("nothing"), {}

    monkeypatch.setattr(monthly, "made", made)
    for words in ([], ["--language", "de"]):
        assert CliRunner().invoke(app, ["watch", "report", "--out", str(tmp_path), *words]).exit_code == 0
    assert given == [None, "de"]
    assert plain(composed(found("nothing"), CARD, GERMAN).numbers[1].interval) == "keines beurteilt"
