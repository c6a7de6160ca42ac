"""Is the model that Triton serves the one that the card describes?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from tocsin.inference.card import ModelCard
from tocsin.preflight import Check, check
from tocsin.settings import TritonSettings

PART: Final = "triton"


def triton_preflight(settings: TritonSettings, card: ModelCard) -> Iterator[Check]:
    """Server, then the model's readiness, then its tensors against the card."""
    client = InferenceServerClient(settings.grpc_url)
    try:
        server = client.get_server_metadata(client_timeout=settings.timeout_s)
        yield check(PART, "server", True, f"{settings.grpc_url}: {server.name} {server.version}", "")
        ready = client.is_model_ready(card.name, card.version, client_timeout=settings.timeout_s)
        fix = f"load version {card.version} of {card.name} into Triton's model repository"
        yield check(PART, f"model {card.model}", ready, "ready" if ready else "not ready", fix)
        if ready:
            yield from _tensors(client.get_model_metadata(card.name, card.version, client_timeout=settings.timeout_s), card)
    except InferenceServerException as error:
        fix = "set TOCSIN_TRITON__GRPC_URL to host:port of Triton's gRPC endpoint, and look whether it is up"
        yield check(PART, "server", False, f"{settings.grpc_url}: {error.status()}", fix)
    finally:
        client.close()


def _tensors(served: Any, card: ModelCard) -> Iterator[Check]:
    image, facts = card.image, card.facts
    inputs = {each.name: _described(each) for each in served.inputs}
    outputs = {each.name: _described(each) for each in served.outputs}
    yield _tensor("input", image.name, inputs, f"{image.datatype} [-1, {image.height}, {image.width}, 3]")
    yield _tensor("input", facts.name, inputs, f"FP32 [-1, {facts.length}]")
    yield _tensor("output", card.output.name, outputs, f"FP32 [-1, {len(card.output.classes)}]")


def _tensor(kind: str, name: str, served: dict[str, str], wanted: str) -> Check:
    found = served.get(name, "absent")
    return check(
        PART,
        f"{kind} {name}",
        found == wanted,
        found,
        f"the card says {wanted}: serve the model that the card describes, or correct the card",
    )


def _described(tensor: Any) -> str:
    return f"{tensor.datatype} [{', '.join(str(size) for size in tensor.shape)}]"
