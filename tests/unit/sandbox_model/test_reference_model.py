"""The converted model gives the reference model's own answers, always from the same bytes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from tocsin.image.decode import decode
from tocsin.inference.tensors import resized
from tocsin.sandbox.demo.lesions import lesion
from tocsin.sandbox.model.edition import FEATURES_LENGTH, FEATURES_SHA256
from tocsin.sandbox.model.repository import WHEEL_BYTES

from tests.measurements.data import VARIABLE, Example, Facts, root
from tests.measurements.model import CLASSES, CONTRACT, PRODUCT, Network, Way

SERVED_SHA256 = "2bc646ce2dcdf604fadaa6709c2760a5197310e6006e0779bc0da1ed0c8b415d"


@pytest.fixture(scope="module")
def golden() -> list[dict[str, Any]]:
    folder = root()
    if folder is None:
        pytest.skip(f"the evaluation pictures are not here; {VARIABLE} names their folder")
    entries: list[dict[str, Any]] = json.loads((folder / "reference_model.golden.json").read_text())
    return [entry | {"path": folder / entry["file"]} for entry in entries]


def furthest(wheel: Path, way: Way, golden: list[dict[str, Any]]) -> float:
    """The largest difference of any class's probability."""
    labelled = [Example(entry["path"], entry["dx"], False, Facts(**entry["meta"]), "", "") for entry in golden]
    answers = Network(wheel, way).probabilities(labelled, [example.facts for example in labelled])
    expected = np.array([[entry["probabilities"][name] for name in CLASSES] for entry in golden])
    return float(np.abs(answers - expected).max())


def test_every_golden_answer_is_met_with_and_without_patient_facts(wheel: Path, golden: list[dict[str, Any]]) -> None:
    assert len(golden) == 56
    assert furthest(wheel, CONTRACT, golden) < 1e-4


def test_what_tocsin_sends_stays_close_to_every_golden_answer(wheel: Path, golden: list[dict[str, Any]]) -> None:
    assert furthest(wheel, PRODUCT, golden) < 0.02


def test_the_wheel_is_as_large_as_its_progress_bar_says(wheel: Path) -> None:
    assert wheel.stat().st_size == WHEEL_BYTES


def test_the_same_wheel_becomes_the_file_whose_hash_the_card_names(converted: bytes) -> None:
    assert hashlib.sha256(converted).hexdigest() == SERVED_SHA256


def test_the_file_needs_nothing_newer_than_opset_17(converted: bytes) -> None:
    model = onnx.load_from_string(converted)
    assert [(used.domain, used.version) for used in model.opset_import] == [("", 17)]
    assert model.ir_version == 8


def test_version_2_answers_the_same_to_the_last_bit_and_the_features_besides(converted: bytes, featured: bytes) -> None:
    assert hashlib.sha256(featured).hexdigest() == FEATURES_SHA256
    plain, more = (onnxruntime.InferenceSession(each, providers=["CPUExecutionProvider"]) for each in (converted, featured))
    pictures = [decode(lesion(seed), pixels_max=10**7, reduce_to_px=None, reference="drawn") for seed in (1, 2)]
    images = np.stack([resized(each, height=254, width=254, dtype=np.float16) for each in pictures])
    told, untold = np.eye(10, dtype=np.float32)[:2], np.zeros((2, 10), np.float32)
    answers, features = more.run(["probabilities", "features"], {"image": images, "patient_facts": told})
    np.testing.assert_array_equal(answers, plain.run(["probabilities"], {"image": images, "patient_facts": told})[0])
    assert features.shape == (2, FEATURES_LENGTH)
    np.testing.assert_array_equal(features, more.run(["features"], {"image": images, "patient_facts": untold})[0])
    assert (features >= 0).all()  # they are averages of what a ReLU let through
    assert not np.allclose(*features)
