"""Jaeger is built once, and whoever cannot build it is told what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

BUILT = "jaeger/jaeger-1.76.0"
BUILDS = '#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\necho built > "$2"\n'
COUNTS = BUILDS + 'echo once >> "$XDG_CACHE_HOME/builds"\n'
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
        put(programs / "go", go)
    variables = {**os.environ, "PATH": str(programs), "XDG_CACHE_HOME": str(cache), "NO_COLOR": "1"}
    return subprocess.run([sys.executable, *argv], env=variables, capture_output=True, text=True, timeout=120, check=False)


def put(program: Path, script: str) -> None:
    """Make the program; one that is so already is left alone, since it may be running."""
    if not program.exists() or program.read_text() != script:
        program.write_text(script)
        program.chmod(0o755)


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


def test_two_processes_that_need_it_at_the_same_time_build_it_once(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    put(tmp_path / "bin/go", COUNTS)
    with ThreadPoolExecutor(2) as both:
        done = list(both.map(lambda _: run(tmp_path, COUNTS, "-c", BINARY), range(2)))
    assert {each.stdout.strip() for each in done} == {str(tmp_path / "tocsin" / BUILT)}
    assert (tmp_path / "builds").read_text() == "once\n"


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
