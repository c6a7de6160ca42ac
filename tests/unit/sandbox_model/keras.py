"""Small Keras networks written by hand, and the `.keras` archives they are kept in."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from tocsin.sandbox.model.keras_archive import Layer, Network, Weights

PICTURE = {"batch_shape": [None, 5, 6, 3]}
FACTS = {"batch_shape": [None, 4]}


def layer(kind: str, name: str, *inputs: str, weights: tuple[Weights, ...] = (), network: Network | None = None, **config: Any) -> Layer:
    return Layer(kind, name, {"name": name, **config}, inputs, weights, network)


def network(*layers: Layer, picture: Mapping[str, Any] = PICTURE, facts: Mapping[str, Any] = FACTS) -> Network:
    """`layers` after the two entrances `picture` and `facts`; the last one's output is the network's."""
    entrances = (layer("InputLayer", "picture", **picture), layer("InputLayer", "facts", **facts))
    return Network((*entrances, *layers), ("picture", "facts"), layers[-1].name)


def entry(kind: str, name: str, *inputs: str, **config: Any) -> dict[str, Any]:
    """A layer as config.json has it, called once on `inputs`."""
    tensors = [{"class_name": "__keras_tensor__", "config": {"keras_history": [source, 0, 0]}} for source in inputs]
    calls = [{"args": [tensors], "kwargs": {}}] if inputs else []
    return {"class_name": kind, "config": {"name": name, **config}, "inbound_nodes": calls}


def model(*layers: dict[str, Any], inputs: list[Any], outputs: list[Any]) -> dict[str, Any]:
    return {"layers": list(layers), "input_layers": inputs, "output_layers": outputs}


def archived(folder: Path, config: Mapping[str, Any], layers: Mapping[str, list[list[float]]]) -> Path:
    """A wheel that carries `config` as net.keras; `layers` are the weight arrays under `layers/KEY/vars`, by KEY."""
    store = io.BytesIO()
    with h5py.File(store, "w") as file:
        for key, weights in layers.items():
            group = file.create_group(f"layers/{key}/vars")
            for number, values in enumerate(weights):
                group[str(number)] = np.array(values, dtype=np.float32)
    return packed(folder, {"config.json": json.dumps({"config": config}).encode(), "model.weights.h5": store.getvalue()})


def packed(folder: Path, members: Mapping[str, bytes]) -> Path:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as inner:
        for name, content in members.items():
            inner.writestr(name, content)
    path = folder / "net.whl"
    with zipfile.ZipFile(path, "w") as outer:
        outer.writestr("net.keras", archive.getvalue())
    return path
