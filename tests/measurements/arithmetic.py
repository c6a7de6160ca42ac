"""How far do TF32 and float16 move the model's answers, played on a CPU: `.venv/bin/python -m tests.measurements.arithmetic`.

The card's figures were measured on a GPU. This plays both on any machine, and holds them to the card's tolerance. TF32: what
enters a convolution or a matrix product is rounded to 10 bits of mantissa, and all else stays float32. float16: the network as onnxruntime
converts it; a CPU computes each operation in float32 and rounds what goes in and out. A GPU adds up in another order, so that single
pictures move otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnxruntime.transformers.float16 import convert_float_to_float16
from tocsin.fidelity.check import arithmetic_of
from tocsin.fidelity.compare import moved, within
from tocsin.image.types import PatientFacts
from tocsin.inference.inputs import facts_tensor, image_tensor
from tocsin.inference.types import Findings
from tocsin.model_card import ModelCard, read_card
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.sandbox.model.keras_archive import read_from_wheel
from tocsin.sandbox.model.keras_to_onnx import FACTS, IMAGE, PROBABILITIES, to_onnx
from tocsin.sandbox.model.repository import ARCHIVE

from tests.measurements.data import Example, examples
from tests.measurements.model import BATCH, PRODUCT, arguments, reference_wheel

SPLIT: Final = np.float32(2**13 + 1)
"""Veltkamp's factor, which splits a float32 number so that 11 significant bits are left: TF32's 10 and the one that is not written."""
MULTIPLIES: Final = ("Conv", "Gemm")

Model = onnx.ModelProto


def as_float32(model: Model) -> Model:
    """The network as it is."""
    return model


def as_tf32(model: Model) -> Model:
    """The network with the first two inputs of every convolution and matrix product rounded as TF32 rounds them."""
    nodes: list[Any] = []
    for node in model.graph.node:
        if node.op_type in MULTIPLIES:
            for place in (0, 1):
                nodes += _rounding(node.input[place], name := f"{node.name}_{place}")
                node.input[place] = name
        nodes.append(node)
    changed = helper.make_graph(nodes, "network", model.graph.input, model.graph.output, [*model.graph.initializer, _split()])
    made: Model = helper.make_model(changed, opset_imports=model.opset_import, ir_version=model.ir_version)
    return made


def as_float16(model: Model) -> Model:
    """The network in float16 between its inputs and outputs."""
    made: Model = convert_float_to_float16(model, keep_io_types=True)
    return made


ARITHMETICS: Final[dict[str, Callable[[Model], Model]]] = {"float32": as_float32, "tf32": as_tf32, "float16": as_float16}


def _split() -> Any:
    return numpy_helper.from_array(np.array(SPLIT), "split")


def _rounding(value: str, name: str) -> list[Any]:
    large, rest = f"{name}_large", f"{name}_rest"
    return [
        helper.make_node("Mul", [value, "split"], [large]),
        helper.make_node("Sub", [large, value], [rest]),
        helper.make_node("Sub", [large, rest], [name]),
    ]


def main() -> None:
    """Print how each arithmetic moves the answers of each set of pictures, and whether the card tolerates it."""
    options, card = arguments(__doc__).parse_args(), read_card(packaged(REFERENCE_CARD))
    network = read_from_wheel(reference_wheel(), ARCHIVE)
    sessions = {name: _session(change(to_onnx(network))) for name, change in ARITHMETICS.items()}
    tolerance = arithmetic_of(card).tolerance
    for name in ("dermoscopy", "dermoscopy_site"):
        answers = _answers(examples(name, options.limit), sessions, card)
        for arithmetic, answered in answers.items():
            found = moved(answers["float32"], answered, card)
            print(
                f"{name}, {arithmetic}, n={found.count}: score moved by {found.score_max:.6f} at most, {found.score_mean:.6f} on average, "
                f"flags flipped: {len(found.flipped)}; {'within' if within(found, tolerance) else 'beyond'} the card's tolerance",
                flush=True,
            )


def _session(model: Model) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def _answers(pictures: Sequence[Example], sessions: dict[str, Any], card: ModelCard) -> dict[str, list[Findings]]:
    answers: dict[str, list[Findings]] = {name: [] for name in sessions}
    codes = [each.code for each in card.output.classes]
    for at in range(0, len(pictures), BATCH):
        images = np.stack([image_tensor(PRODUCT.pixels(each.path), card.image) for each in pictures[at : at + BATCH]])
        inputs = {IMAGE: images, FACTS: np.stack([facts_tensor(PatientFacts(), card.facts)] * len(images))}
        for name, session in sessions.items():
            (rows,) = session.run([PROBABILITIES], inputs)
            answers[name] += [Findings(card.model, dict(zip(codes, map(float, row), strict=True))) for row in rows]
    return answers


if __name__ == "__main__":
    main()
