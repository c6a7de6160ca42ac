"""Installed from its wheel, in a folder without the source tree, Tocsin has the files that a site needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

WITHIN_S = 300


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel was installed, without what it depends on."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(folder), str(ROOT)], check=True, timeout=WITHIN_S)
    return folder


def test_the_reference_model_is_built_from_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    variables = {**os.environ, "PYTHONPATH": str(installed)}
    script = "import tocsin; from tocsin.cli import main; print(tocsin.__file__); main()"
    argv = [sys.executable, "-c", script, "model", "build", "--target", "gpu", "models"]
    done = subprocess.run(argv, env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(str(installed))
    assert (tmp_path / "models/sklesion/card.yaml").read_bytes() == (ROOT / "deploy/triton/sklesion/card.yaml").read_bytes()
