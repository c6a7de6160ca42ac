"""NVIDIA Triton over gRPC: one picture, one request; Triton's dynamic batcher puts requests together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import grpc
import numpy as np
import numpy.typing as npt
from tritonclient.grpc.service_pb2 import ModelInferResponse
from tritonclient.utils import triton_to_np_dtype

from tocsin.errors import ContractError, TensorRejected, Unavailable
from tocsin.image.types import PatientFacts
from tocsin.inference.channel import NEIGHBOUR, host_and_port, triton_channel
from tocsin.inference.request import RequestForm
from tocsin.inference.types import Findings, Tensor
from tocsin.model_card import ModelCard
from tocsin.settings import TritonSettings
from tocsin.telemetry.calls import TRITON_METHOD, request_id, triton_request

_REJECTED: Final = frozenset({grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE})
"""Statuses of a request that can never succeed; every other one speaks of the server, which is away, late, busy or broken."""

FLOATS: Final = {datatype: np.dtype(triton_to_np_dtype(datatype)) for datatype in ("BF16", "FP16", "FP32", "FP64")}
"""Datatypes in which probabilities may come -> numpy's."""


class TritonClassifier:
    """Adapter of the Classifier port. Safe for threads."""

    def __init__(
        self, settings: TritonSettings, card: ModelCard, heard: Callable[[], None] = lambda: None, *, with_features: bool = False
    ) -> None:
        """Connects on the first request; `heard` is called on the asking thread after each answer.

        `with_features` asks for the features too, which only a card that names them has. Raises ConfigurationError for a TLS file that
        cannot be used.
        """
        self._heard = heard
        self._channel = triton_channel(settings)
        self._model_infer = self._channel.unary_unary(f"/{TRITON_METHOD}", response_deserializer=ModelInferResponse.FromString)
        self._timeout_s = settings.timeout_s
        self._address = host_and_port(settings)
        self._card = card
        self._features = card.output.features if with_features else None
        self._form = RequestForm(card, [card.output.name, *(() if self._features is None else (self._features.name,))])

    def classify(self, image: Tensor, facts: PatientFacts) -> Findings:
        """See Classifier.classify."""
        asked = request_id()
        response = self._infer(self._form.filled(image, facts, asked))
        self._heard()
        self._check(response, asked)
        classes = self._card.output.classes
        probabilities: list[float] = self._answered(response, self._card.output.name, len(classes), "probabilities").tolist()
        named = {each.code: value for each, value in zip(classes, probabilities, strict=True)}
        if self._features is None:
            return Findings(self._card.model, named)
        return Findings(self._card.model, named, self._answered(response, self._features.name, self._features.length, "features"))

    def close(self) -> None:
        """Close the connection to Triton."""
        self._channel.close()

    def _answered(self, response: Any, name: str, count: int, what: str) -> npt.NDArray[np.floating[Any]]:
        """The numbers of the output of this name. Raises ContractError where there is none, or it is not as the card has it."""
        for output, content in zip(response.outputs, response.raw_output_contents, strict=False):
            if output.name == name and (numbers := _numbers(content, FLOATS.get(output.datatype), output.shape, count)) is not None:
                return numbers
        raise ContractError(f"{self._card.model} did not answer [1, {count}] {what}: run `tocsin check`")

    def _infer(self, question: bytes) -> Any:
        with triton_request(*self._address) as request:
            try:
                response = self._model_infer(question, timeout=self._timeout_s, metadata=tuple(request.metadata.items()))
            except grpc.RpcError as error:
                status = error.code()
                request.answered(status.name)
                raise self._named(status) from None
            request.answered("OK")
            return response

    def _named(self, status: grpc.StatusCode) -> TensorRejected | Unavailable | ContractError:
        if status in _REJECTED:
            return TensorRejected(f"{self._card.model} answered {status.name}")
        if status is grpc.StatusCode.UNIMPLEMENTED:
            return ContractError(f"what answers for {self._card.model} is no Triton ({status.name}): set TOCSIN_TRITON__GRPC_URL")
        return Unavailable(NEIGHBOUR, f"{self._card.model}: {status.name}")

    def _check(self, response: Any, asked: str) -> None:
        answered = (response.model_name, response.model_version, response.id)
        if answered != (self._card.name, self._card.version, asked):
            raise ContractError(f"asked {self._card.model} as {asked}, but {'/'.join(answered[:2])} answered {answered[2]}")


def _numbers(content: bytes, dtype: np.dtype[Any] | None, shape: Sequence[int], count: int) -> npt.NDArray[np.floating[Any]] | None:
    """The numbers of a raw tensor [1, count]; None where it is none."""
    if dtype is None or tuple(shape) != (1, count) or len(content) != count * dtype.itemsize:
        return None
    return np.frombuffer(content, dtype)
