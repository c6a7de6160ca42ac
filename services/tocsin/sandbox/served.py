"""The reference model on an embedded Triton of its own, for as long as a block lasts."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from tocsin.sandbox import triton
from tocsin.sandbox.reference import reference_repository
from tocsin.terminal import Progress


@contextmanager
def reference_served(cache: Path, progress: Progress) -> Iterator[str]:
    """Serve the reference model, which is built in the cache where it is missing; gives host:port of the gRPC endpoint.

    However the block ends, Ctrl-C and SIGTERM included, neither process nor file of it is left. Call it from the main thread. Raises
    ArtifactUnavailable, ModelUnusable, PartDidNotStart.
    """
    with _sigterm_unwinds(), TemporaryDirectory(prefix="tocsin-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        models = reference_repository(folder, cache, progress, threading.Event())
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
