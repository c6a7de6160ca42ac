"""`python -m tocsin.sandbox.model WHEEL NETWORK`: converts in a process of its own, whose 600 MB are gone with it."""

from __future__ import annotations

import sys
from pathlib import Path

from tocsin.sandbox.model.errors import ModelUnusable
from tocsin.sandbox.model.repository import convert


def main(wheel: str, network: str) -> None:
    """Writes the ONNX file; ends with the reason where it cannot be converted."""
    try:
        Path(network).write_bytes(convert(Path(wheel)))
    except ModelUnusable as unusable:
        sys.exit(str(unusable))


if __name__ == "__main__":
    main(*sys.argv[1:])
