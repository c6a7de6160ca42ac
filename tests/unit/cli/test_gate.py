"""`tocsin gate train`: from folders of pictures to a gate in a site file that no evaluation has carried yet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tocsin.cli.commands import app
from tocsin.errors import ConfigurationError
from tocsin.model_card import ModelCard
from tocsin.site.file import localised, read_site_file
from tocsin.site.gate import InputGate
from typer.testing import CliRunner, Result

from tests.builders import card
from tests.support.gates import card_with_features
from tests.support.model_server import answer_to, model_server, with_features
from tests.support.pictures import encoded, textured
from tests.support.site_files import written

RIGHT, WRONG = 200, 50


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn pictures of two kinds: the other one is brighter."""
    folder = tmp_path_factory.mktemp("pictures")
    for kind, count, light in (("right", RIGHT, 0), ("close-ups", WRONG, 60)):
        (folder / kind).mkdir()
        for seed in range(count):
            drawn = textured(32, 32, seed=seed + 1000 * light).point(lambda value, light=light: min(255, value + light))
            (folder / kind / f"{seed}.png").write_bytes(encoded(drawn, "PNG"))
    return folder


@pytest.fixture
def served() -> Iterator[str]:
    """A Triton whose features are the means of the picture's colours."""

    def answer(request: Any, _context: Any) -> Any:
        colours = np.frombuffer(request.raw_input_contents[0], np.float16).reshape(-1, 3).mean(axis=0, dtype=np.float64)
        return with_features(answer_to(request, [0.5, 0.25, 0.25], "probabilities"), [*colours, 1.0])

    with model_server(answer) as url:
        yield url


def run(*words: str, folder: Path, served: str, of: ModelCard) -> Result:
    (folder / "card.yaml").write_text(yaml.safe_dump(of.model_dump(mode="json", exclude_none=True)))
    settings = {"TOCSIN_MODEL__CARD": str(folder / "card.yaml"), "TOCSIN_TRITON__GRPC_URL": served}
    return CliRunner().invoke(app, ["gate", "train", *words], env=settings)


def of_folders(pictures: Path) -> list[str]:
    return ["--dermoscopy", str(pictures / "right"), "--other", str(pictures / "close-ups")]


def test_a_site_file_gets_a_gate_as_its_next_version_that_was_not_promoted(pictures: Path, served: str, tmp_path: Path) -> None:
    of = card_with_features()
    site = written(tmp_path, of)
    done = run(*of_folders(pictures), "--into", str(site), "--json", folder=tmp_path, served=served, of=of)
    assert done.exit_code == 0, done.output
    found = read_site_file(site)
    assert (found.version, found.evaluation) == (4, None)
    gate = localised(of, found).site.input_gate
    assert gate is not None
    assert gate.refuses(np.array([250, 250, 250, 1], np.float32))
    told = json.loads(done.output.splitlines()[-1])
    assert (told["refusals"]["of"], told["false_refusals"]["of"]) == (WRONG, RIGHT)
    assert told["refusals"]["refused"] > 0.9 * WRONG
    assert "close-ups" in done.output


def test_a_gate_alone_is_what_a_site_file_takes(pictures: Path, served: str, tmp_path: Path) -> None:
    of = card_with_features()
    out = tmp_path / "gate.yaml"
    assert run(*of_folders(pictures), "--out", str(out), folder=tmp_path, served=served, of=of).exit_code == 0
    gate = InputGate.model_validate(yaml.safe_load(out.read_text()))
    assert localised(of, read_site_file(written(tmp_path, of, input_gate=gate.model_dump(mode="json")))).site.input_gate == gate


def test_a_card_without_features_is_refused_with_what_to_do(pictures: Path, served: str, tmp_path: Path) -> None:
    done = run(*of_folders(pictures), "--out", str(tmp_path / "gate.yaml"), folder=tmp_path, served=served, of=card())
    assert isinstance(done.exception, ConfigurationError)
    assert "model build --features" in str(done.exception)


def test_too_few_pictures_leave_the_site_file_as_it_was(pictures: Path, served: str, tmp_path: Path) -> None:
    of = card_with_features()
    site = written(tmp_path, of)
    before = site.read_bytes()
    words = ["--dermoscopy", str(pictures / "close-ups"), "--other", str(pictures / "right")]
    done = run(*words, "--into", str(site), folder=tmp_path, served=served, of=of)
    assert isinstance(done.exception, ConfigurationError)
    assert site.read_bytes() == before


def test_a_site_file_of_another_card_is_refused_before_anything_is_looked_at(pictures: Path, tmp_path: Path) -> None:
    site = written(tmp_path, card_with_features(version="2"))
    done = run(*of_folders(pictures), "--into", str(site), folder=tmp_path, served="127.0.0.1:9", of=card_with_features())
    assert isinstance(done.exception, ConfigurationError)
    assert "does not fit the card" in str(done.exception)


def test_a_file_of_a_sites_folder_is_never_written_over(pictures: Path, tmp_path: Path) -> None:
    site = written(tmp_path, card_with_features())
    (tmp_path / "decisions.jsonl").touch()
    before = site.read_bytes()
    done = run(*of_folders(pictures), "--into", str(site), folder=tmp_path, served="127.0.0.1:9", of=card_with_features())
    assert isinstance(done.exception, ConfigurationError)
    assert "a version never changes" in str(done.exception)
    assert site.read_bytes() == before


def test_just_one_place_is_named_for_the_gate(pictures: Path, tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["gate", "train", *of_folders(pictures)]).exit_code == 2
