"""Cards of the no-op model: the reference model's, under the name that the test model has in Triton."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import yaml

Decoding = Literal["full", "reduced"]
DECODINGS: Final[tuple[Decoding, ...]] = ("full", "reduced")
"""full: every pixel, the reference card's way; reduced: JPEGs at half size or less where the card allows it."""
MODEL: Final = "noop"


def write_card(reference: Path, folder: Path, decoding: Decoding) -> Path:
    """The reference card with another name and this way of decoding."""
    content = yaml.safe_load(reference.read_bytes())
    content["name"] = MODEL
    content["image"]["reduced_decoding"] = decoding == "reduced"
    file = folder / f"card-{decoding}.yaml"
    file.write_text(yaml.safe_dump(content), "utf-8")
    return file
