"""`tocsin calibrate` writes a site file or says what is missing, in words and as a last line for programs."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from tocsin.cli.commands import app
from tocsin.cli.evaluate_score import House, _header
from tocsin.errors import ConfigurationError
from tocsin.learning.labelled import read_labelled
from tocsin.learning.scores import read_scores, write_scores
from tocsin.learning.types import Scored
from tocsin.model_card import Features
from tocsin.settings import Settings
from tocsin.site.file import read_site_file
from tocsin.site.gate import gate_sha256
from tocsin.site.written import to_yaml
from tocsin.terminal import Silent
from typer.testing import CliRunner, Result

from tests.support.gates import gate, gate_json
from tests.support.labelled import CARD, Site, header
from tests.support.records import SKLESION
from tests.support.site_files import site_file, written

KEYS = {"kind", "intercept", "slope", "n", "malignant", "threshold", "shown", "sensitivity_at_least", "site_file", "sha256"}


def run(scores: Path, out: Path, *words: str) -> Result:
    asked = ["calibrate", "--scores", str(scores), "--out", str(out), "--card", str(SKLESION), "--json", *words]
    return CliRunner().invoke(app, asked, env={"NO_COLOR": "1"})


def last(done: Result) -> dict[str, Any]:
    said: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    return said


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Site(1, n=600).written(tmp_path_factory.mktemp("scores") / "scores.jsonl", Scored("v.jpg", 0.5, None, True, "verdict"))


def test_a_site_file_is_written_and_told(scores: Path, tmp_path: Path) -> None:
    out = tmp_path / "North Clinic.yaml"
    done = run(scores, out, "--target-sensitivity", "0.95", "--confidence", "0.95")
    assert done.exit_code == 0, done.output
    said, site = last(done), read_site_file(out)
    assert said.keys() >= KEYS
    assert (said["kind"], said["n"], said["malignant"], said["shown"]) == ("intercept-and-slope", 600, 191, True)
    assert (said["intercept"], said["slope"]) == (site.calibration.intercept, site.calibration.slope)
    assert said["threshold"] == site.operating_point.bands[1].at_least
    assert site.guarantee is not None
    assert said["sensitivity_at_least"] == site.guarantee.sensitivity_at_least >= 0.95
    assert (said["site_file"], said["sha256"]) == (str(out), hashlib.sha256(out.read_bytes()).hexdigest())
    assert (site.name, site.version, site.evaluation) == ("north-clinic", 1, None)
    assert "600 labelled pictures, 191 malignant; passed over: 1 with a clinician's verdict alone." in done.stdout


def test_scores_that_evaluate_makes_are_scores_of_the_card_that_calibrate_reads(tmp_path: Path) -> None:
    made = _header("folder", "DMS", "c" * 64, House(Settings(), CARD, Silent(), has_triton=False))
    write_scores(tmp_path / "s.jsonl", made, Site(1, n=600).rows())
    assert run(tmp_path / "s.jsonl", tmp_path / "north.yaml").exit_code == 0


def test_what_cannot_be_shown_is_said_with_how_many_cancers_it_takes(tmp_path: Path) -> None:
    done = run(Site(4, n=100).written(tmp_path / "s.jsonl"), tmp_path / "north.yaml")
    said = last(done)
    assert (done.exit_code, said["shown"], said["sensitivity_at_least"], said["score"]) == (0, False, None, 0.011)
    assert f"it takes about {said['more_cancers']} more confirmed cancers" in done.stdout
    assert read_site_file(tmp_path / "north.yaml").guarantee is None


def test_too_few_labels_write_nothing_and_end_with_one(tmp_path: Path) -> None:
    done = run(Site(4, n=20).written(tmp_path / "s.jsonl"), tmp_path / "north.yaml")
    assert (done.exit_code, (tmp_path / "north.yaml").exists()) == (1, False)
    assert "nothing was written: 20 labelled pictures are too few to calibrate on: label 10 more" in done.stderr
    said = last(done)
    assert said.keys() >= KEYS
    assert (said["n"], said["shown"], said["site_file"]) == (20, False, None)


def test_verdicts_alone_write_nothing_and_end_with_one(tmp_path: Path) -> None:
    rows = [Scored(f"{n}.jpg", n / 50, malignant=n > 25, label_kind="verdict") for n in range(50)]
    write_scores(tmp_path / "s.jsonl", header(), rows)
    done = run(tmp_path / "s.jsonl", tmp_path / "north.yaml")
    assert (done.exit_code, (tmp_path / "north.yaml").exists(), last(done)["n"]) == (1, False, 0)
    assert "0 labelled pictures are too few to calibrate on: label 30 more" in done.stderr


def test_an_audit_that_leaves_no_cancer_says_how_many_it_takes(tmp_path: Path) -> None:
    audited = [Scored(f"a{n}.jpg", 0.0005 + n / 20_000, malignant=False, weight=1e6) for n in range(40)]
    done = run(Site(1, n=60).written(tmp_path / "s.jsonl", *audited), tmp_path / "north.yaml")
    said = last(done)
    assert (done.exit_code, said["shown"], said["cancers"], said["score"]) == (0, False, 0, 0.011)
    assert "0 confirmed cancers are too few: 59 are needed" in done.stdout
    assert said["more_cancers"] > 59


def test_a_part_is_told_by_the_whole_file_who_was_verified(tmp_path: Path) -> None:
    """3 of 300 flagged pictures have no label and 2 of 20 others: by score, which 150 labels alone would not tell."""
    rows = [replace(row, score=max(row.score or 0, 0.011)) for row in Site(1, n=300).rows()]
    rows += [Scored(f"b{n}.jpg", 0.001, malignant=False, label_kind="pathology") for n in range(18)]
    rows += [Scored(f"u{n}.jpg", 0.001 if n < 2 else 0.5) for n in range(5)]
    write_scores(tmp_path / "s.jsonl", header(), rows)
    done = run(tmp_path / "s.jsonl", tmp_path / "north.yaml", "--split", "150")
    assert read_labelled(tmp_path / "s.jsonl").verification(0.011) == "by-score"
    assert read_labelled(tmp_path / "north.fitted.jsonl").verification(0.011) != "by-score"
    assert last(done)["shown"] is False
    assert "missed cancers stayed unseen" in done.stdout


def test_a_stated_prevalence_is_in_the_file_with_its_source(scores: Path, tmp_path: Path) -> None:
    assert run(scores, tmp_path / "north.yaml", "--prevalence", "0.08", "--prevalence-source", "all lesions of 2025").exit_code == 0
    share = yaml.safe_load((tmp_path / "north.yaml").read_text())["prevalence"]
    assert (share["assumed"], share["source"]) == (pytest.approx(0.08), "all lesions of 2025")


def test_versions_of_a_name_count_up_in_a_folder(scores: Path, tmp_path: Path) -> None:
    out = tmp_path / "north.yaml"
    assert [last(run(scores, out))["version"] for _ in range(2)] == [1, 2]
    (tmp_path / "north-7.yaml").write_bytes(to_yaml(site_file(CARD, name="north", version=7)))
    assert [last(run(scores, tmp_path / each))["version"] for each in ("north.yaml", "other.yaml")] == [8, 1]


def test_a_promoted_file_is_not_written_over(scores: Path, tmp_path: Path) -> None:
    out = tmp_path / "north.yaml"
    out.write_bytes(to_yaml(site_file(CARD)))
    done = run(scores, out)
    assert isinstance(done.exception, ConfigurationError)
    assert "was promoted, and a version never changes" in str(done.exception)
    assert out.read_bytes() == to_yaml(site_file(CARD))


def test_the_gate_by_which_pictures_were_scored_goes_into_the_site_file(tmp_path: Path) -> None:
    of = CARD.model_copy(update={"output": CARD.output.model_copy(update={"features": Features(name="features", length=4)})})
    card, scores, out = tmp_path / "card.yaml", tmp_path / "scores.jsonl", tmp_path / "north.yaml"
    card.write_text(yaml.safe_dump(of.model_dump(mode="json")))
    write_scores(scores, header(of, input_gate_sha256=gate_sha256(gate(of))), Site(1, n=600).rows())
    for name, threshold in (("its", 0.5), ("other", 0.7)):
        (tmp_path / name).mkdir()
        written(tmp_path / name, of, input_gate=gate_json(of, threshold=threshold))
    for words in ((), ("--gate-of", str(tmp_path / "other" / "site.yaml"))):
        refused = run(scores, out, "--card", str(card), *words)
        assert isinstance(refused.exception, ConfigurationError)
        assert "--gate-of" in str(refused.exception)
        assert not out.exists()
    assert run(scores, out, "--card", str(card), "--gate-of", str(tmp_path / "its" / "site.yaml")).exit_code == 0
    assert read_site_file(out).input_gate == gate(of)


def test_a_split_fits_to_some_and_leaves_the_others_to_be_evaluated(scores: Path, tmp_path: Path) -> None:
    said = last(run(scores, tmp_path / "north.yaml", "--split", "300", "--seed", "3"))
    rest = tuple(read_scores(tmp_path / "north.rest.jsonl")[1])
    assert said["n"] == 300  # a verdict is none of them
    assert said["n"] + len(rest) == 601


@pytest.mark.parametrize(
    "words",
    [
        ("--target-sensitivity", "95"),
        ("--confidence", "1"),
        ("--confidence", "much"),
        ("--prevalence", "0"),
        ("--prevalence-source", "a count"),
        ("--name", "St. Elsewhere"),
        ("--split", "0"),
    ],
    ids=" ".join,
)
def test_options_that_make_no_sense_are_refused(words: tuple[str, ...], scores: Path, tmp_path: Path) -> None:
    assert run(scores, tmp_path / "north.yaml", *words).exit_code == 2
    assert list(tmp_path.iterdir()) == []
