"""Probabilities are read in whatever floats Triton has them, and from the card's output alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from tocsin.errors import ContractError
from tocsin.image.types import PatientFacts
from tocsin.inference.triton import TritonClassifier
from tocsin.inference.types import Findings
from tocsin.settings import TritonSettings
from tritonclient.utils import triton_to_np_dtype

from tests.builders import card
from tests.support.gates import card_with_features
from tests.support.model_server import answer_to, model_server, with_features

CARD = card()
CODES = [each.code for each in CARD.output.classes]
PROBABILITIES = [0.5, 0.375, 0.125]
"""Exact in every datatype."""


def asked(change: Callable[[Any], object]) -> dict[str, float]:
    """The probabilities that come of an answer after this change."""

    def answer(request: Any, _context: Any) -> Any:
        response = answer_to(request, PROBABILITIES, CARD.output.name)
        change(response)
        return response

    with model_server(answer) as url, closing(TritonClassifier(TritonSettings(grpc_url=url), CARD)) as classifier:
        return dict(classifier.classify(np.zeros((16, 16, 3), np.float16), PatientFacts()).probabilities)


@pytest.mark.parametrize("datatype", ["BF16", "FP16", "FP32", "FP64"])
def test_probabilities_may_come_in_any_floats(datatype: str) -> None:
    def change(response: Any) -> None:
        response.outputs[0].datatype = datatype
        response.raw_output_contents[0] = np.array(PROBABILITIES).astype(triton_to_np_dtype(datatype)).tobytes()

    assert asked(change) == dict(zip(CODES, PROBABILITIES, strict=True))


def test_another_output_that_comes_first_is_not_taken_for_the_cards() -> None:
    def change(response: Any) -> None:
        theirs = type(response)()
        theirs.outputs.add(name="embedding", datatype="FP32", shape=[1, 3])
        theirs.raw_output_contents.append(np.array([9, 9, 9], np.float32).tobytes())
        theirs.outputs.extend(response.outputs)
        theirs.raw_output_contents.extend(response.raw_output_contents)
        del response.outputs[:], response.raw_output_contents[:]
        response.outputs.extend(theirs.outputs)
        response.raw_output_contents.extend(theirs.raw_output_contents)

    assert asked(change) == dict(zip(CODES, PROBABILITIES, strict=True))


@pytest.mark.parametrize("shape", [[3], [3, 1], [1, 1, 3], [1, 4], []], ids=str)
def test_probabilities_of_another_shape_than_the_cards_stop_the_process(shape: list[int]) -> None:
    def change(response: Any) -> None:
        del response.outputs[0].shape[:]
        response.outputs[0].shape.extend(shape)

    with pytest.raises(ContractError, match=r"\[1, 3\]"):
        asked(change)


@pytest.mark.parametrize("size", [0, 11, 13, 24], ids=str)
def test_an_answer_whose_bytes_are_not_so_many_floats_stops_the_process(size: int) -> None:
    def change(response: Any) -> None:
        response.raw_output_contents[0] = bytes(size)

    with pytest.raises(ContractError, match=r"\[1, 3\]"):
        asked(change)


def test_an_answer_without_the_cards_output_stops_the_process() -> None:
    with pytest.raises(ContractError, match=r"\[1, 3\]"):
        asked(lambda response: setattr(response.outputs[0], "name", "logits"))


def featured(features: list[float], *, asked_for: bool = True) -> Findings:
    """What is found where a server answers these features, and is asked for them or not."""
    of = card_with_features()
    heard: list[list[str]] = []

    def answer(request: Any, _context: Any) -> Any:
        heard.append([each.name for each in request.outputs])
        plain = answer_to(request, PROBABILITIES, CARD.output.name)
        return with_features(plain, features) if "features" in heard[-1] else plain

    with (
        model_server(answer) as url,
        closing(TritonClassifier(TritonSettings(grpc_url=url), of, with_features=asked_for)) as classifier,
    ):
        found = classifier.classify(np.zeros((16, 16, 3), np.float16), PatientFacts())
    assert heard == [["probabilities", "features"] if asked_for else ["probabilities"]]
    return found


def test_features_come_with_the_probabilities_where_they_are_asked_for() -> None:
    found = featured([1, 2, 3, 4])
    assert list(found.probabilities.values()) == PROBABILITIES
    assert found.features is not None
    assert found.features.tolist() == [1, 2, 3, 4]


def test_nobody_pays_for_features_who_does_not_want_them() -> None:
    assert featured([1, 2, 3, 4], asked_for=False).features is None


def test_another_number_of_features_than_the_cards_stops_the_process() -> None:
    with pytest.raises(ContractError, match=r"\[1, 4\] features"):
        featured([1, 2, 3])
