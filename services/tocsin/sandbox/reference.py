"""Makes the reference model ready for Triton: fetches, converts and verifies it against its card."""

from __future__ import annotations

import hashlib
import sys
import threading
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import yaml

from tocsin.model_card import ModelCard
from tocsin.packaged import REFERENCE_MODEL, packaged
from tocsin.sandbox.artifacts import fetch_wheel
from tocsin.sandbox.model.edition import FEATURES, PLAIN, Edition
from tocsin.sandbox.model.errors import ModelUnusable
from tocsin.sandbox.model.repository import CPU, REQUIREMENT, WHEEL_BYTES, cache_key, card_text, lay_out
from tocsin.sandbox.process import Launch, run
from tocsin.terminal import Progress

BUILD_WITHIN_S: Final = 300.0


def reference_repository(folder: Path, cache: Path, progress: Progress, interrupted: threading.Event, edition: Edition = PLAIN) -> Path:
    """Lay out the reference model's repository for Triton below `folder`, and return the repository's folder.

    `cache` keeps the converted network. Raises ModelUnusable where it is not the network whose SHA-256 the card names.
    """
    network = reference_network(reference_card(edition), cache, progress, interrupted)
    repository = folder / "models"
    lay_out(network, packaged(REFERENCE_MODEL), repository, replace(CPU, edition=edition))
    return repository


def reference_card(edition: Edition) -> ModelCard:
    """The reference model's card, of that version."""
    return ModelCard.model_validate(yaml.safe_load(card_text(packaged(REFERENCE_MODEL), edition)))


def reference_network(card: ModelCard, cache: Path, progress: Progress, interrupted: threading.Event) -> bytes:
    """The ONNX file whose SHA-256 the card names: `cache` keeps it, else it is fetched by pip and converted, which takes seconds.

    Raises ModelUnusable where another comes out, ArtifactUnavailable where it cannot be fetched, and Interrupted.
    """
    kept = cache / "models" / cache_key(card.provenance.source_sha256, FEATURES if card.version == FEATURES.version else PLAIN)
    if kept.exists() and _is(content := kept.read_bytes(), card):
        return content
    wheel = fetch_wheel(REQUIREMENT, card.provenance.source_sha256, cache, progress, size=WHEEL_BYTES, interrupted=interrupted)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="building-", dir=cache) as building, progress.step("building the reference model"):
        return _built(wheel, Path(building), interrupted, card, kept)


def _built(wheel: Path, building: Path, interrupted: threading.Event, card: ModelCard, kept: Path) -> bytes:
    made = building / "model.onnx"
    argv = (sys.executable, "-m", "tocsin.sandbox.model", str(wheel), str(made), card.version)
    failure = run(
        Launch("the model's conversion", argv, building, building / "log", None), within_s=BUILD_WITHIN_S, interrupted=interrupted
    )
    if failure:
        raise ModelUnusable(f"the reference model could not be converted: {failure}")
    content = made.read_bytes()
    if not _is(content, card):
        raise ModelUnusable(
            f"the converted network's SHA-256 is not {card.provenance.served_sha256}, which its card names; it was not served"
        )
    made.replace(kept)
    return content


def _is(content: bytes, card: ModelCard) -> bool:
    return hashlib.sha256(content).hexdigest() == card.provenance.served_sha256
