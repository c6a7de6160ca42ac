"""Converts the network in a process of its own, which frees 600 MB: `python -m tocsin.sandbox.model WHEEL NETWORK VERSION`."""

from __future__ import annotations

import sys
from pathlib import Path

from tocsin.sandbox.model.edition import FEATURES, PLAIN
from tocsin.sandbox.model.errors import ModelUnusable
from tocsin.sandbox.model.repository import convert


def main(wheel: str, network: str, version: str) -> None:
    """Convert the wheel's network to this version, and write the ONNX file `network`; end with the reason where it cannot be converted."""
    try:
        Path(network).write_bytes(convert(Path(wheel), FEATURES if version == FEATURES.version else PLAIN))
    except ModelUnusable as unusable:
        sys.exit(str(unusable))


if __name__ == "__main__":
    main(*sys.argv[1:])
