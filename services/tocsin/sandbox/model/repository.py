"""Makes Triton's model repository of the reference model, from the converted network and Tocsin's templates."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tocsin.sandbox.model.errors import ModelUnusable
from tocsin.sandbox.model.keras_archive import read_from_wheel
from tocsin.sandbox.model.keras_to_onnx import CONVERTER_VERSION, to_onnx

MODEL: Final = "sklesion"
"""Name under which Triton serves the reference model."""
REQUIREMENT: Final = "sklesion==0.2.2"
"""The PyPI package that carries the weights (MIT)."""
WHEEL_SHA256: Final = "a4ef0ebc99c6b0a7e1e55b1a0c3ba418f0d6d6cfdffd18a7dd414460a0f671b0"
"""SHA-256 of that package's only wheel; the card names it too, as its provenance."""
WHEEL_BYTES: Final = 79_641_486
"""That wheel's size."""
ARCHIVE: Final = "sklesion/model.keras"
"""Where the network lies in the wheel."""
TEMPLATES: Final = ("config.pbtxt", "1/model.py")
NETWORK: Final = "1/model.onnx"


def convert(wheel: Path) -> bytes:
    """The ONNX file of the network in `wheel`, the same bytes every time. Takes seconds. Raises ModelUnusable if it cannot be converted."""
    content: bytes = to_onnx(read_from_wheel(wheel, ARCHIVE)).SerializeToString(deterministic=True)
    return content


def cache_key(wheel_sha256: str) -> str:
    """A file name for what `convert` returns, which changes with the wheel and with the converter."""
    return f"{MODEL}-{wheel_sha256}-converter-{CONVERTER_VERSION}.onnx"


def lay_out(network: bytes, templates: Path, folder: Path) -> None:
    """Write `folder/sklesion/{config.pbtxt,1/model.py,1/model.onnx}`, whole or not at all; an older one is replaced.

    `templates` holds `config.pbtxt` and `1/model.py` (deploy/triton/sklesion in the source tree). Raises ModelUnusable where it does not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".building-", dir=folder) as building:
        made = Path(building) / MODEL
        (made / NETWORK).parent.mkdir(parents=True)
        (made / NETWORK).write_bytes(network)
        _copy_templates(templates, made)
        shutil.rmtree(folder / MODEL, ignore_errors=True)
        made.rename(folder / MODEL)


def _copy_templates(templates: Path, made: Path) -> None:
    for name in TEMPLATES:
        try:
            shutil.copyfile(templates / name, made / name)
        except FileNotFoundError:
            raise ModelUnusable(f"{templates} holds no {name}: it is not the model's template folder") from None
