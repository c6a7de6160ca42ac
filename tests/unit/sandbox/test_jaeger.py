"""Jaeger is built once, and whoever cannot build it is told what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BUILT = "jaeger/jaeger-1.76.0"
BUILDS = '#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\necho built > "$2"\n'
FAILS = "#!/bin/sh\necho no space left on device\nexit 3\n"
BINARY = (
    "import os, threading; from tocsin.sandbox import jaeger; from tocsin.sandbox.artifacts import cache_folder; "
    "from tocsin.terminal import terminal; print(jaeger.binary(cache_folder(os.environ), terminal(), threading.Event()))"
)


def run(cache: Path, go: str | None, *argv: str) -> subprocess.CompletedProcess[str]:
    """The command where `go` is this script, or is absent."""
    programs = cache / "bin"
    programs.mkdir(exist_ok=True)
    if go is not None:
        (programs / "go").write_text(go)
        (programs / "go").chmod(0o755)
    variables = {**os.environ, "PATH": str(programs), "XDG_CACHE_HOME": str(cache), "NO_COLOR": "1"}
    return subprocess.run([sys.executable, *argv], env=variables, capture_output=True, text=True, timeout=120, check=False)


def test_without_go_it_is_said_what_to_install(tmp_path: Path) -> None:
    done = run(tmp_path, None, "-m", "tocsin", "demo", "--traces")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "tocsin: ArtifactUnavailable: Jaeger is built from its Go module, and there is no `go` on PATH: install Go"
    )


def test_a_build_is_kept_for_the_next_time(tmp_path: Path) -> None:
    assert "building Jaeger 1.76.0" in run(tmp_path, BUILDS, "-c", BINARY).stderr
    assert (tmp_path / "tocsin" / BUILT).read_text() == "built\n"
    again = run(tmp_path, FAILS, "-c", BINARY)
    assert (again.stdout.strip(), again.stderr) == (str(tmp_path / "tocsin" / BUILT), "")
    assert [each.name for each in (tmp_path / "tocsin" / "jaeger").iterdir()] == ["jaeger-1.76.0"]


def test_a_build_that_fails_shows_its_end_and_leaves_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, FAILS, "-m", "tocsin", "demo", "--traces")
    assert done.returncode == 1
    assert "Jaeger could not be built: it ended with exit code 3" in done.stderr
    assert "no space left on device" in done.stderr
    assert list((tmp_path / "tocsin" / "jaeger").iterdir()) == []


@pytest.mark.parametrize("file", ["go.mod", "go.sum"])
def test_what_jaeger_is_built_of_is_named_and_hashed(file: str) -> None:
    lock = Path(__file__).parents[3] / "services/tocsin/sandbox/data/jaeger" / file
    assert "github.com/jaegertracing/jaeger v1.76.0" in lock.read_text()
