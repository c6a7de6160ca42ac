"""Every way in which a gRPC call can fail has its meaning here; the test fails when gRPC grows one that nobody classified."""

from __future__ import annotations

from typing import Any

import grpc
import numpy as np
import pytest
from tocsin.errors import ContractError, Deferred, TensorRejected
from tocsin.image.types import PatientFacts
from tocsin.inference.triton import TritonClassifier
from tocsin.settings import TritonSettings

from tests.builders import card
from tests.support.model_server import model_server

REFUSED = {"INVALID_ARGUMENT", "OUT_OF_RANGE"}
"""The server read the question and will never take it."""

NEVER = {"UNIMPLEMENTED"}
"""Whatever answers there is no Triton: waiting changes nothing."""

AWAY = {
    "CANCELLED",
    "UNKNOWN",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",  # Triton answers it also while a model is not loaded yet
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",  # as HTTP 403 of the FHIR server: rights are given and taken, the event keeps its place
    "UNAUTHENTICATED",  # as HTTP 401
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
}
"""It speaks of the server at this moment. One that answers so to a single event alone exhausts that event's attempts."""


def test_every_status_of_grpc_has_one_meaning() -> None:
    assert REFUSED | NEVER | AWAY | {"OK"} == set(grpc.StatusCode.__members__)
    assert len(REFUSED) + len(NEVER) + len(AWAY) + 1 == len(grpc.StatusCode)


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        *((name, TensorRejected) for name in sorted(REFUSED)),
        *((name, Deferred) for name in sorted(AWAY)),
        *((name, ContractError) for name in sorted(NEVER)),
    ],
)
def test_what_triton_answers_decides_what_becomes_of_the_event(status: str, meaning: type[Exception]) -> None:
    def refuse(_request: Any, context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode[status], "Jane Canary")

    with model_server(refuse) as url, pytest.raises(meaning) as caught:
        TritonClassifier(TritonSettings(grpc_url=url), card()).classify(np.zeros((16, 16, 3), np.float16), PatientFacts())
    assert status in str(caught.value)
    assert "Canary" not in str(caught.value)
