"""What one picture costs when nothing else is done: `python -m tests.benchmarks.floor CARD PHOTOGRAPHS`.

Decoding and the card's tensor, one thread, by the product's own functions. Prints the CPU of each round as a JSON list, ms per picture.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from tocsin.image.decode import decode
from tocsin.inference.inputs import image_tensor
from tocsin.model_card import ModelCard, read_card
from tocsin.settings import ImageSettings

from tests.benchmarks.photographs import photographs

ROUNDS: Final = 9
ROOT: Final = Path(__file__).resolve().parents[2]


def floor_ms(card: Path, pictures: Path) -> list[float]:
    """CPU ms per picture of each round, measured in a process of its own."""
    argv = (sys.executable, "-m", "tests.benchmarks.floor", str(card), str(pictures))
    done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return [float(each) for each in json.loads(done.stdout)]


def main() -> None:
    """Prints the rounds; the first, which warms up, is left out."""
    card = read_card(Path(sys.argv[1]))
    contents = [file.read_bytes() for file in photographs(Path(sys.argv[2]))]
    print(json.dumps([_round_ms(card, contents) for _ in range(ROUNDS + 1)][1:]))


def _round_ms(card: ModelCard, contents: list[bytes]) -> float:
    began = time.process_time()
    for content in contents:
        pixels = decode(content, pixels_max=ImageSettings().pixels_max, reduce_to_px=card.reduce_to_px, reference="Media/floor")
        image_tensor(pixels, card.image)
    return (time.process_time() - began) * 1000 / len(contents)


if __name__ == "__main__":
    main()
