"""What every model server keeps, the fake and Triton alike: a probability for each class, and which model said so."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tocsin.errors import ContractError, Deferred, TensorRejected, Unavailable
from tocsin.image.types import PatientFacts, Pixels
from tocsin.inference.inputs import image_tensor
from tocsin.inference.ports import Classifier
from tocsin.inference.triton import TritonClassifier
from tocsin.model_card import ModelCard, ModelVersion, read_card
from tocsin.risk.judge import judge
from tocsin.risk.types import Unassessable
from tocsin.sandbox.triton import Triton
from tocsin.settings import TritonSettings

from tests.fakes.stages import FakeClassifier
from tests.support.model_server import answer_to, model_server
from tests.support.pictures import textured
from tests.support.waiting import eventually

FACTS = PatientFacts("female", 55.0, ("22943007",))
SKLESION = Path(__file__).parents[2] / "deploy" / "triton" / "sklesion" / "card.yaml"


def changed(card: ModelCard, part: str | None = None, **changes: Any) -> ModelCard:
    """The card with some facts changed, of the card itself or of one part."""
    if part is None:
        return card.model_copy(update=changes)
    return card.model_copy(update={part: getattr(card, part).model_copy(update=changes)})


CARD = changed(read_card(SKLESION), name="noop")
PIXELS: Pixels = np.asarray(textured(300, 254))
TENSOR = image_tensor(PIXELS, CARD.image)


def classifier_of(grpc_url: str, card: ModelCard = CARD, *, timeout_s: float = 10.0) -> TritonClassifier:
    return TritonClassifier(TritonSettings(grpc_url=grpc_url, timeout_s=timeout_s), card)


@pytest.fixture(params=["fake", "triton"])
def classifier(request: pytest.FixtureRequest) -> Classifier:
    return FakeClassifier(CARD) if request.param == "fake" else classifier_of(request.getfixturevalue("triton").grpc_url)


def test_every_class_of_the_card_gets_its_probability_from_the_model_that_the_card_names(classifier: Classifier) -> None:
    findings = classifier.classify(TENSOR, FACTS)
    assert findings.model == ModelVersion("noop", "1")
    assert list(findings.probabilities) == [each.code for each in CARD.output.classes]
    assert all(0 <= value <= 1 for value in findings.probabilities.values())
    assert sum(findings.probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_nothing_need_be_known_of_the_patient(classifier: Classifier) -> None:
    assert sum(classifier.classify(TENSOR, PatientFacts()).probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_many_threads_may_ask_at_once(classifier: Classifier) -> None:
    together = threading.Barrier(16)

    def ask(_number: int) -> float:
        together.wait(20)
        return sum(classifier.classify(TENSOR, FACTS).probabilities.values())

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(ask, range(16))) == pytest.approx([1] * 16, abs=1e-5)


@pytest.mark.parametrize(
    "card",
    [
        pytest.param(changed(CARD, "image", height=128, width=128), id="image size"),
        pytest.param(changed(CARD, "image", datatype="FP32"), id="image datatype"),
        pytest.param(changed(CARD, "image", name="picture"), id="input name"),
        pytest.param(changed(CARD, "facts", sexes=("female", "unknown")), id="facts length"),
        pytest.param(changed(CARD, "output", name="logits"), id="output name"),
    ],
)
def test_an_input_that_the_model_does_not_take_is_refused(triton: Triton, card: ModelCard) -> None:
    with pytest.raises(TensorRejected, match=r"noop/1 answered INVALID_ARGUMENT"):
        classifier_of(triton.grpc_url, card).classify(image_tensor(PIXELS, card.image), FACTS)


def test_a_model_with_other_classes_than_the_card_stops_the_process(triton: Triton) -> None:
    with pytest.raises(ContractError, match=r"\[1, 2\]"):
        classifier_of(triton.grpc_url, changed(CARD, "output", classes=CARD.output.classes[:2])).classify(TENSOR, FACTS)


@pytest.mark.parametrize("missing", [changed(CARD, name="nobody"), changed(CARD, version="9")], ids=["name", "version"])
def test_a_model_that_is_not_served_yet_is_waited_for(triton: Triton, missing: ModelCard) -> None:
    with pytest.raises(Deferred, match=f"triton: {missing.model}: NOT_FOUND"):
        classifier_of(triton.grpc_url, missing).classify(TENSOR, FACTS)


def test_a_triton_that_is_away_is_waited_for() -> None:
    began = time.monotonic()
    with pytest.raises(Deferred, match="triton"):
        classifier_of("127.0.0.1:9", timeout_s=2).classify(TENSOR, FACTS)
    assert time.monotonic() - began < 3


@pytest.fixture
def held() -> Iterator[threading.Event]:
    """Set at the end, so that nobody waits for ever."""
    event = threading.Event()
    yield event
    event.set()


def test_a_triton_that_does_not_answer_is_given_up_after_the_time_allowed(held: threading.Event) -> None:
    def answer(request: Any, _context: Any) -> Any:
        held.wait(20)
        return said(request)

    with model_server(answer) as url:
        began = time.monotonic()
        with pytest.raises(Deferred, match="DEADLINE_EXCEEDED"):
            classifier_of(url, timeout_s=0.5).classify(TENSOR, FACTS)
        assert time.monotonic() - began < 2
        held.set()


def test_a_triton_that_comes_back_is_asked_again_by_the_same_classifier() -> None:
    with model_server(lambda request, _context: said(request)) as url:
        classifier = classifier_of(url)
        assert classifier.classify(TENSOR, FACTS).model == CARD.model
    with pytest.raises(Deferred, match="triton"):
        classifier.classify(TENSOR, FACTS)
    with model_server(lambda request, _context: said(request), int(url.rpartition(":")[2])):
        eventually(lambda: answers(classifier), what="an answer")


def answers(classifier: Classifier) -> bool:
    try:
        return classifier.classify(TENSOR, FACTS).model == CARD.model
    except Deferred:
        return False


def test_an_answer_with_fewer_numbers_than_it_says_stops_the_process() -> None:
    def answer(request: Any, _context: Any) -> Any:
        response = said(request)
        del response.raw_output_contents[:]
        return response

    with model_server(answer) as url, pytest.raises(ContractError):
        classifier_of(url).classify(TENSOR, FACTS)


@pytest.mark.parametrize(
    "numbers",
    [
        [float("nan")] * 7,
        [float("inf"), 0, 0, 0, 0, 0, 0],
        [1.0] * 7,
        [0.0] * 7,
        [-0.5, 1.5, 0, 0, 0, 0, 0],
        [0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2],
    ],
    ids=["not a number", "infinite", "too much", "nothing", "below zero", "logits"],
)
def test_numbers_that_are_no_probabilities_become_no_score(numbers: list[float]) -> None:
    with model_server(lambda request, _context: answer_to(request, numbers, CARD.output.name)) as url:
        judged = judge(classifier_of(url).classify(TENSOR, FACTS), CARD)
    assert isinstance(judged, Unassessable)
    assert judged.obstacle.reason == "model-gave-no-answer"


@pytest.mark.parametrize("datatype", ["INT32", "UINT8", "BOOL", "BYTES"])
def test_an_answer_of_another_datatype_stops_the_process(datatype: str) -> None:
    def answer(request: Any, _context: Any) -> Any:
        response = said(request)
        response.outputs[0].datatype = datatype
        return response

    with model_server(answer) as url, pytest.raises(ContractError):
        classifier_of(url).classify(TENSOR, FACTS)


def test_an_answer_that_is_larger_than_any_of_this_model_is_not_read() -> None:
    def answer(request: Any, _context: Any) -> Any:
        response = said(request)
        response.raw_output_contents[0] = bytes(8_000_000)
        return response

    with model_server(answer) as url, pytest.raises(Unavailable, match="RESOURCE_EXHAUSTED"):
        classifier_of(url).classify(TENSOR, FACTS)


@pytest.mark.parametrize(
    "other",
    [{"model_name": "other"}, {"model_version": "2"}, {"id": "another-question"}],
    ids=["model", "version", "question"],
)
def test_an_answer_of_another_model_or_version_or_to_another_question_stops_the_process(other: dict[str, str]) -> None:
    with model_server(lambda request, _context: said(request, **other)) as url, pytest.raises(ContractError, match="asked noop/1"):
        classifier_of(url).classify(TENSOR, FACTS)


def said(request: Any, **stated: str) -> Any:
    classes = len(CARD.output.classes)
    return answer_to(request, [1 / classes] * classes, CARD.output.name, **stated)
