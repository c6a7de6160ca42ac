"""The reference model on an embedded Triton of its own, for as long as a block lasts."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from tocsin.model_card import ModelCard
from tocsin.sandbox import triton
from tocsin.sandbox.model.edition import FEATURES, PLAIN, Edition
from tocsin.sandbox.reference import reference_card, reference_repository
from tocsin.terminal import Progress


def reference_edition(card: ModelCard) -> Edition | None:
    """The version of the reference model that this card is of; None where it is of another network."""
    served = card.provenance.served_sha256
    return next((each for each in (PLAIN, FEATURES) if reference_card(each).provenance.served_sha256 == served), None)


@contextmanager
def reference_served(cache: Path, progress: Progress, edition: Edition = PLAIN) -> Iterator[str]:
    """Serve that version of the reference model, which is built in the cache where it is missing; gives host:port of the gRPC endpoint.

    However the block ends, Ctrl-C and SIGTERM included, neither process nor file of it is left. Call it from the main thread. Raises
    ArtifactUnavailable, ModelUnusable, PartDidNotStart.
    """
    with _sigterm_unwinds(), TemporaryDirectory(prefix="tocsin-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        models = reference_repository(folder, cache, progress, threading.Event(), edition)
        (folder / "triton").mkdir()
        with progress.step("starting Triton"):
            server = triton.start(models, folder / "triton")
        try:
            yield server.grpc_url
        finally:
            server.stop()


@contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminated(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
