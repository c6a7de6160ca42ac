"""Version 2 of the reference model on a real Triton: the card's known answer, and features by which a gate refuses."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from tocsin.bootstrap.learn import judging
from tocsin.clock import utc_now
from tocsin.image.decode import decode
from tocsin.image.types import PatientFacts
from tocsin.inference.inputs import image_tensor
from tocsin.inference.preflight import triton_preflight
from tocsin.inference.triton import TritonClassifier
from tocsin.learning.labels_csv import Labelled
from tocsin.learning.pictures import Folder as Files
from tocsin.learning.types import Scored
from tocsin.model_card import read_card
from tocsin.risk.judge import judge, malignancy
from tocsin.risk.types import Assessment, Unassessable
from tocsin.sandbox import triton
from tocsin.sandbox.artifacts import cache_folder
from tocsin.sandbox.demo.lesions import lesion
from tocsin.sandbox.model.edition import FEATURES
from tocsin.sandbox.reference import reference_repository
from tocsin.settings import Settings, TritonSettings
from tocsin.terminal import Silent

from tests.support.gates import gate, gate_json
from tests.support.pictures import encoded, textured
from tests.support.site_files import at_site
from tests.support.stack import running


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TritonSettings, Path]]:
    """A Triton that serves version 2, and the card beside its network."""
    folder = tmp_path_factory.mktemp("version-2")
    models = reference_repository(folder, cache_folder(os.environ), Silent(), threading.Event(), FEATURES)
    with running(lambda: triton.start(models, folder / "triton")) as part:
        yield TritonSettings(grpc_url=part.grpc_url, timeout_s=60), models / "sklesion" / "card.yaml"


def test_every_check_passes_the_known_answer_and_the_features_too(served: tuple[TritonSettings, Path]) -> None:
    settings, card = served
    found = {each.what: each for each in triton_preflight(settings, read_card(card), card)}
    assert all(each.passed for each in found.values()), found
    assert found["output features"].found == "FP32 [-1, 2048]"
    assert "known answer" in found


def test_a_gate_tells_drawn_pictures_apart_by_the_served_features(served: tuple[TritonSettings, Path]) -> None:
    settings, file = served
    card = read_card(file)
    with closing(TritonClassifier(settings, card, with_features=True)) as asked, closing(TritonClassifier(settings, card)) as plain:
        tensors = [
            image_tensor(decode(each, pixels_max=10**7, reduce_to_px=None, reference="drawn"), card.image)
            for each in (lesion(3), encoded(textured(320, 240)))
        ]
        right, wrong = (asked.classify(each, PatientFacts()) for each in tensors)
        without = plain.classify(tensors[0], PatientFacts())
    assert without.features is None
    assert without.probabilities == pytest.approx(right.probabilities, abs=1e-5)
    assert right.features is not None
    assert wrong.features is not None
    direction = wrong.features - right.features
    half_way = float(direction @ (wrong.features + right.features)) / 2
    line = gate(card, np.asarray(direction).tolist(), threshold=half_way)
    assert isinstance(judge(right, card, line), Assessment)
    refused = judge(wrong, card, line)
    assert isinstance(refused, Unassessable)
    assert refused.obstacle.reason == "wrong-kind-of-picture"


def test_an_evaluation_refuses_by_the_sites_gate_and_scores_by_the_card_alone(served: tuple[TritonSettings, Path], tmp_path: Path) -> None:
    settings, file = served
    card = read_card(file)
    drawn = {"right": lesion(3), "wrong": encoded(textured(320, 240))}
    with closing(TritonClassifier(settings, card, with_features=True)) as asked:
        known = {
            name: asked.classify(
                image_tensor(decode(each, pixels_max=10**7, reduce_to_px=None, reference=name), card.image), PatientFacts()
            )
            for name, each in drawn.items()
        }
    right, wrong = (known[name].features for name in drawn)
    assert right is not None
    assert wrong is not None
    direction = np.asarray(wrong - right)
    line = gate_json(card, direction.tolist(), threshold=float(direction @ (wrong + right)) / 2)
    files = Files("DMS", 10**7, utc_now)
    with judging(Settings(triton=settings), at_site(card, input_gate=line)) as of:
        scored = {}
        for name, content in drawn.items():
            (tmp_path / name).write_bytes(content)
            scored[name] = of.score(files.asked(Labelled(2, tmp_path / name, PatientFacts(), Scored(name, None))))
    assert scored["wrong"].refusal == "wrong-kind-of-picture"
    assert scored["right"].score == pytest.approx(malignancy(known["right"], card), abs=1e-5)
