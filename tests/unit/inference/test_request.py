"""A request says to Triton, byte for byte, what tritonclient's own would say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.image.types import PatientFacts
from tocsin.inference.inputs import DTYPES, facts_tensor
from tocsin.inference.request import RequestForm
from tocsin.inference.types import Tensor
from tocsin.model_card import ModelCard
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput, service_pb2

from tests.builders import card
from tests.support.gates import card_with_features
from tests.support.model_server import answer_to, model_server

FACTS = PatientFacts("female", 45.0, ("53120007",))


def of(height: int, width: int, datatype: str = "FP16") -> ModelCard:
    whole = card()
    return whole.model_copy(update={"image": whole.image.model_copy(update={"height": height, "width": width, "datatype": datatype})})


def picture(of_card: ModelCard) -> Tensor:
    shape = (of_card.image.height, of_card.image.width, 3)
    return np.random.default_rng(1).uniform(0, 255, shape).astype(DTYPES[of_card.image.datatype])


def read(question: bytes) -> Any:
    return service_pb2.ModelInferRequest.FromString(question)


@pytest.mark.parametrize("datatype", ["FP16", "FP32"])
def test_a_request_says_what_tritonclient_would_say(datatype: str) -> None:
    asked, image = of(254, 254, datatype), picture(of(254, 254, datatype))
    assert read(RequestForm(asked, [asked.output.name]).filled(image, FACTS, "question-1")) == by_tritonclient(asked, image, "question-1")


def test_features_are_asked_for_where_they_are_wanted_and_nowhere_else() -> None:
    asked = card_with_features()
    names = [asked.output.name, "features"]
    assert [each.name for each in read(RequestForm(asked, names).filled(picture(asked), FACTS, "1")).outputs] == names
    assert [each.name for each in read(RequestForm(asked, names[:1]).filled(picture(asked), FACTS, "1")).outputs] == names[:1]


def by_tritonclient(asked: ModelCard, image: Tensor, request_id: str) -> Any:
    """What a server hears where tritonclient's `infer` asks."""
    heard: list[Any] = []

    def answer(request: Any, _context: Any) -> Any:
        heard.append(request)
        return answer_to(request, [1.0, 0.0, 0.0], asked.output.name)

    with model_server(answer) as url, InferenceServerClient(url) as client:
        inputs = [
            an_input(asked.image.name, asked.image.datatype, image),
            an_input(asked.facts.name, "FP32", facts_tensor(FACTS, asked.facts)),
        ]
        outputs = [InferRequestedOutput(asked.output.name)]
        client.infer(asked.name, inputs, model_version=asked.version, outputs=outputs, request_id=request_id, client_timeout=10)
    return heard[0]


def an_input(name: str, datatype: str, values: Any) -> Any:
    made = InferInput(name, [1, *values.shape], datatype)
    made.set_data_from_numpy(values[np.newaxis])
    return made


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.sampled_from(sorted(DTYPES)), st.text(max_size=300))
def test_pictures_and_ids_of_any_length_are_read_back_whole(height: int, width: int, datatype: str, request_id: str) -> None:
    asked = of(height, width, datatype)
    said = read(RequestForm(asked, [asked.output.name]).filled(picture(asked), FACTS, request_id))
    assert (said.model_name, said.model_version, said.id) == (asked.name, asked.version, request_id)
    assert list(said.raw_input_contents) == [picture(asked).tobytes(), facts_tensor(FACTS, asked.facts).tobytes()]
    assert [list(each.shape) for each in said.inputs] == [[1, height, width, 3], [1, asked.facts.length]]


def test_one_picture_leaves_nothing_in_the_request_about_the_next() -> None:
    asked = of(16, 16)
    form, dark = RequestForm(asked, [asked.output.name]), np.zeros((16, 16, 3), np.float16)
    form.filled(picture(asked), FACTS, "the first")
    assert form.filled(dark, PatientFacts(), "the second") == RequestForm(asked, [asked.output.name]).filled(
        dark, PatientFacts(), "the second"
    )


def test_a_picture_that_lies_otherwise_in_memory_is_sent_as_it_is_shown() -> None:
    asked, image = of(16, 16), picture(of(16, 16))
    mirrored = image[:, ::-1]
    assert read(RequestForm(asked, [asked.output.name]).filled(mirrored, FACTS, "1")).raw_input_contents[0] == mirrored.tobytes()


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((16, 17, 3), np.float16),
        np.zeros((16, 8, 3), np.float32),
        np.zeros((16, 16, 3), np.int16),
        np.zeros((1, 16, 16, 3), np.float16),
    ],
    ids=["another size", "as many bytes of another type", "whole numbers", "a batch"],
)
def test_a_tensor_that_is_not_as_the_card_has_it_is_never_sent(image: Any) -> None:
    with pytest.raises(ValueError, match=r"float16 \(16, 16, 3\)"):
        RequestForm(of(16, 16), ["probabilities"]).filled(image, FACTS, "1")
