"""Converts a Keras network to ONNX: one short function for each kind of layer, and a refusal of every other kind.

Keras keeps pictures as [N, height, width, channels]; ONNX convolves [N, channels, height, width]. The picture is turned once where it
enters, so inside the graph axis 1 is the channel (or feature) axis of every tensor. Dropout does nothing at inference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import onnx
import onnx.checker
from onnx import TensorProto, helper, numpy_helper

from tocsin.sandbox.model.errors import ModelUnusable
from tocsin.sandbox.model.keras_archive import Layer, Network, Weights

CONVERTER_VERSION: Final = "1"
"""A new one is due whenever the graph that this module writes changes."""
OPSET: Final = 17
IR_VERSION: Final = 8
"""The ONNX file format that came with opset 17, so that older runtimes read the file."""

IMAGE, FACTS, PROBABILITIES, FEATURES = "image", "patient_facts", "probabilities", "features"


def to_onnx(network: Network, *, image_type: int = TensorProto.FLOAT16, with_features: bool = False) -> onnx.ModelProto:
    """The network as an ONNX model with a free batch size.

    Inputs: `image`, `image_type` [N, height, width, 3], RGB 0..255; `patient_facts`, float32 [N, facts].
    Outputs: `probabilities`, float32 [N, classes], and `with_features` also `features`, float32 [N, channels]: what the network's one
    pooling layer hands on, which depends on the picture alone. All arithmetic is in float32: a float16 image is cast inside the graph.
    Raises ModelUnusable for a layer kind, option or activation that is not supported, and where features are asked of a network without
    one pooling layer.
    """
    graph = _Graph()
    picture, facts = _entrances(network)
    channels_first = graph.node("Transpose", [graph.node("Cast", [IMAGE], to=TensorProto.FLOAT)], perm=[0, 3, 1, 2])
    answer = _emit(graph, network, {picture.name: channels_first, facts.name: FACTS})
    answers = {PROBABILITIES: answer} | ({FEATURES: _only_pooled(graph)} if with_features else {})
    graph.nodes.extend(helper.make_node("Identity", [value], [name]) for name, value in answers.items())
    inputs = [_declare(IMAGE, image_type, picture), _declare(FACTS, TensorProto.FLOAT, facts)]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", None]) for name in answers]
    return _checked(helper.make_graph(graph.nodes, "network", inputs, outputs, graph.constants))


class _Graph:
    """The nodes and constants of the graph so far; every tensor gets a name of its own."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.pooled: list[str] = []
        """Results of the layers that pool a whole picture, [N, channels]."""

    def constant(self, values: Weights) -> str:
        """Add `values` as a constant, and return its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add an operation, and return the name of its result."""
        name = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name


_Emitter: TypeAlias = Callable[[_Graph, Layer, list[str]], str]


def _emit(graph: _Graph, network: Network, values: Mapping[str, str]) -> str:
    """Add the network's layers in order, and return the name of its output; `values` are the tensors that enter, by input layer."""
    known = dict(values)
    for layer in network.layers:
        if layer.kind != "InputLayer":
            known[layer.name] = _emitter(layer)(graph, layer, [known[source] for source in layer.inputs])
    return known[network.output]


def _emitter(layer: Layer) -> _Emitter:
    try:
        return _EMITTERS[layer.kind]
    except KeyError:
        raise ModelUnusable(f"layer {layer.name}: kind {layer.kind} is not supported ({', '.join(sorted(_EMITTERS))} are)") from None


def _require(layer: Layer, **supported: object) -> None:
    """Raises ModelUnusable for a layer that has another option than the supported."""
    for option, value in supported.items():
        if layer.config.get(option) != value:
            raise ModelUnusable(
                f"layer {layer.name} ({layer.kind}): {option}={layer.config.get(option)!r} is not supported, only {value!r}"
            )


def _weights(layer: Layer, *counts: int) -> tuple[Weights, ...]:
    """The layer's weights. Raises ModelUnusable where their number is none of `counts`."""
    if len(layer.weights) not in counts:
        raise ModelUnusable(f"layer {layer.name} ({layer.kind}) has {len(layer.weights)} weight arrays; {counts} are known")
    return layer.weights


def _activated(graph: _Graph, layer: Layer, value: str) -> str:
    match layer.config["activation"]:
        case "linear":
            return value
        case "relu":
            return graph.node("Relu", [value])
        case "softmax":
            return graph.node("Softmax", [value], axis=1)
        case other:
            raise ModelUnusable(f"layer {layer.name} ({layer.kind}): activation {other!r} is not supported")


def _padding(layer: Layer) -> str:
    """ONNX's name of the layer's padding. Keras's `same` is SAME_UPPER: the odd pixel goes below and to the right."""
    match layer.config["padding"]:
        case "same":
            return "SAME_UPPER"
        case "valid":
            return "VALID"
        case other:
            raise ModelUnusable(f"layer {layer.name} ({layer.kind}): padding {other!r} is not supported")


def _convolution(graph: _Graph, layer: Layer, inputs: list[str]) -> str:
    _require(layer, data_format="channels_last", dilation_rate=[1, 1], groups=1)
    kernel, *bias = _weights(layer, 1, 2)
    constants = [graph.constant(kernel.transpose(3, 2, 0, 1)), *map(graph.constant, bias)]
    value = graph.node("Conv", [*inputs, *constants], strides=layer.config["strides"], auto_pad=_padding(layer))
    return _activated(graph, layer, value)


def _separable_convolution(graph: _Graph, layer: Layer, inputs: list[str]) -> str:
    """Add a spatial convolution of each channel by itself, then a mix of the channels pixel by pixel."""
    _require(layer, data_format="channels_last", dilation_rate=[1, 1], depth_multiplier=1)
    depthwise, pointwise, *bias = _weights(layer, 2, 3)
    spatial = graph.constant(depthwise.transpose(2, 3, 0, 1))
    mix = [graph.constant(pointwise.transpose(3, 2, 0, 1)), *map(graph.constant, bias)]
    options = {"strides": layer.config["strides"], "auto_pad": _padding(layer), "group": depthwise.shape[2]}
    value = graph.node("Conv", [*inputs, spatial], **options)
    return _activated(graph, layer, graph.node("Conv", [value, *mix]))


def _batch_normalization(graph: _Graph, layer: Layer, inputs: list[str]) -> str:
    """Add the normalization; Keras and ONNX order its constants alike: gamma, beta, moving mean, moving variance."""
    _require(layer, center=True, scale=True, axis=-1)
    return graph.node("BatchNormalization", [*inputs, *map(graph.constant, _weights(layer, 4))], epsilon=layer.config["epsilon"])


def _normalization(graph: _Graph, layer: Layer, inputs: list[str]) -> str:
    """Add (x - mean) / standard deviation for each channel of a picture; Keras keeps the deviation above 1e-7."""
    _require(layer, axis=[-1], invert=False)
    mean, variance, _count = _weights(layer, 3)
    deviation = np.maximum(np.sqrt(variance), np.float32(1e-7))
    centred = graph.node("Sub", [*inputs, graph.constant(mean.reshape(1, -1, 1, 1))])
    return graph.node("Div", [centred, graph.constant(deviation.reshape(1, -1, 1, 1))])


def _dense(graph: _Graph, layer: Layer, inputs: list[str]) -> str:
    value = graph.node("Gemm", [*inputs, *map(graph.constant, _weights(layer, 1, 2))])
    return _activated(graph, layer, value)


def _max_pooling(graph: _Graph, layer: Layer, inputs: list[str]) -> str:
    _require(layer, data_format="channels_last")
    config = layer.config
    return graph.node("MaxPool", inputs, kernel_shape=config["pool_size"], strides=config["strides"], auto_pad=_padding(layer))


def _global_average_pooling(graph: _Graph, layer: Layer, inputs: list[str]) -> str:
    _require(layer, data_format="channels_last", keepdims=False)
    graph.pooled.append(graph.node("Flatten", [graph.node("GlobalAveragePool", inputs)]))
    return graph.pooled[-1]


def _only_pooled(graph: _Graph) -> str:
    if len(graph.pooled) != 1:
        raise ModelUnusable(f"the network pools whole pictures in {len(graph.pooled)} layers: features are those of just one")
    return graph.pooled[0]


def _concatenate(graph: _Graph, layer: Layer, inputs: list[str]) -> str:
    _require(layer, axis=-1)
    return graph.node("Concat", inputs, axis=1)


def _nested(graph: _Graph, layer: Layer, inputs: list[str]) -> str:
    if layer.network is None or len(layer.network.entrances) != len(inputs):
        raise ModelUnusable(f"layer {layer.name} ({layer.kind}) is a nested network whose inputs are not those it is given")
    return _emit(graph, layer.network, dict(zip(layer.network.entrances, inputs, strict=True)))


_EMITTERS: Final[Mapping[str, _Emitter]] = {
    "Activation": lambda graph, layer, inputs: _activated(graph, layer, inputs[0]),
    "Add": lambda graph, _layer, inputs: graph.node("Add", inputs),
    "BatchNormalization": _batch_normalization,
    "Concatenate": _concatenate,
    "Conv2D": _convolution,
    "Dense": _dense,
    "Dropout": lambda _graph, _layer, inputs: inputs[0],
    "Functional": _nested,
    "GlobalAveragePooling2D": _global_average_pooling,
    "MaxPooling2D": _max_pooling,
    "Normalization": _normalization,
    "SeparableConv2D": _separable_convolution,
}


def _entrances(network: Network) -> tuple[Layer, Layer]:
    """The input layer of the picture (four axes), then that of the facts (two axes)."""
    match sorted(network.inputs(), key=lambda layer: -len(layer.config["batch_shape"])):
        case [picture, facts] if len(picture.config["batch_shape"]) == 4 and len(facts.config["batch_shape"]) == 2:
            return picture, facts
    raise ModelUnusable("the network must have two inputs: a picture [N, height, width, 3] and patient facts [N, facts]")


def _declare(name: str, element_type: int, entrance: Layer) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, element_type, ["N", *entrance.config["batch_shape"][1:]])


def _checked(graph: onnx.GraphProto) -> onnx.ModelProto:
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="tocsin",
        producer_version=CONVERTER_VERSION,
    )
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelUnusable(f"the converted network does not hold together: {error}") from error
    return model
