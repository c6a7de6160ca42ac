"""`tocsin evaluate` from scores that are there already: figures of a known truth, what is refused, and with which exit code."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import yaml
from tocsin.cli.commands import app
from tocsin.cli.evaluate_missed import photographed
from tocsin.cli.evaluate_run import NothingToEvaluate
from tocsin.errors import ConfigurationError
from tocsin.learning.missed import missed
from tocsin.learning.scores import Header, write_scores
from tocsin.learning.types import Scored
from tocsin.model_card import Features, read_card
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.site.file import read_site_file
from tocsin.site.gate import gate_sha256
from tocsin.site.parts import Calibration
from typer.testing import CliRunner, Result

from tests.support.gates import gate, gate_json
from tests.support.pictures import encoded, textured
from tests.support.site_files import site_json, written

CARD = read_card(packaged(REFERENCE_CARD))
HEADER = Header(
    model=str(CARD.model),
    card_sha256="a" * 64,
    served_sha256=CARD.provenance.served_sha256,
    modality="DMS",
    source="folder",
    labels_sha256="c" * 64,
    malignant_classes=("akiec", "bcc", "mel"),
    made_at=datetime(2026, 11, 28, tzinfo=UTC),
)


def rows() -> list[Scored]:
    """Of 40 cancers 36 score 0.6 and 4 score 0.001; of 60 others 20 score 0.6 and 40 score 0.001. The card flags from 0.011 on."""
    kinds = [(True, 0.6)] * 36 + [(True, 0.001)] * 4 + [(False, 0.6)] * 20 + [(False, 0.001)] * 40
    return [Scored(f"{number}.jpg", score, malignant=malignant) for number, (malignant, score) in enumerate(kinds)]


REST = (
    Scored("dark.jpg", None, refusal="too-dark", malignant=True),
    Scored("unknown.jpg", 0.5),
    Scored("verdict.jpg", 0.5, malignant=True, label_kind="verdict"),
    Scored("row 7", None, refusal="file-not-named"),
)


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    file = tmp_path / "scores.jsonl"
    write_scores(file, HEADER, [*rows(), *REST])
    return file


def evaluate(*words: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, words)])


def told(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    said: dict[str, Any] = orjson.loads(result.stdout.splitlines()[-1])
    return said


def test_the_last_line_holds_the_figures_of_a_known_truth(scores: Path, tmp_path: Path) -> None:
    said = told(evaluate("--scores", scores, "--out", tmp_path / "out", "--json"))
    counts = {"n": 103, "n_scored": 100, "malignant": 40, "verdicts": 1, "unlabelled": 1, "not_assessable": 1, "refused_rows": 1}
    assert {name: said[name] for name in counts} == counts
    assert said["sensitivity"] == pytest.approx(36 / 40)
    assert said["specificity"] == pytest.approx(40 / 60)
    pairs = 36 * 40 + 0.5 * (36 * 20 + 4 * 40)
    assert said["auroc"] == pytest.approx(pairs / (40 * 60))
    ece = 56 / 100 * abs(36 / 56 - 0.6) + 44 / 100 * abs(4 / 44 - 0.001)
    assert said["ece"] == pytest.approx(ece, abs=1e-6)
    assert said["ici"] >= 0
    assert said["sensitivity_interval"][0] < 0.9 < said["sensitivity_interval"][1]
    assert Path(said["report"]).is_file()
    assert Path(said["scores"]) == scores


def test_by_a_site_file_figures_are_of_its_probabilities_at_its_threshold(scores: Path, tmp_path: Path) -> None:
    calibration = site_json(CARD)["calibration"] | {"intercept": -0.5, "slope": 0.4}
    site = written(tmp_path, CARD, calibration=calibration, evaluation=None)
    said = told(evaluate("--scores", scores, "--site-file", site, "--out", tmp_path / "out", "--json"))
    plain = told(evaluate("--scores", scores, "--out", tmp_path / "plain", "--json"))
    assert said["auroc"] == plain["auroc"]  # the map keeps the order
    known = Calibration.model_validate(calibration).probability
    ece = 56 / 100 * abs(36 / 56 - known(0.6)) + 44 / 100 * abs(4 / 44 - known(0.001))
    assert said["ece"] == pytest.approx(ece, abs=1e-6)
    assert known(0.001) > 0.03  # from there on the site flags: now every picture
    assert (said["sensitivity"], said["specificity"]) == (1, 0)
    about = orjson.loads((tmp_path / "out" / "evaluation.json").read_bytes())["about"]
    assert (about["site_file"], about["point_source"], about["calibrated"]) == (str(read_site_file(site)), "site-file", True)


GATED = CARD.model_copy(update={"output": CARD.output.model_copy(update={"features": Features(name="features", length=4)})})


@pytest.mark.parametrize(
    ("scored_by", "read_by", "ends"),
    [
        (0.5, 0.5, None),
        (0.5, 0.7, "has another"),
        ("", 0.5, "without an input gate, and the site file st-elsewhere/3 has one"),
        (0.5, None, "has none"),
        (0.5, "", "used alone"),
    ],
)
def test_scores_are_read_by_the_input_gate_by_which_they_were_made(scored_by: Any, read_by: Any, ends: str | None, tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(GATED.model_dump(mode="json")))
    by = gate_sha256(gate(GATED, threshold=scored_by)) if scored_by else ""
    file = tmp_path / "scores.jsonl"
    write_scores(file, HEADER.model_copy(update={"input_gate_sha256": by}), [*rows(), *REST])
    words: list[object] = ["--scores", file, "--out", tmp_path / "out", "--json"]
    if read_by != "":
        site = site_json(GATED) | ({} if read_by is None else {"input_gate": gate_json(GATED, threshold=read_by)})
        (tmp_path / "site.yaml").write_text(yaml.safe_dump(site))
        words += ["--site-file", tmp_path / "site.yaml"]
    result = CliRunner().invoke(app, ["evaluate", *map(str, words)], env={"TOCSIN_MODEL__CARD": str(tmp_path / "card.yaml")})
    if ends is not None:
        assert isinstance(result.exception, ConfigurationError)
        assert ends in str(result.exception)
        return
    assert told(result)["not_assessable"] == 1
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"SHA-256 {by}; when it was made, by cross-validation" in page
    assert "1 picture of a cancer was not assessable, and is in no figure" in page


def test_the_site_file_in_use_is_the_one_by_which_scores_are_read(scores: Path, tmp_path: Path) -> None:
    site = written(tmp_path, CARD)
    result = CliRunner().invoke(
        app, ["evaluate", "--scores", str(scores), "--out", str(tmp_path / "out")], env={"TOCSIN_MODEL__SITE_FILE": str(site)}
    )
    assert result.exit_code == 0, result.exception
    about = orjson.loads((tmp_path / "out" / "evaluation.json").read_bytes())["about"]
    assert (about["site_file"], about["input_gate"]) == ("st-elsewhere/3", None)


def test_people_are_told_the_same_and_where_the_files_are(scores: Path, tmp_path: Path) -> None:
    result = evaluate("--scores", scores, "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert "sensitivity     0.900" in result.stdout
    assert str(tmp_path / "out" / "report.html") in result.stdout.splitlines()


def test_the_report_is_in_the_installation_s_language_or_in_the_one_that_is_asked_for(
    scores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(evaluate("--scores", scores, "--out", tmp_path / "asked", "--language", "de", "--json"))
    monkeypatch.setenv("TOCSIN_REPORT__LANGUAGE", "de")
    told(evaluate("--scores", scores, "--out", tmp_path / "set", "--json"))
    told(evaluate("--scores", scores, "--out", tmp_path / "english", "--language", "en", "--json"))
    asked, by_setting, english = ((tmp_path / each / "report.html").read_text() for each in ("asked", "set", "english"))
    assert "Lokale Validierung" in asked
    assert "Lokale Validierung" in by_setting
    assert "Bild zu dunkel" in asked
    assert '<html lang="en">' in english
    assert "Local validation" in english
    assert evaluate("--scores", scores, "--language", "fr").exit_code == 2


@pytest.mark.parametrize(
    ("kept", "reasons"),
    [([], "there is none at all"), ([*REST], "file-not-named: 1, too-dark: 1")],
)
def test_without_a_label_nothing_is_said(tmp_path: Path, kept: Sequence[Scored], reasons: str) -> None:
    file = tmp_path / "scores.jsonl"
    write_scores(file, HEADER, kept)
    result = evaluate("--scores", file, "--out", tmp_path / "out")
    assert isinstance(result.exception, NothingToEvaluate)
    assert reasons in str(result.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": "sklesion/2"}, "name or version"),
        ({"served_sha256": "b" * 64}, "network"),
        ({"malignant_classes": ("mel",)}, "set of malignant classes"),
    ],
)
def test_scores_of_another_model_are_refused(tmp_path: Path, change: dict[str, object], named: str) -> None:
    file = tmp_path / "scores.jsonl"
    write_scores(file, HEADER.model_copy(update=change), rows())
    result = evaluate("--scores", file, "--out", tmp_path / "out")
    assert isinstance(result.exception, ConfigurationError)
    assert f"another {named}" in str(result.exception)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--images", ".", "--from-fhir"),
        ("--scores", __file__, "--mapping", __file__),
        ("--from-fhir", "--labels", __file__),
        ("--from-fhir", "--show-missed"),
        ("--scores", __file__, "--confidence", "0.5"),
        ("--from-fhir", "--from-bus"),
        ("--from-bus", "--labels", __file__),
        ("--scores", __file__, "--since", "1d"),
    ],
)
def test_options_that_contradict_each_other_are_refused(words: tuple[str, ...]) -> None:
    assert evaluate(*words).exit_code == 2


def test_a_started_file_of_other_labels_is_not_gone_on_with(scores: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file,malignant\nnone.jpg,1\n")
    result = evaluate("--images", tmp_path, "--out", scores.parent)
    assert isinstance(result.exception, ConfigurationError)
    assert "choose another folder for --out" in str(result.exception)


def test_missed_cancers_are_those_below_the_threshold_the_lowest_first() -> None:
    some = [Scored("a", 0.01, malignant=True), Scored("b", 0.001, malignant=True), Scored("c", 0.2, malignant=True)]
    others = [Scored("d", 0.001, malignant=False), Scored("e", 0.001), Scored("f", 0.001, malignant=True, label_kind="verdict")]
    found = missed([*some, *others, Scored("g", None, refusal="blurred", malignant=True)], 0.011, 10)
    assert [each.picture for each in found] == ["b", "a"]
    assert [each.picture for each in missed(some, 0.011, 1)] == ["b"]


def test_missed_cancers_are_shown_where_their_files_still_are(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(textured(640, 480)))
    (tmp_path / "b.jpg").write_bytes(b"no picture any more")
    rows = [Scored(f"{name}.jpg", 0.001, malignant=True) for name in "abc"]
    [shown] = photographed(rows, 0.011, [tmp_path], 1_000_000)
    assert (shown.picture, shown.score, shown.photograph.width_px) == ("a.jpg", 0.001, 320)
    assert np.isclose(shown.photograph.height_px, 240)
