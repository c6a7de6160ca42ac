"""A question to Triton, as the bytes that gRPC sends (ModelInferRequest, grpc_service.proto of KServe's Open Inference Protocol v2).

Protobuf messages written one behind the other are read as one, and lists go on where they ended (protobuf.dev, Encoding, "Last One Wins").
So what a card says is written once, and a picture's tensor is copied once before gRPC has it, where tritonclient's `infer` copies it four
times (deploy/decisions/0023-the-price-of-asking-triton.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tritonclient.grpc.service_pb2 import ModelInferRequest

from tocsin.image.types import PatientFacts
from tocsin.inference.inputs import DTYPES, facts_tensor
from tocsin.inference.types import Tensor
from tocsin.model_card import ModelCard


class RequestForm:
    """What every request for one card has in common."""

    def __init__(self, card: ModelCard, outputs: Sequence[str]) -> None:
        """`outputs` are the names of what is to be answered."""
        self._facts = card.facts
        self._shape = (card.image.height, card.image.width, 3)
        self._dtype = np.dtype(DTYPES[card.image.datatype])
        self._before_the_image = _without_tensors(card, self._shape, outputs) + _lead(self._dtype.itemsize * int(np.prod(self._shape)))

    def filled(self, image: Tensor, facts: PatientFacts, request_id: str) -> bytes:
        """A serialized ModelInferRequest about one picture. Raises ValueError for a tensor of another size or type than the card's."""
        if (image.shape, image.dtype) != (self._shape, self._dtype):
            raise ValueError(f"a picture as {image.dtype} {image.shape}, where the card has {self._dtype} {self._shape}")
        known = facts_tensor(facts, self._facts).tobytes()
        after = ModelInferRequest(id=request_id, raw_input_contents=[known]).SerializeToString()
        return b"".join((self._before_the_image, np.ascontiguousarray(image).data, after))


def _without_tensors(card: ModelCard, shape: tuple[int, ...], outputs: Sequence[str]) -> bytes:
    """Model, version, outputs and the names, datatypes and shapes of inputs; their contents follow in the same order."""
    request = ModelInferRequest(model_name=card.name, model_version=card.version)
    request.inputs.add(name=card.image.name, datatype=card.image.datatype, shape=(1, *shape))
    request.inputs.add(name=card.facts.name, datatype="FP32", shape=(1, card.facts.length))
    for name in outputs:
        request.outputs.add(name=name)
    written: bytes = request.SerializeToString()
    return written


def _lead(size: int) -> bytes:
    """What stands before the content of an input of so many bytes: a message that holds nothing else ends with them."""
    written: bytes = ModelInferRequest(raw_input_contents=[bytes(size)]).SerializeToString()
    return written[:-size]
