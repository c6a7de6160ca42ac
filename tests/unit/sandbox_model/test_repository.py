"""What Triton is given is whole, says what the network takes, and never gives one request another's answer."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from google.protobuf import text_format  # type: ignore[import-untyped] # ships no types
from tocsin.model_card import read_card
from tocsin.sandbox.model.edition import FEATURES, PLAIN, Edition
from tocsin.sandbox.model.errors import ModelUnusable
from tocsin.sandbox.model.keras_to_onnx import CONVERTER_VERSION, to_onnx
from tocsin.sandbox.model.repository import WHEEL_SHA256, Plan, Target, cache_key, convert, lay_out
from tritonclient.grpc import model_config_pb2

from tests.unit.sandbox_model.keras import layer, network

TEMPLATES = Path(__file__).parents[3] / "deploy" / "triton" / "sklesion"
ONNX_TYPE = {"TYPE_FP16": onnx.TensorProto.FLOAT16, "TYPE_FP32": onnx.TensorProto.FLOAT}


def test_a_folder_that_holds_no_templates_leaves_nothing_half_built(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match=r"cpu\.pbtxt"):
        lay_out(b"network", tmp_path, tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_a_wheel_that_is_no_wheel_leaves_nothing_behind(tmp_path: Path) -> None:
    broken = tmp_path / "sklesion.whl"
    broken.write_bytes(b"not a wheel")
    with pytest.raises(ModelUnusable, match=r"sklesion\.whl"):
        lay_out(convert(broken), TEMPLATES, tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_the_card_speaks_of_the_wheel_that_is_measured_and_tested() -> None:
    assert read_card(TEMPLATES / "card.yaml").provenance.source_sha256 == WHEEL_SHA256


def test_a_kept_network_is_used_again_only_for_the_same_wheel_and_converter() -> None:
    assert cache_key("a" * 64) != cache_key("b" * 64)
    assert CONVERTER_VERSION in cache_key("a" * 64)
    assert cache_key("a" * 64) != cache_key("a" * 64, FEATURES)


@pytest.mark.parametrize("edition", [PLAIN, FEATURES], ids=["version 1", "version 2"])
@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_the_configuration_names_the_networks_own_tensors(
    target: Target, edition: Edition, converted: bytes, featured: bytes, tmp_path: Path
) -> None:
    content = featured if edition.with_features else converted
    made = lay_out(content, TEMPLATES, tmp_path, Plan(target, edition=edition))
    config = text_format.Parse((made / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
    graph = onnx.load_from_string(content).graph
    for declared, tensors in ((config.input, graph.input), (config.output, graph.output)):
        assert {each.name: ONNX_TYPE[model_config_pb2.DataType.Name(each.data_type)] for each in declared} == {
            tensor.name: tensor.type.tensor_type.elem_type for tensor in tensors
        }
    shapes = {tensor.name: [axis.dim_value for axis in tensor.type.tensor_type.shape.dim][1:] for tensor in graph.input}
    assert {each.name: list(each.dims) for each in config.input} == shapes


class Request:
    """What Triton hands to the model: its tensors by name."""

    def __init__(self, *asked: str, **tensors: npt.NDArray[Any]) -> None:
        self.tensors = tensors
        self.asked = asked

    def requested_output_names(self) -> tuple[str, ...]:
        """As Triton's own request has it."""
        return self.asked


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """1/model.py beside a small network, in a process where Triton's helper module is played by the three names it uses."""
    bare = layer("Dense", "d", "facts", weights=(np.eye(2, dtype=np.float32), np.zeros(2, dtype=np.float32)), activation="linear")
    small = network(bare, picture={"batch_shape": [None, 2, 2, 3]}, facts={"batch_shape": [None, 2]})
    lay_out(to_onnx(small).SerializeToString(), TEMPLATES, tmp_path)
    helper = SimpleNamespace(get_input_tensor_by_name=_tensor, Tensor=lambda name, values: (name, values), InferenceResponse=list)
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", helper)
    spec = importlib.util.spec_from_file_location("served_model", tmp_path / "sklesion/1/model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _tensor(request: Request, name: str) -> Any:
    return SimpleNamespace(as_numpy=lambda: request.tensors[name])


def test_a_request_gets_the_outputs_that_it_asks_for_and_no_other(served: ModuleType) -> None:
    model = served.TritonPythonModel()
    model.initialize({})
    tensors: dict[str, Any] = {"image": np.zeros((1, 2, 2, 3), dtype=np.float16), "patient_facts": np.ones((1, 2), dtype=np.float32)}
    assert [dict(each).keys() for each in model.execute([Request("probabilities", **tensors), Request("features", **tensors)])] == [
        {"probabilities"},
        set(),
    ]


def test_each_request_of_a_batch_gets_its_own_answer(served: ModuleType) -> None:
    model = served.TritonPythonModel()
    model.initialize({})
    facts = [np.full((size, 2), 10.0 * size, dtype=np.float32) + np.arange(size, dtype=np.float32)[:, None] for size in (2, 1, 3)]
    requests = [Request("probabilities", image=np.zeros((len(rows), 2, 2, 3), dtype=np.float16), patient_facts=rows) for rows in facts]
    answers: list[Mapping[str, Any]] = [dict(response) for response in model.execute(requests)]
    for answer, rows in zip(answers, facts, strict=True):
        np.testing.assert_array_equal(answer["probabilities"], rows)
