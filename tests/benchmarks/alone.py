"""What one picture costs when nothing else is done: `python -m tests.benchmarks.alone PHOTOGRAPHS`, with Tocsin's card in the environment.

One thread, stage by stage: with the fastest decoder there is and the model's tensor, which is the floor; with Tocsin's own functions; and
by Pillow. Prints the CPU of each round as JSON: way -> stage -> ms per picture.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import simplejpeg  # type: ignore[import-untyped]  # its stubs come without a py.typed
from tocsin.clock import utc_now
from tocsin.event.types import ImagingEvent
from tocsin.image.decode import decode
from tocsin.image.gate import gate
from tocsin.image.malloc import keep_memory
from tocsin.image.types import Obstacle, Picture
from tocsin.inference.inputs import image_tensor
from tocsin.risk.types import Judgement

from tests.benchmarks import fhir_stub
from tests.benchmarks.peers.journey import Site, composed, judged, picture_of, site
from tests.benchmarks.peers.looks import obstacle_by_pillow, opened
from tests.benchmarks.photographs import photographs

ROUNDS: Final = 9
ROOT: Final = Path(__file__).resolve().parents[2]
FLOOR: Final = "floor"
OURS: Final = "Tocsin"
PILLOW: Final = "Pillow"
STAGES: Final = ("decode", "gate", "tensor", "compose")

Rounds = Mapping[str, Mapping[str, list[float]]]
"""Way -> stage -> CPU ms per picture of each round; a way may lack stages."""
T = TypeVar("T")


def alone(pictures: Path, variables: Mapping[str, str]) -> Rounds:
    """The CPU of each round, measured in a process of its own."""
    argv = (sys.executable, "-m", "tests.benchmarks.alone", str(pictures))
    done = subprocess.run(argv, cwd=ROOT, env=dict(variables), stdout=subprocess.PIPE, check=True)
    rounds: Rounds = json.loads(done.stdout)
    return rounds


class _Watch:
    """Adds up the CPU of this process, by stage."""

    def __init__(self) -> None:
        self.spent_s: dict[str, float] = {}

    def __call__(self, stage: str, work: Callable[[], T]) -> T:
        began = time.process_time()
        done = work()
        self.spent_s[stage] = self.spent_s.get(stage, 0.0) + time.process_time() - began
        return done


def main() -> None:
    """Prints the rounds; the first of each way, which warms up, is left out. Freed memory is kept, which makes every way cheaper."""
    keep_memory()
    here = site()
    pictures = [_fetched(each.read_bytes()) for each in photographs(Path(sys.argv[1]))]
    print(json.dumps({way: _rounds(take, pictures, here) for way, take in WAYS.items()}))


def _rounds(take: Callable[[Picture, Site, _Watch], None], pictures: list[Picture], here: Site) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for number in range(ROUNDS + 1):
        watch = _Watch()
        for picture in pictures:
            take(picture, here, watch)
        for stage, spent_s in watch.spent_s.items() if number else ():
            found.setdefault(stage, []).append(spent_s * 1000 / len(pictures))
    return found


def _floor(picture: Picture, here: Site, watch: _Watch) -> None:
    pixels = watch("decode", lambda: simplejpeg.decode_jpeg(picture.content, "RGB"))
    watch("tensor", lambda: image_tensor(pixels, here.card.image))


def _ours(picture: Picture, here: Site, watch: _Watch) -> None:
    pixels_max, reduce_to_px = here.settings.image.pixels_max, here.card.reduce_to_px
    pixels = watch("decode", lambda: decode(picture.content, pixels_max=pixels_max, reduce_to_px=reduce_to_px, reference=picture.media))
    obstacle = watch("gate", lambda: gate(picture, pixels, here.acceptance))
    watch("tensor", lambda: image_tensor(pixels, here.card.image))
    watch("compose", lambda: composed(_EVENT, picture, obstacle or _verdict(here), here))


def _pillow(picture: Picture, here: Site, watch: _Watch) -> None:
    image = watch("decode", lambda: opened(picture.content))
    watch("gate", lambda: obstacle_by_pillow(picture, image, here))
    pixels = watch("decode", lambda: np.asarray(image))
    watch("tensor", lambda: image_tensor(pixels, here.card.image))


WAYS: Final[Mapping[str, Callable[[Picture, Site, _Watch], None]]] = {FLOOR: _floor, OURS: _ours, PILLOW: _pillow}

_EVENT: Final = ImagingEvent(
    version=1,
    id="alone-0",
    source="urn:tocsin:benchmark",
    occurred_at=datetime(2026, 1, 15, 9, 30, tzinfo=UTC),
    media="Media/alone-0",
    subject="Patient/alone-0",
)


def _verdict(here: Site) -> Judgement | Obstacle:
    classes = len(here.card.output.classes)
    return judged(np.full((1, classes), 1 / classes, np.float32), here.card)


def _fetched(content: bytes) -> Picture:
    server = fhir_stub.Site([content])
    media, patient = (_json(server.answer(b"GET", f"{fhir_stub.BASE}/{name}".encode(), b"")) for name in (_EVENT.media, _EVENT.subject))
    return picture_of(_EVENT, media, patient, content, utc_now())


def _json(answer: bytes) -> dict[str, object]:
    found: dict[str, object] = json.loads(answer.partition(fhir_stub.END_OF_HEAD)[2])
    return found


if __name__ == "__main__":
    main()
