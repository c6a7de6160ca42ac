"""Java parts start in half the CPU with their classes kept ready: made once, by the first test that starts a part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tocsin.errors import Stop
from tocsin.sandbox import fhir, kafka
from tocsin.sandbox.artifacts import Part
from tocsin.sandbox.lock import held

WRITTEN_WITHIN_S: Final = 240.0
"""How long the part may take to end: it loads and links everything once more, which takes 10 s on an idle machine."""


def keep_classes(part: Part, jars: Sequence[Path]) -> None:
    """See to it that the part's next start finds its classes ready; nothing where somebody else is at it, or where it does not succeed."""
    cache = {"fhir": fhir, "kafka": kafka}[part].class_cache(jars)
    if cache.exists():
        return
    with _alone(cache) as alone, TemporaryDirectory() as folder, suppress(Stop):
        if alone:
            _keep(part, jars, Path(folder), cache)


def _keep(part: Part, jars: Sequence[Path], folder: Path, cache: Path) -> None:
    made = cache.with_suffix(".new")
    starts: dict[Part, Callable[[], fhir.Fhir | kafka.Kafka]] = {
        "fhir": partial(fhir.start, jars, folder, keep_classes=made),
        "kafka": partial(kafka.start, jars, folder, keep_classes=made),
    }
    starts[part]().child.stop(grace_s=WRITTEN_WITHIN_S)
    if "creation is complete" in (folder / "log.txt").read_text("utf-8", errors="replace"):
        made.rename(cache)


@contextmanager
def _alone(cache: Path) -> Iterator[bool]:
    """Whether nobody else makes this file now; held until the block ends, or its process."""
    with cache.with_suffix(".lock").open("w") as lock:
        yield held(lock) and not cache.exists()
