"""Files of Go modules, verified and kept in the cache: what KEDA and the Prometheus operator publish of their own resources."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tocsin.sandbox.errors import ArtifactDamaged, ArtifactUnavailable

WITHIN_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Module:
    """A Go module, and the hash by which Go knows its content."""

    name: str
    version: str
    sum: str


KEDA: Final = Module("github.com/kedacore/keda/v2", "v2.21.0", "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps=")
OPERATOR: Final = Module("github.com/prometheus-operator/prometheus-operator", "v0.85.0", "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=")


def kept(module: Module, path: str, cache: Path) -> Path:
    """The module's file of that path, which the cache gets from its Go module. Raises ArtifactUnavailable and ArtifactDamaged."""
    file = cache / "definitions" / f"{module.version}-{Path(path).name}"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        arriving = file.with_name(f".{file.name}.{os.getpid()}")
        arriving.write_bytes((_fetched(module) / path).read_bytes())
        arriving.replace(file)
    return file


def _fetched(module: Module) -> Path:
    """The module's folder in Go's own cache."""
    go = shutil.which("go")
    if go is None:
        raise ArtifactUnavailable(f"{module.name} is a Go module, and there is no `go` on PATH")
    asked = [go, "mod", "download", "-json", f"{module.name}@{module.version}"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    if done.returncode:
        raise ArtifactUnavailable(f"{module.name} could not be fetched; run it again: {done.stdout}{done.stderr}")
    said = json.loads(done.stdout)
    if said["Sum"] != module.sum:
        raise ArtifactDamaged(f"{module.name} {module.version} is another than {module.sum}; it was not used")
    return Path(said["Dir"])
