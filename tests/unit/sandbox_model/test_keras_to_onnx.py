"""Every kind of layer computes in ONNX what it computes in Keras; everything else is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from onnx import TensorProto
from tocsin.sandbox.model.errors import ModelUnusable
from tocsin.sandbox.model.keras_archive import Layer, Network, Weights
from tocsin.sandbox.model.keras_to_onnx import to_onnx

from tests.unit.sandbox_model.keras import layer, network

Floats = npt.NDArray[np.float64]

CHANCE = np.random.default_rng(3)
PICTURES = CHANCE.uniform(0, 4, (2, 5, 6, 3)).astype(np.float32)
FACTS = CHANCE.normal(size=(2, 4)).astype(np.float32)
CONVOLUTION: dict[str, Any] = {"data_format": "channels_last", "dilation_rate": [1, 1], "groups": 1, "activation": "linear"}
SEPARABLE: dict[str, Any] = {"data_format": "channels_last", "dilation_rate": [1, 1], "depth_multiplier": 1, "activation": "linear"}
NORMALIZED: dict[str, Any] = {"center": True, "scale": True, "axis": -1, "epsilon": 1e-3}
POOLING: dict[str, Any] = {"data_format": "channels_last", "keepdims": False}


def drawn(*shape: int) -> Weights:
    return CHANCE.normal(size=shape).astype(np.float32)


def pooled(source: str) -> Layer:
    """Brings a picture to one number a channel, the form in which a network answers."""
    return layer("GlobalAveragePooling2D", "pooled", source, **POOLING)


def answer(net: Network, pictures: npt.NDArray[Any] = PICTURES, image_type: int = TensorProto.FLOAT) -> npt.NDArray[np.float32]:
    session = onnxruntime.InferenceSession(to_onnx(net, image_type=image_type).SerializeToString(), providers=["CPUExecutionProvider"])
    result: npt.NDArray[np.float32] = session.run(["probabilities"], {"image": pictures, "patient_facts": FACTS})[0]
    return result


def windows(pictures: Floats, size: tuple[int, int], stride: int, padding: str, fill: float) -> Floats:
    """[N, rows, columns, height, width, channels]: what each place sees. `same` puts the odd pixel below and to the right."""
    if padding == "same":
        wanted = [max((-(-side // stride) - 1) * stride + window - side, 0) for side, window in zip(pictures.shape[1:3], size, strict=True)]
        pad = [(0, 0), *((more // 2, more - more // 2) for more in wanted), (0, 0)]
        pictures = np.pad(pictures, pad, constant_values=fill)
    seen = np.lib.stride_tricks.sliding_window_view(pictures, (1, *size, pictures.shape[3]))
    return seen[:, ::stride, ::stride, 0, 0]


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("biased", [True, False])
def test_a_convolution_pads_and_strides_as_keras_does(padding: str, stride: int, biased: bool) -> None:
    kernel, bias = drawn(3, 2, 3, 4), drawn(4)
    weights = (kernel, bias) if biased else (kernel,)
    layers = [layer("Conv2D", "c", "picture", weights=weights, strides=[stride, stride], padding=padding, **CONVOLUTION), pooled("c")]
    seen = np.einsum("nrchwi,hwio->nrco", windows(PICTURES.astype(float), (3, 2), stride, padding, 0), kernel)
    expected = (seen + bias * biased).mean(axis=(1, 2))
    np.testing.assert_allclose(answer(network(*layers)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("biased", [True, False])
def test_a_separable_convolution_looks_at_each_channel_and_then_mixes_them(biased: bool) -> None:
    depthwise, pointwise, bias = drawn(3, 3, 3, 1), drawn(1, 1, 3, 5), drawn(5)
    weights = (depthwise, pointwise, bias) if biased else (depthwise, pointwise)
    layers = [layer("SeparableConv2D", "s", "picture", weights=weights, strides=[2, 2], padding="same", **SEPARABLE), pooled("s")]
    seen = np.einsum("nrchwi,hwi->nrci", windows(PICTURES.astype(float), (3, 3), 2, "same", 0), depthwise[..., 0])
    expected = (seen @ pointwise[0, 0] + bias * biased).mean(axis=(1, 2))
    np.testing.assert_allclose(answer(network(*layers)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_the_largest_value_is_pooled_without_padding_counting_as_zero(padding: str) -> None:
    below_zero = PICTURES - 9
    layers = [layer("MaxPooling2D", "m", "picture", pool_size=[3, 3], strides=[2, 2], padding=padding, **POOLING), pooled("m")]
    expected = windows(below_zero.astype(float), (3, 3), 2, padding, -np.inf).max(axis=(3, 4)).mean(axis=(1, 2))
    np.testing.assert_allclose(answer(network(*layers), below_zero), expected, rtol=1e-5)


def test_batch_normalization_uses_the_moving_statistics() -> None:
    gamma, beta, mean, variance = drawn(3), drawn(3), drawn(3), np.abs(drawn(3))
    layers = [layer("BatchNormalization", "b", "picture", weights=(gamma, beta, mean, variance), **NORMALIZED), pooled("b")]
    expected = ((PICTURES - mean) / np.sqrt(variance + 1e-3) * gamma + beta).mean(axis=(1, 2))
    np.testing.assert_allclose(answer(network(*layers)), expected, rtol=1e-4, atol=1e-5)


def test_normalization_divides_by_the_deviation_of_each_channel() -> None:
    mean, variance = drawn(1, 1, 1, 3), np.array([[[[4.0, 0.25, 0.0]]]], dtype=np.float32)
    flat = PICTURES.copy()
    flat[..., 2] = mean[..., 2] + 1
    count = np.zeros((), dtype=np.float32)
    layers = [layer("Normalization", "n", "picture", weights=(mean, variance, count), axis=[-1], invert=False), pooled("n")]
    expected = ((flat - mean) / [2, 0.5, 1e-7]).mean(axis=(1, 2))
    np.testing.assert_allclose(answer(network(*layers), flat), expected, rtol=1e-4, atol=1e-5)


def softmax(values: Floats) -> Floats:
    powers: Floats = np.exp(values - values.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


@pytest.mark.parametrize(
    ("activation", "function"), [("linear", lambda value: value), ("relu", lambda value: np.maximum(value, 0)), ("softmax", softmax)]
)
def test_a_dense_layer_ends_in_its_activation(activation: str, function: Any) -> None:
    kernel, bias = drawn(4, 5), drawn(5)
    net = network(layer("Dense", "d", "facts", weights=(kernel, bias), activation=activation))
    np.testing.assert_allclose(answer(net), function(FACTS.astype(float) @ kernel + bias), rtol=1e-4, atol=1e-5)


def test_layers_are_joined_as_the_network_says() -> None:
    layers = [
        layer("Activation", "positive", "facts", activation="relu"),
        layer("Dropout", "kept", "positive", rate=0.9),
        layer("Add", "sum", "kept", "facts"),
        layer("Concatenate", "both", "sum", "facts", axis=-1),
    ]
    expected = np.concatenate([np.maximum(FACTS, 0) + FACTS, FACTS], axis=1)
    np.testing.assert_allclose(answer(network(*layers)), expected, rtol=1e-6)


def test_a_nested_network_gets_its_inputs_in_its_own_order() -> None:
    first, second = layer("InputLayer", "one", batch_shape=[None, 4]), layer("InputLayer", "two", batch_shape=[None, 4])
    inside = Network((first, second, layer("Concatenate", "c", "two", "one", axis=-1)), ("two", "one"), "c")
    layers = [layer("Activation", "positive", "facts", activation="relu"), layer("Functional", "f", "positive", "facts", network=inside)]
    expected = np.concatenate([np.maximum(FACTS, 0), FACTS], axis=1)
    np.testing.assert_allclose(answer(network(*layers)), expected, rtol=1e-6)


def test_a_half_precision_picture_is_computed_in_single_precision() -> None:
    halves = PICTURES.astype(np.float16)
    net = network(layer("Conv2D", "c", "picture", weights=(drawn(3, 3, 3, 4),), strides=[1, 1], padding="same", **CONVOLUTION), pooled("c"))
    np.testing.assert_array_equal(answer(net, halves, TensorProto.FLOAT16), answer(net, halves.astype(np.float32)))


KERNEL, PAIR = drawn(3, 3, 3, 4), (drawn(3, 3, 3, 1), drawn(1, 1, 3, 5))
FOUR = (drawn(3), drawn(3), drawn(3), np.abs(drawn(3)))
PLAIN = CONVOLUTION | {"strides": [1, 1], "padding": "same"}
DILATED = PLAIN | {"dilation_rate": [2, 2]}

UNSUPPORTED = {
    "an unknown kind": ("LSTM", layer("LSTM", "x", "picture")),
    "a dilated convolution": ("dilation_rate", layer("Conv2D", "x", "picture", weights=(KERNEL,), **DILATED)),
    "a grouped convolution": ("groups", layer("Conv2D", "x", "picture", weights=(KERNEL,), **PLAIN | {"groups": 3})),
    "channels first": ("data_format", layer("Conv2D", "x", "picture", weights=(KERNEL,), **PLAIN | {"data_format": "channels_first"})),
    "another padding": ("causal", layer("Conv2D", "x", "picture", weights=(KERNEL,), **PLAIN | {"padding": "causal"})),
    "another activation": ("gelu", layer("Conv2D", "x", "picture", weights=(KERNEL,), **PLAIN | {"activation": "gelu"})),
    "a weight too many": ("3 weight arrays", layer("Conv2D", "x", "picture", weights=(KERNEL, *PAIR), **PLAIN)),
    "a depth multiplier": (
        "depth_multiplier",
        layer("SeparableConv2D", "x", "picture", weights=PAIR, **SEPARABLE | {"depth_multiplier": 2}),
    ),
    "normalization of rows": ("axis", layer("BatchNormalization", "x", "picture", weights=FOUR, **NORMALIZED | {"axis": 1})),
    "normalization without scale": ("scale", layer("BatchNormalization", "x", "picture", weights=FOUR, **NORMALIZED | {"scale": False})),
    "inverted normalization": ("invert", layer("Normalization", "x", "picture", weights=FOUR[:3], axis=[-1], invert=True)),
    "pooling that keeps its axes": ("keepdims", layer("GlobalAveragePooling2D", "x", "picture", **POOLING | {"keepdims": True})),
    "joining rows": ("axis", layer("Concatenate", "x", "picture", "picture", axis=1)),
    "an option that is not stated": ("axis", layer("Concatenate", "x", "picture", "picture")),
    "a sum of three": ("hold together", layer("Add", "x", "picture", "picture", "picture")),
    "a dense layer over a picture": ("hold together", layer("Dense", "x", "picture", weights=(KERNEL[0, 0],), activation="linear")),
    "a nested network with an input too few": ("nested", layer("Functional", "x", "picture", network=network(pooled("picture")))),
}


@pytest.mark.parametrize(("reason", "unsupported"), UNSUPPORTED.values(), ids=UNSUPPORTED.keys())
def test_what_is_not_supported_is_refused_and_never_approximated(reason: str, unsupported: Layer) -> None:
    with pytest.raises(ModelUnusable, match=reason):
        to_onnx(network(unsupported, pooled("x")))


def test_a_refusal_names_the_layer_and_the_option() -> None:
    with pytest.raises(ModelUnusable, match=r"layer joined \(Concatenate\): axis=2 is not supported, only -1"):
        to_onnx(network(layer("Concatenate", "joined", "picture", "picture", axis=2)))


def test_a_network_without_patient_facts_is_refused() -> None:
    picture = layer("InputLayer", "picture", batch_shape=[None, 5, 6, 3])
    with pytest.raises(ModelUnusable, match="two inputs"):
        to_onnx(Network((picture, pooled("picture")), ("picture",), "pooled"))


def test_the_same_network_becomes_the_same_bytes() -> None:
    net = network(layer("Dense", "d", "facts", weights=(drawn(4, 5), drawn(5)), activation="relu"))
    assert to_onnx(net).SerializeToString() == to_onnx(net).SerializeToString()


@pytest.mark.parametrize("pools", [0, 2])
def test_features_are_those_of_just_one_pooling_layer(pools: int) -> None:
    pooled = [layer("GlobalAveragePooling2D", f"p{at}", "picture", data_format="channels_last", keepdims=False) for at in range(pools)]
    last = layer("Activation", "a", pooled[-1].name if pooled else "facts", activation="linear")
    with pytest.raises(ModelUnusable, match=f"in {pools} layers"):
        to_onnx(network(*pooled, last), with_features=True)
