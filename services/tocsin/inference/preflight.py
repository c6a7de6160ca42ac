"""Is the model that Triton serves the one that the card describes, and does it answer as the card's does?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import grpc
from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from tocsin.errors import TocsinError
from tocsin.image.decode import decode
from tocsin.inference.channel import status_of, triton_client, way
from tocsin.inference.inputs import image_tensor
from tocsin.inference.known import FILE, KnownAnswer, furthest, read_known_answer
from tocsin.inference.triton import TritonClassifier
from tocsin.model_card import ModelCard
from tocsin.network import speaks_tls, steps
from tocsin.settings import TritonSettings
from tocsin.telemetry.preflight import Check, check, skipped

PART: Final = "triton"
KNOWN: Final = "known answer"
KNOWN_PIXELS_MAX: Final = 4_000_000
"""Limit on the pixels of the picture beside a card, which is small."""


def triton_preflight(settings: TritonSettings, card: ModelCard, card_file: Path) -> Iterator[Check]:
    """Checks Triton step by step, and stops at the first step without which the next says nothing.

    The steps are name, connection and TLS; the server; the model, its version and readiness; its tensors; its answer to the known picture.
    Raises ConfigurationError.
    """
    for found in steps(way(settings)):
        yield found
        if not found.passed:
            return
    with closing(triton_client(settings)) as client:
        try:
            server = client.get_server_metadata(client_timeout=settings.timeout_s)
        except InferenceServerException as error:
            yield check(PART, "server", False, f"{settings.grpc_url}: {status_of(error).name}", _server_fix(error, settings))
            return
        yield check(PART, "server", True, f"{settings.grpc_url}: {server.name} {server.version}", "")
        try:
            yield from _model(client, settings, card, card_file)
        except InferenceServerException as error:
            fix = "see Triton's own log for why it refused"
            yield check(PART, f"model {card.model}", False, status_of(error).name, fix)


def _server_fix(error: InferenceServerException, settings: TritonSettings) -> str:
    status = status_of(error)
    if status in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        return "a proxy before Triton asks who Tocsin is: set TOCSIN_TRITON__TLS_CERTIFICATE_FILE and TOCSIN_TRITON__TLS_KEY_FILE"
    if not settings.tls and speaks_tls(way(settings)):
        return "it speaks TLS: set TOCSIN_TRITON__TLS=true, and TOCSIN_TRITON__TLS_CA_FILE where its authority is not a public one"
    return "set TOCSIN_TRITON__GRPC_URL to host:port of Triton's gRPC endpoint (not its HTTP or metrics port)"


def _model(client: InferenceServerClient, settings: TritonSettings, card: ModelCard, card_file: Path) -> Iterator[Check]:
    what = f"model {card.model}"
    if not client.is_model_ready(card.name, card.version, client_timeout=settings.timeout_s):
        yield check(PART, what, False, *_why_not(client, settings, card))
        return
    yield check(PART, what, True, "ready", "")
    tensors = list(_tensors(client.get_model_metadata(card.name, card.version, client_timeout=settings.timeout_s), card))
    yield from tensors
    if all(each.passed for each in tensors):
        yield _known_answer(settings, card, card_file)


def _why_not(client: InferenceServerClient, settings: TritonSettings, card: ModelCard) -> tuple[str, str]:
    """Why the model is not ready, and the fix: Triton lacks its name or its version, or has not loaded it."""
    load = f"load version {card.version} of {card.name} into Triton's model repository"
    other = f"{load}, or set TOCSIN_MODEL__CARD to the card of a model that is served"
    try:
        index = client.get_model_repository_index(client_timeout=settings.timeout_s).models
    except InferenceServerException as error:
        return f"not ready (its index: {status_of(error).name})", load
    versions = {each.version: each.state or "UNAVAILABLE" for each in index if each.name == card.name}
    if not versions:
        return f"no such model; served: {', '.join(sorted({each.name for each in index})) or 'none'}", other
    if card.version not in versions:
        return f"no such version; served: {', '.join(sorted(filter(None, versions))) or 'none'}", other
    return f"not ready: {versions[card.version]}", f"wait while it loads; else see Triton's log for why {card.model} was not loaded"


def _tensors(served: Any, card: ModelCard) -> Iterator[Check]:
    image, facts = card.image, card.facts
    inputs = {each.name: _described(each) for each in served.inputs}
    outputs = {each.name: _described(each) for each in served.outputs}
    yield _tensor("input", image.name, inputs, f"{image.datatype} [-1, {image.height}, {image.width}, 3]")
    yield _tensor("input", facts.name, inputs, f"FP32 [-1, {facts.length}]")
    yield _tensor("output", card.output.name, outputs, f"FP32 [-1, {len(card.output.classes)}]")
    if (features := card.output.features) is not None:
        yield _tensor("output", features.name, outputs, f"FP32 [-1, {features.length}]")


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


def _known_answer(settings: TritonSettings, card: ModelCard, card_file: Path) -> Check:
    """Compares Triton's answer to the known picture with the known answer.

    Other weights than the card's, or another order of colours or classes, answer otherwise.
    """
    try:
        known = read_known_answer(card_file, card)
        if known is None:
            return skipped(PART, KNOWN, f"no {FILE} beside the card")
        return _compared(settings, card, *known)
    except TocsinError as error:
        return check(PART, KNOWN, False, str(error), f"make {FILE} again for this card and this network, or remove it")


def _compared(settings: TritonSettings, card: ModelCard, known: KnownAnswer, picture: bytes) -> Check:
    pixels = decode(picture, pixels_max=KNOWN_PIXELS_MAX, reduce_to_px=card.reduce_to_px, reference=known.picture)
    with closing(TritonClassifier(settings, card)) as classifier:
        answered = classifier.classify(image_tensor(pixels, card.image), known.facts.facts).probabilities
    code, distance = furthest(answered, known)
    found = f"{code} {answered[code]:.4f}, known {known.probabilities[code]:.4f}, tolerance {known.tolerance:g}"
    fix = (
        f"Triton answers as another network does: have it serve the card's (SHA-256 {known.served_sha256[:12]}...), and do not run "
        "`tocsin consume` before"
    )
    return check(PART, KNOWN, distance <= known.tolerance, found, fix)
