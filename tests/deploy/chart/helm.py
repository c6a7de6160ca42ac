"""Helm, built once from its Go module into the cache, and what it makes of the chart."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from tocsin.errors import Stop
from tocsin.sandbox import go
from tocsin.sandbox.artifacts import cache_folder
from tocsin.terminal import Silent

from tests.support.absent import absent

ROOT: Final = Path(__file__).resolve().parents[3]
CHART: Final = ROOT / "helm/tocsin"
CI: Final = {file.name.removesuffix("-values.yaml"): file for file in sorted((CHART / "ci").glob("*-values.yaml"))}
"""Ways to install, by name."""
RELEASE: Final = "tocsin"
NAMESPACE: Final = "imaging"
WITHIN_S: Final = 120.0

VERSION: Final = "4.3.1"
PROGRAM: Final = go.Program(
    "Helm",
    VERSION,
    "helm.sh/helm/v4/cmd/helm",
    Path(__file__).with_name("lock"),
    "Helm is built from its Go module, and there is no `go` on PATH",
)

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """What a command of Helm's said."""

    code: int
    output: str
    complaint: str


def helm(*words: str) -> Said:
    """What Helm says to these words. Helm asks no cluster and no registry here."""
    environment = {"PATH": os.defpath, "HOME": "/nonexistent", "KUBECONFIG": "/dev/null"}
    done = subprocess.run([str(_program()), *words], env=environment, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    return Said(done.returncode, done.stdout, done.stderr)


@cache
def _program() -> Path:
    try:
        return go.binary(PROGRAM, cache_folder(os.environ), Silent(), threading.Event())
    except Stop as reason:
        absent(str(reason))


def template(*words: str) -> Said:
    """What `helm template` makes of the chart with these words."""
    return helm("template", RELEASE, str(CHART), "--namespace", NAMESPACE, *words)


@cache
def rendered(way: str) -> Sequence[Object]:
    """The objects of one of the ways to install, hooks and tests among them."""
    said = template("--values", str(CI[way]))
    assert said.code == 0, said.complaint
    return objects(said.output)


def objects(output: str) -> list[Object]:
    """The objects that stand in Helm's output."""
    return [each for each in yaml.load_all(output, Loader=yaml.CSafeLoader) if each]
