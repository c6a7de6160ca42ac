"""A site's own pictures tell whether its server computes as the card allows: real Tritons, the reference network, drawn pictures."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import text_format  # type: ignore[import-untyped] # ships no types
from tocsin.fidelity.answers import FILE, read_answers
from tocsin.fidelity.check import pictures_check
from tocsin.fidelity.look import Looking
from tocsin.inference.triton import TritonClassifier
from tocsin.model_card import read_card
from tocsin.network import HOST
from tocsin.sandbox import triton as server
from tocsin.sandbox.demo.lesions import lesion
from tocsin.sandbox.triton import Triton
from tocsin.settings import TritonSettings
from tocsin.telemetry.preflight import Check
from tocsin.terminal import Silent
from tritonclient.grpc import model_config_pb2

from tests.support.stack import running

WITHIN_S = 300
NOISE = """
class Moved(TritonPythonModel):
    def execute(self, requests):
        responses = []
        for request, response in zip(requests, super().execute(requests)):
            answer = response.output_tensors()[0].as_numpy()
            moved = 0.97 * answer + 0.03 / answer.shape[1]
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor(self.outputs[0], moved.astype(np.float32))]))
        return responses


TritonPythonModel = Moved
"""
"""Behind the served model: every probability is drawn towards all others by 3 %, as a coarser arithmetic might."""


def tocsin(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    argv = [sys.executable, "-m", "tocsin", *words]
    return subprocess.run(argv, env={**kept, "NO_COLOR": "1", **variables}, capture_output=True, text=True, timeout=WITHIN_S, check=False)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository that the command built."""
    folder = tmp_path_factory.mktemp("built") / "models"
    done = tocsin("model", "build", "--target", "cpu", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"export TOCSIN_MODEL__CARD={folder}/sklesion/card.yaml" in done.stdout
    return folder


@pytest.fixture(scope="module")
def pictures(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of drawn pictures whose answers the command made."""
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(8):
        (folder / f"patient-{seed}.jpg").write_bytes(lesion(seed))
    done = tocsin("model", "answers", str(folder), TOCSIN_MODEL__CARD=str(models / "sklesion" / "card.yaml"))
    assert (done.returncode, "8 pictures" in done.stdout) == (0, True), done.stderr
    return folder


@pytest.fixture(scope="module")
def built_triton(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """A real Triton that serves what the command built, as it is."""
    with running(lambda: server.start(models, tmp_path_factory.mktemp("built-triton"))) as part:
        yield part


def checked(triton: Triton, models: Path, pictures: Path) -> Check:
    card = read_card(models / "sklesion" / "card.yaml")
    with closing(TritonClassifier(TritonSettings(grpc_url=triton.grpc_url, timeout_s=240), card)) as classifier:
        return pictures_check(read_answers(pictures, card), pictures, Looking(classifier, card, 10**7), Silent())


def test_a_repository_is_served_as_it_was_built_and_answers_as_the_cpu_does(built_triton: Triton, models: Path, pictures: Path) -> None:
    found = checked(built_triton, models, pictures)
    assert (found.passed, "score moved by 0.0000" in found.found, "flags flipped: 0" in found.found) == (True, True, True), found


def test_a_server_whose_answers_are_moved_is_found_out_and_the_command_fails_and_says_what_to_do(
    models: Path, pictures: Path, tmp_path: Path
) -> None:
    shutil.copytree(models, tmp_path / "models")
    with (tmp_path / "models/sklesion/1/model.py").open("a") as model:
        model.write(NOISE)
    with running(lambda: server.start(tmp_path / "models", tmp_path / "triton")) as moved:
        done = tocsin("check", "--json", "--pictures", str(pictures), **nobody_but(moved, models))
    found = {each["what"]: each for each in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 1
    known = found["known pictures"]
    assert (known["passed"], "8 answered" in known["found"], "use_tf32" in known["fix"]) == (False, True, True)
    assert "patient-" not in done.stdout + done.stderr


def nobody_but(triton: Triton, models: Path) -> Mapping[str, str]:
    """Settings where Triton alone is there."""
    return {
        "TOCSIN_TRITON__GRPC_URL": triton.grpc_url,
        "TOCSIN_TRITON__TIMEOUT_S": "240",
        "TOCSIN_MODEL__CARD": str(models / "sklesion" / "card.yaml"),
        "TOCSIN_KAFKA__BOOTSTRAP_SERVERS": f"{HOST}:9",
        "TOCSIN_FHIR__BASE_URL": f"http://{HOST}:9/fhir",
        "TOCSIN_REDIS__URL": f"redis://{HOST}:9/0",
    }


def test_what_stands_in_the_way_is_said_before_anybody_is_asked(models: Path, pictures: Path, tmp_path: Path) -> None:
    card = {"TOCSIN_MODEL__CARD": str(models / "sklesion" / "card.yaml")}
    none = tocsin("check", "--pictures", str(tmp_path), **card)
    assert (none.returncode, "tocsin model answers" in none.stderr, none.stdout) == (78, True, "")
    (tmp_path / FILE).write_text("answers: somebody else's")
    shutil.copy(pictures / "patient-0.jpg", tmp_path)
    other = tocsin("model", "answers", str(tmp_path), **card)
    assert (other.returncode, "not overwritten" in other.stderr) == (1, True)
    absent = tocsin("model", "answers", str(pictures))
    assert (absent.returncode, "tocsin model build" in absent.stderr) == (1, True)


def test_the_configuration_of_a_gpu_differs_from_the_served_one_in_how_it_computes_and_not_in_what(models: Path, tmp_path: Path) -> None:
    done = tocsin("model", "build", "--target", "gpu", str(tmp_path))
    assert done.returncode == 0, done.stderr
    served, gpu = (_configuration(each / "sklesion") for each in (models, tmp_path))
    assert (served.name, served.input, served.output) == (gpu.name, gpu.input, gpu.output)
    sha256 = [yaml.safe_load((each / "sklesion/built.yaml").read_text())["sha256"]["1/model.onnx"] for each in (models, tmp_path)]
    assert sha256 == [read_card(models / "sklesion/card.yaml").provenance.served_sha256] * 2


def _configuration(made: Path) -> Any:
    return text_format.Parse((made / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
