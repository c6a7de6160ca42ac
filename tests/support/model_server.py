"""A real gRPC server on a free port that answers Triton's inference calls as a test tells it to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

Answer = Callable[[Any, grpc.ServicerContext], Any]
"""ModelInferRequest and its context -> ModelInferResponse; `context.abort` refuses."""


def answer_to(request: Any, probabilities: list[float], output: str, **stated: str) -> Any:
    """What Triton says, but for what is `stated` otherwise: model_name, model_version or id."""
    said = {"model_name": request.model_name, "model_version": request.model_version, "id": request.id} | stated
    response = service_pb2.ModelInferResponse(**said)
    response.outputs.add(name=output, datatype="FP32", shape=[1, len(probabilities)])
    response.raw_output_contents.append(np.array(probabilities, np.float32).tobytes())
    return response


def with_features(response: Any, features: list[float]) -> Any:
    """The same answer with features behind it."""
    response.outputs.add(name="features", datatype="FP32", shape=[1, len(features)])
    response.raw_output_contents.append(np.array(features, np.float32).tobytes())
    return response


@contextmanager
def model_server(answer: Answer, port: int = 0) -> Iterator[str]:
    """host:port of a server that answers until the block ends; on a free port unless one is given."""

    class Servicer(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc] # tritonclient ships no types
        def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - gRPC's name
            return answer(request, context)

    with ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads)
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Servicer(), server)
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        try:
            yield f"127.0.0.1:{bound}"
        finally:
            server.stop(None).wait(10)
