"""The report in German says what the English one says: the same numbers, of the same truth, and nothing is left in English."""

from __future__ import annotations

import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pypdf import PdfReader
from tocsin.errors import ContentUnusable
from tocsin.learning.labels_csv import BANDS, NOT_READ
from tocsin.learning.labels_words import SEX, SITE
from tocsin.learning.parts import Evaluation
from tocsin.learning.report import sentences as say
from tocsin.learning.report.compose import composed
from tocsin.learning.report.names import REFUSALS, VALUES, group_name, refusal_name
from tocsin.learning.report.open_points import open_points
from tocsin.learning.report.speech import Speech
from tocsin.learning.types import Cases, Interval
from tocsin.model_card import read_card
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.paper.go_live import written

from tests.support.evaluations import (
    ABOUT,
    ENGLISH,
    GERMAN,
    HIGH,
    LOW,
    columns,
    evaluation,
    evaluations,
    numbers,
    plain,
    simulated,
    texts_of,
)

KINDS = evaluations() | {
    "by-score": evaluation(columns(200, 0, 150, 150, skin_tone=["1"] * 350), pictures=1750, unlabelled=np.full(1400, LOW)),
    "missed": evaluation(columns(100, 12, 300, 60), about=replace(ABOUT, skin_tone_source=""), kinds={"stated": 400}),
    "one more": evaluation(columns(92, 1, 1, 1)),
    "weighted": evaluation(
        Cases(np.array([HIGH] * 160 + [LOW] * 50), np.arange(210) < 162, np.arange(210), np.array([1.0] * 160 + [20.0] * 50)),
        pictures=1160,
        unlabelled=np.full(950, LOW),
        unsought=3,
        unsought_malignant=1,
        read_alone=1,
    ),
    "off": evaluation(simulated(300, overconfident=2.0)),
}
ALIKE = {"Score", "Polarisation"}
"""What is the same in both languages."""


def texts(found: Evaluation, speech: Speech) -> list[str]:
    """Everything that the report says."""
    return texts_of(composed(found, speech))


@pytest.mark.parametrize("kind", KINDS)
def test_each_sentence_and_figure_has_the_same_numbers_in_both_languages(kind: str) -> None:
    english, german = texts(KINDS[kind], ENGLISH), texts(KINDS[kind], GERMAN)
    assert len(english) == len(german)
    for one, other in zip(english, german, strict=True):
        assert numbers(one, ",", ".") == numbers(other, ".", ","), (one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_in_english(kind: str) -> None:
    """A sentence that stands in the report without the catalogue would read the same in both languages."""
    found = KINDS[kind]
    about = found.about
    own = {about.title, about.intended_use, about.site, about.how_chosen, about.skin_tone_source, about.modality, about.card_sha256}
    own |= {about.scores_sha256, f"{about.model} ({about.title}), {about.manufacturer}", *(each.value for each in found.subgroups)}
    both = set(texts(found, ENGLISH)) & set(texts(found, GERMAN))
    assert [each for each in both - own - ALIKE if re.search(r"[a-z]{3}", each)] == []


def test_a_sensitivity_that_is_shown_and_one_that_is_not() -> None:
    shown, not_yet = evaluation(columns(200, 3, 300, 60)), evaluation(columns(100, 2, 300, 60))
    assert plain(say.verdict(shown, GERMAN)) == "Hier nachgewiesen: Sensitivität von mindestens 95 %, bei einer Konfidenz von 95 %."
    assert plain(say.sensitivity(shown, GERMAN)) == (
        "Zu 197 von 200 malignen Bildern gibt das Modell einen Hinweis, 98,5 % (95,6 bis 99,7 %); bei einer Konfidenz von 95 % findet es "
        "mindestens 96,1 % solcher Krebsfälle."
    )
    assert plain(say.verdict(not_yet, GERMAN)) == "Hier noch nicht nachgewiesen: Sensitivität von mindestens 95 %."
    assert "der Nachweis der geforderten 95 % braucht noch 24 gesicherte Krebsfälle, wenn keiner davon übersehen wird" in plain(
        say.sensitivity(not_yet, GERMAN)
    )
    assert "braucht noch 1 gesicherten Krebsfall, der nicht übersehen wird" in say.sensitivity(evaluation(columns(58, 0, 9, 1)), GERMAN)


def test_an_upper_bound_is_said_to_be_one() -> None:
    found = KINDS["by-score"]
    assert plain(say.sensitivity(found, GERMAN)) == (
        "Zu 200 von 200 malignen Bildern gibt das Modell einen Hinweis, 100,0 % (98,1 bis 100,0 %): Das ist eine Obergrenze, denn eine "
        "Diagnose wurde für 350 von 350 Bildern mit Hinweis gesichert, dagegen für 0 von 1.400 anderen; übersehener Krebs kann deshalb "
        "unentdeckt geblieben sein."
    )
    assert any("Kontrollstichprobe" in each for each in open_points(found, GERMAN))


def test_what_flags_cost() -> None:
    assert plain(say.cost(evaluation(columns(100, 0, 300, 60)), GERMAN)) == (
        "Zu 40,0 von 100 solchen Bildern (35,1 bis 45,0) gibt es einen Hinweis, das sind 1,6 Hinweise je gefundenem Krebs; 80,0 % (75,0 "
        "bis 84,4 %) der gutartigen Bilder bleiben ohne Hinweis. Ist eine Untersuchung ab einer Krebswahrscheinlichkeit von 3 % angezeigt, "
        "so ist das besser als gar keine Hinweise und besser als ein Hinweis zu jedem Bild."
    )


def test_probabilities_that_are_too_far_apart_are_told() -> None:
    assert "mehr, als der Zufall erklärt: sie sind zu niedrig und sie liegen zu weit auseinander;" in say.calibration(KINDS["off"], GERMAN)


def test_a_group_with_few_cancers_is_not_shown_to_work() -> None:
    found = evaluation(columns(209, 0, 100, 10, sex=["female"] * 200 + ["male"] * 9 + ["female"] * 100))
    [few] = [each for each in found.subgroups if each.value == "male"]
    assert group_name(few, GERMAN) == "Geschlecht männlich"
    assert plain(say.standing(few, found.point, GERMAN)).startswith("Nicht nachgewiesen: zu wenige Krebsfälle (9). Es braucht etwa ")
    assert plain(say.groups(found, GERMAN)) == (
        "An derselben Schranke gemessen ist die Leistung in 1 von 2 Untergruppen nachgewiesen; nicht nachgewiesen für Geschlecht männlich."
    )


def test_numbers_are_written_as_the_language_writes_them_and_bounds_never_rounded_away() -> None:
    interval = Interval(0.98765, 0.95678, 0.99991)
    assert plain(GERMAN.share(interval)) == "98,8 % (95,6 bis 100,0 %)"
    assert (GERMAN.count(12_345), ENGLISH.count(12_345), GERMAN.about(12_345)) == ("12.345", "12,345", "13.000")
    assert (GERMAN.threshold(0.011), plain(GERMAN.whole_percent(0.975)), GERMAN.tick(1.25)) == ("0,011", "97,5 %", "1,25")
    assert [ENGLISH.decimal(each) for each in (-0.001, float("inf"), float("nan"))] == ["0.00", "infinitely many", "not known"]


def test_files_say_which_language_they_are_in_and_the_json_has_none(tmp_path: Path) -> None:
    german, english = (written(KINDS["shown"], tmp_path / language, language) for language in ("de", "en"))
    assert '<html lang="de">' in german.html.read_text()
    assert str(PdfReader(BytesIO(german.pdf.read_bytes())).root_object["/Lang"]) == "de"
    assert "Seite 1 von" in PdfReader(BytesIO(german.pdf.read_bytes())).pages[0].extract_text()
    assert german.json.read_bytes() == english.json.read_bytes()


def test_what_tocsin_itself_names_has_a_name() -> None:
    card = read_card(packaged(REFERENCE_CARD)).facts
    values = {*(name for _, name in BANDS), *SEX.values(), *SITE.values(), *card.sexes, *card.sites}
    assert values <= VALUES.keys()
    unusable = {each.reason for each in ContentUnusable.__subclasses__()}
    assert unusable | NOT_READ.keys() == REFUSALS.keys()
    assert (refusal_name("too-dark", GERMAN), refusal_name("of-another-house", GERMAN)) == ("Bild zu dunkel", "of-another-house")
