"""Files that go along with Tocsin: each has one place in the source tree, and is package data where Tocsin was installed from a wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tocsin.errors import ConfigurationError

TOPICS: Final = "schemas/topics"
"""The topics' files."""
REFERENCE_MODEL: Final = "deploy/triton/sklesion"
"""The reference model's card, known answer and Triton's configurations."""
REFERENCE_CARD: Final = f"{REFERENCE_MODEL}/card.yaml"

_PACKAGED: Final = Path(__file__).with_name("data")
_TREE: Final = Path(__file__).parents[2]


def packaged(path: str) -> Path:
    """Where the file or folder lies that is at `path` in the source tree. Raises ConfigurationError where this installation lacks it."""
    for root in (_PACKAGED, _TREE):
        if (root / path).exists():
            return root / path
    raise ConfigurationError(f"this installation of Tocsin lacks {path}: install it anew")
