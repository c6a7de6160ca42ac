"""What does one picture cost between its bytes and the model's tensor, and how much memory? `python -m tests.benchmarks.picture`.

By the product's own functions. First all stages on several threads at once: CPU of the whole process, ms a picture, and its resident memory
before and after. Then each stage on one thread: CPU of that thread, ms a picture, the least and the median of the rounds; the least is what
the work costs where nothing else disturbs the machine's caches. `--pictures FOLDER` takes JPEGs of one's own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from tocsin.image.decode import decode
from tocsin.image.malloc import keep_memory
from tocsin.image.quality import assess
from tocsin.image.types import Pixels
from tocsin.inference.inputs import image_tensor
from tocsin.model_card import ModelCard, read_card
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.settings import ImageSettings

from tests.benchmarks.photographs import photograph
from tests.benchmarks.processes import rss_mb, this_machine
from tests.support.command_line import parser

T = TypeVar("T")

COUNT: Final = 4
"""Photographs that are drawn."""


def main() -> None:
    """Prints the table."""
    options = _options().parse_args()
    keep_memory()
    card, contents = read_card(packaged(REFERENCE_CARD)), _contents(options.pictures)
    print(f"{this_machine()}; {len(contents)} pictures of {round(statistics.mean(map(len, contents)) / 1000)} kB")
    before = rss_mb(os.getpid())
    together = _together(card, contents, options.threads, options.rounds)
    print(f"all, on {options.threads} threads: {together:.2f}; resident {before:.0f} MB before, {rss_mb(os.getpid()):.0f} MB after")
    for name, work in _stages(card, contents).items():
        least, median = _alone(work, options.rounds)
        print(f"{name:8} {least / len(contents):6.2f} {median / len(contents):6.2f}")


def _options() -> argparse.ArgumentParser:
    options = parser("tests.benchmarks.picture", __doc__)
    options.add_argument("--pictures", type=Path, help="folder of JPEGs; otherwise photographs are drawn")
    options.add_argument("--rounds", type=int, default=20, help="how often each stage is done (20)")
    options.add_argument("--threads", type=int, default=8, help="threads at once (8)")
    return options


def _contents(folder: Path | None) -> list[bytes]:
    return [photograph(seed) for seed in range(COUNT)] if folder is None else [file.read_bytes() for file in sorted(folder.glob("*.jpg"))]


def _stages(card: ModelCard, contents: Sequence[bytes]) -> dict[str, Callable[[], object]]:
    """Each stage as the work that does it for every picture."""
    pixels = [decoded(content) for content in contents]
    return {
        "decode": lambda: _each(decoded, contents),
        "gate": lambda: _each(lambda each: assess(each, card.accepts.quality), pixels),
        "tensor": lambda: _each(lambda each: image_tensor(each, card.image), pixels),
    }


def _each(work: Callable[[T], object], over: Iterable[T]) -> None:
    for one in over:
        work(one)


def decoded(content: bytes) -> Pixels:
    """Every pixel, as the product decodes them."""
    return decode(content, pixels_max=ImageSettings().pixels_max, reduce_to_px=None, reference="Media/benchmark")


def _alone(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """The least and the median CPU, ms."""
    took = sorted(_cpu_ms(work) for _ in range(rounds))
    return took[0], statistics.median(took)


def _cpu_ms(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return (time.thread_time() - began) * 1000


def _together(card: ModelCard, contents: Sequence[bytes], threads: int, rounds: int) -> float:
    """CPU of the whole process, ms a picture."""
    with ThreadPoolExecutor(threads) as pool:
        began = time.process_time()
        done = sum(pool.map(lambda content: _judged(card, content), list(contents) * rounds))
        return (time.process_time() - began) * 1000 / done


def _judged(card: ModelCard, content: bytes) -> int:
    pixels = decoded(content)
    assess(pixels, card.accepts.quality)
    image_tensor(pixels, card.image)
    return 1


if __name__ == "__main__":
    main()
