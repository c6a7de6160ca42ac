"""Finds the reference model's own files: deploy/triton/sklesion of the source tree, which the wheel carries as package data."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tocsin.sandbox.model.errors import ModelUnusable

_PACKAGED: Final = Path(__file__).with_name("files") / "sklesion"
_IN_THE_TREE: Final = Path(__file__).parents[4] / "deploy" / "triton" / "sklesion"


def templates() -> Path:
    """The folder of the reference model's card, known answer and configurations. Raises ModelUnusable where there is none."""
    for folder in (_PACKAGED, _IN_THE_TREE):
        if folder.is_dir():
            return folder
    raise ModelUnusable("this installation of Tocsin lacks the reference model's templates: install it anew")
