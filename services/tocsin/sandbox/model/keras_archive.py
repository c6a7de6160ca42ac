"""Reads a Keras 3 `.keras` archive without Keras: the layers, how they are joined, and their weights.

Such an archive is a zip of `config.json` (the layers) and `model.weights.h5`. A layer's weights lie under `layers/KEY/vars/N`, where
KEY is its class name in snake case, with `_1`, `_2` ... from the second layer of that class on, counted in the order of the layer
list; the layer's own name plays no part. A nested model keeps its layers under `layers/KEY/layers`.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from tocsin.sandbox.model.errors import ModelUnusable

Weights = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a network, apart from Keras's own notation."""

    kind: str
    """Keras class name."""
    name: str
    config: Mapping[str, Any]
    inputs: tuple[str, ...]
    """Names of the layers that this layer reads, in order."""
    weights: tuple[Weights, ...] = field(repr=False)
    """The layer's weights in Keras's own order, and with its order of axes."""
    network: Network | None = field(repr=False)
    """The layers of a nested model; None for any other layer."""


@dataclass(frozen=True, slots=True)
class Network:
    """A functional model with one output. Every layer comes after the layers it reads."""

    layers: tuple[Layer, ...]
    entrances: tuple[str, ...]
    """Names of the input layers, in the order in which the model takes its inputs."""
    output: str
    """Name of the layer whose output is the network's."""

    def inputs(self) -> tuple[Layer, ...]:
        """The layers where data enters, in the order in which the model takes its inputs."""
        named = {layer.name: layer for layer in self.layers}
        return tuple(named[name] for name in self.entrances)


def read_from_wheel(wheel: Path, member: str) -> Network:
    """The network of the `.keras` archive that lies in `wheel` under `member`. Raises ModelUnusable where it is none."""
    try:
        with zipfile.ZipFile(wheel) as outer, zipfile.ZipFile(io.BytesIO(outer.read(member))) as archive:
            model = json.loads(archive.read("config.json"))
            with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
                return _network(model["config"], weights["layers"])
    except (OSError, LookupError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ModelUnusable(f"{wheel.name}: {member} is not a readable .keras archive ({error!r})") from error


def _network(config: Mapping[str, Any], weights: h5py.Group) -> Network:
    keys = _weight_keys([entry["class_name"] for entry in config["layers"]])
    layers = tuple(_layer(entry, weights[key]) for entry, key in zip(config["layers"], keys, strict=True))
    return Network(_in_order(layers), _places(config["input_layers"]), _only_output(config["output_layers"]))


def _in_order(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    known: set[str] = set()
    for layer in layers:
        if missing := set(layer.inputs) - known:
            raise ModelUnusable(f"layer {layer.name} reads {', '.join(sorted(missing))}, which no layer before it is called")
        known.add(layer.name)
    return layers


def _layer(entry: Mapping[str, Any], weights: h5py.Group) -> Layer:
    config = entry["config"]
    return Layer(
        kind=entry["class_name"],
        name=config["name"],
        config=config,
        inputs=tuple(_sources(_only_call(entry))),
        weights=_weights(weights["vars"]),
        network=_network(config, weights["layers"]) if "layers" in config else None,
    )


def _weights(group: h5py.Group) -> tuple[Weights, ...]:
    return tuple(np.asarray(group[str(number)], dtype=np.float32) for number in range(len(group)))


def _weight_keys(kinds: Sequence[str]) -> Iterator[str]:
    """The key of each layer's weights: of ["Dense", "Add", "Dense"] they are dense, add, dense_1."""
    seen: Counter[str] = Counter()
    for kind in kinds:
        key = _snake_case(kind)
        yield f"{key}_{seen[key]}" if seen[key] else key
        seen[key] += 1


def _snake_case(name: str) -> str:
    """The name in snake case, as Keras spells it: SeparableConv2D becomes separable_conv2d."""
    words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()


def _only_call(entry: Mapping[str, Any]) -> Any:
    calls = entry["inbound_nodes"]
    if len(calls) > 1:
        raise ModelUnusable(f"layer {entry['config']['name']} is used {len(calls)} times; a shared layer is not supported")
    return calls[0]["args"] if calls else []


def _sources(arguments: Any) -> Iterator[str]:
    """Names of the layers whose outputs stand anywhere among a call's arguments."""
    if isinstance(arguments, list):
        for argument in arguments:
            yield from _sources(argument)
    elif isinstance(arguments, dict) and arguments.get("class_name") == "__keras_tensor__":
        yield arguments["config"]["keras_history"][0]


def _only_output(outputs: list[Any]) -> str:
    names = _places(outputs)
    if len(names) != 1:
        raise ModelUnusable(f"the network has {len(names)} outputs; only one is supported")
    return names[0]


def _places(places: list[Any]) -> tuple[str, ...]:
    """Layer names of `[["name", 0, 0], ...]`, or of `["name", 0, 0]` as later Keras writes a single one."""
    several = places if isinstance(places[0], list) else [places]
    return tuple(str(place[0]) for place in several)
