"""What a report holds, and what it must not: the same on page, paper and in JSON."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from tocsin.cli.evaluate_missed import photographed
from tocsin.errors import ConfigurationError
from tocsin.learning.parts import Evaluation
from tocsin.learning.report import checklist, plots
from tocsin.learning.report.as_json import as_json
from tocsin.learning.report.compose import composed, figures_of
from tocsin.learning.report.figures import OKABE_ITO, Bar, Dot, Figure, Line
from tocsin.learning.report.page import WARNING, html
from tocsin.learning.types import Scored
from tocsin.paper.go_live import written

from tests.support.evaluations import ABOUT, ENGLISH, at, columns, evaluation, evaluations, said_in, simulated
from tests.support.pictures import encoded, textured

KINDS = evaluations()
SCHEMA = Path(__file__).parents[3] / "schemas" / "learning" / "evaluation.v1.schema.json"
GOLDEN = Path(__file__).parent / "evaluation.golden.json"


def small() -> Evaluation:
    return evaluation(columns(12, 1, 20, 5, sex=["female"] * 16 + ["male"] * 16), about=replace(ABOUT, calibrated=False))


def near(found: Any, golden: Any) -> bool:
    if isinstance(golden, dict):
        return list(found) == list(golden) and all(near(found[each], golden[each]) for each in golden)
    if isinstance(golden, list):
        return len(found) == len(golden) and all(near(one, other) for one, other in zip(found, golden, strict=True))
    return bool(found == pytest.approx(golden, abs=1e-6)) if isinstance(golden, float) else bool(found == golden)


def test_the_json_is_the_one_that_programs_know() -> None:
    assert near(json.loads(as_json(small())), json.loads(GOLDEN.read_bytes()))


@pytest.mark.parametrize("kind", KINDS)
def test_json_fits_its_schema_and_a_lost_part_does_not(kind: str) -> None:
    validator = Draft202012Validator(json.loads(SCHEMA.read_bytes()))
    found = json.loads(as_json(KINDS[kind]))
    assert [each.message for each in validator.iter_errors(found)] == []
    del found["reference"]["malignant"]
    assert not validator.is_valid(found)


@pytest.mark.parametrize("kind", KINDS)
def test_json_has_what_is_not_known_as_null(kind: str) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    found = json.loads(as_json(KINDS[kind]), parse_constant=refuse)
    assert found["tocsin_evaluation"] == 1
    assert found["about"]["made_at"] == "2026-11-28T09:30:00+00:00"


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_says_all_that_the_report_says_and_no_number_that_is_none(kind: str) -> None:
    report = composed(KINDS[kind], ENGLISH)
    page = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html(report)))
    for each in said_in(report):
        assert " ".join(escape(each).split()) in page
        assert not re.search(r"\bnan\b|\binf\b|None", each)


def test_the_first_page_is_an_answer_of_five_sentences_and_three_numbers() -> None:
    report = composed(KINDS["whole"], ENGLISH)
    assert [len(report.answer), len(report.numbers)] == [5, 3]
    assert [each.name for each in composed(KINDS["shown"], ENGLISH).numbers] == ["Sensitivity", "Specificity", "Flags per 100 pictures"]
    assert composed(KINDS["shown"], ENGLISH).shown
    assert report.sections[0].heading == "What could not be shown yet"


def test_words_of_the_site_are_words_alone() -> None:
    page = html(composed(at(KINDS["shown"], site="<script>alert(1)</script>", how_chosen='"><img src=x>'), ENGLISH))
    assert "<script" not in page
    assert "<img" not in page


def test_the_page_asks_no_other_place_for_anything() -> None:
    page = html(composed(KINDS["whole"], ENGLISH))
    assert not re.search(r"https?://|url\(|@import|<link|<iframe", page)
    assert "default-src &#x27;none&#x27;" in page


def test_patients_pictures_are_shown_only_where_asked_for_and_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(encoded(textured()))
    (tmp_path / "in" / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "outside.jpg").write_bytes(encoded(textured()))
    rows = [
        Scored("a.jpg", 0.05, malignant=True, label_kind="pathology"),
        Scored("broken.jpg", 0.01, malignant=True),
        Scored("gone.jpg", 0.01, malignant=True),
        Scored("../outside.jpg", 0.01, malignant=True),
        Scored("a.jpg", 0.04, malignant=True, label_kind="verdict"),
        Scored("a.jpg", 0.03, malignant=False),
        Scored("a.jpg", 0.02),
        Scored("a.jpg", None, "not-an-image", malignant=True),
        Scored("a.jpg", 0.1, malignant=True),
    ]
    missed = photographed(rows, 0.1, [tmp_path / "in"], 100_000_000)
    assert [(each.picture, each.score) for each in missed] == [("a.jpg", 0.05)]
    shown, plain = (written(small(), tmp_path / name, "en", missed=some) for name, some in (("with", missed), ("without", ())))
    with_pictures, without = shown.html.read_text(), plain.html.read_text()
    assert with_pictures.count("data:image/jpeg;base64,") == 1
    assert WARNING in with_pictures
    assert "data:image" not in without
    assert WARNING not in without
    assert shown.pdf.read_bytes() == plain.pdf.read_bytes()
    assert b"/Subtype /Image" not in shown.pdf.read_bytes()
    assert shown.json.read_bytes() == plain.json.read_bytes() == as_json(small())


def test_a_report_that_could_not_be_written_whole_leaves_the_one_before(tmp_path: Path) -> None:
    before = written(small(), tmp_path, "en")
    kept = before.html.read_bytes(), before.pdf.read_bytes()
    before.json.unlink()
    (tmp_path / f".{before.json.name}.{os.getpid()}").mkdir()
    with pytest.raises(ConfigurationError, match="the report cannot be written"):
        written(evaluation(columns(30, 1, 20, 5)), tmp_path, "en")
    assert (before.html.read_bytes(), before.pdf.read_bytes()) == kept


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="choose another folder"):
        written(small(), tmp_path / "file" / "report", "en")


def spelt(text: str) -> set[str]:
    return set(text.split())


ITEMS = {
    "CLAIM 2024": {str(n) for n in range(1, 45)} - {str(n) for n in (19, *range(22, 28), 31, 32)},
    "TRIPOD+AI": spelt(
        "1 2 3a 3b 3c 4 5a 5b 6a 6b 6c 7 8a 8b 8c 9b 9c 10 11 12d 12e 12f 12g 14 16 17 18a 18b 18c 18d 18e 18f 19 20a 20b 20c 21 23a 23b "
        "24 25 26 27c"
    ),
    "STARD-AI": {str(n) for n in range(1, 40)} - spelt("15 16 17 26") | spelt("15a 15c 15d 16a 16b 16c 17a 17b 26a 26b 40a 40b"),
    "DECIDE-AI": {str(n) for n in range(1, 18)} | spelt("I II III IV V VI VII VIII IX X"),
}
"""Items of each guideline that are not its maker's (TRIPOD+AI: those marked E or D;E, without 13, on class imbalance)."""


@pytest.mark.parametrize("guideline", checklist.GUIDELINES)
def test_every_item_of_a_guideline_that_an_evaluation_can_answer_is_listed_and_no_other(guideline: str) -> None:
    assert {each.number for each in checklist.items(KINDS["whole"]) if each.guideline == guideline} == ITEMS[guideline]


def test_an_item_is_filled_where_the_tool_knows_and_open_where_a_person_must_write() -> None:
    def where(found: Evaluation, topic: str) -> str:
        return next(each.where for each in checklist.items(found) if each.topic == topic)

    known = KINDS["whole"]
    headings = {"First page", *(each.heading for each in composed(known, ENGLISH).sections)}
    assert {each.where for each in checklist.items(known)} - {""} <= headings
    assert where(known, "Consecutive, random or convenience series") == "What was evaluated"
    assert where(at(known, how_chosen=""), "Consecutive, random or convenience series") == ""
    assert where(known, "Ethics approval and consent") == ""
    assert where(KINDS["shown"], "Agreement of users with the model") == ""
    assert where(known, "Agreement of users with the model") == "Agreement with clinicians"


@pytest.mark.parametrize("kind", KINDS)
def test_plots_lie_within_their_axes_and_say_what_they_show(kind: str) -> None:
    for figure in figures_of(composed(KINDS[kind], ENGLISH)):
        assert len(figure.instead) > 40
        assert not re.search(r"\bnan\b", figure.instead)
        for x, y in points(figure):
            assert figure.x.low - 1e-9 <= x <= figure.x.high + 1e-9
            assert figure.y.low - 1e-9 <= y <= figure.y.high + 1e-9


def points(figure: Figure) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for mark in figure.marks:
        match mark:
            case Line():
                found += mark.points
            case Bar():
                found += [(mark.left, mark.low), (mark.right, mark.high)]
            case Dot():
                found.append((mark.x, mark.y))
    return found


def test_colours_are_those_of_okabe_and_ito() -> None:
    published = {(0, 114, 178), (86, 180, 233), (213, 94, 0), (0, 158, 115)}
    assert {OKABE_ITO[each] for each in ("model", "benign", "malignant", "other")} == published


def test_the_operating_point_lies_on_the_curve_and_a_true_probability_on_the_diagonal() -> None:
    found = evaluation(simulated(1200))
    roc, calibration = plots.roc(found, ENGLISH), plots.calibration(found, ENGLISH)
    assert roc is not None
    assert calibration is not None
    [dot] = [each for each in roc.marks if isinstance(each, Dot)]
    curve = next(each for each in roc.marks if isinstance(each, Line) and each.tint == "model").points
    assert np.interp(dot.x, [x for x, _ in curve], [y for _, y in curve]) == pytest.approx(dot.y, abs=0.02)
    smooth = next(each for each in calibration.marks if isinstance(each, Line) and each.tint == "model").points
    assert max(abs(said - seen) for said, seen in smooth) < 0.1


def test_a_group_is_a_filled_dot_only_where_it_is_shown_to_work() -> None:
    names = ["A"] * 200 + ["B"] * 5 + ["A"] * 100
    found = evaluation(columns(205, 0, 100, 10, device=names))
    figure = plots.forest(found, ENGLISH)
    assert figure is not None
    ticks = {word.split(" (")[0]: y for y, word in figure.y.ticks}
    hollow = {mark.y: mark.hollow for mark in figure.marks if isinstance(mark, Dot)}
    assert [hollow[ticks[each]] for each in ("All pictures", "Device: A", "Device: B")] == [False, False, True]
