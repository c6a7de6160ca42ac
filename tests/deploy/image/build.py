"""Builds the image with buildah, on bases that debootstrap makes; needs root and a mirror of Debian, but no container engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tocsin.sandbox.artifacts import cache_folder

ROOT: Final = Path(__file__).parents[3]
SUITE: Final = "bookworm"
BASES: Final = {"build": "python3,python3-venv,gcc,libc6-dev,ca-certificates", "run": "python3,ca-certificates"}
"""Base -> the packages that it has besides Debian's minimal ones."""
TOOLS: Final = ("buildah", "runc", "debootstrap")
MADE_AT: Final = "315532800"
"""The time that every file of the image has: 1980-01-01, in seconds since the epoch."""
WITHIN_S: Final = 3600
CONTEXT: Final = (
    "pyproject.toml",
    "hatch_build.py",
    "README.md",
    "LICENSE",
    "requirements",
    "schemas",
    "deploy",
    "services",
    ".dockerignore",
)


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of an image, as it is carried."""

    digest: str
    bytes: int
    """Compressed."""


@dataclass(frozen=True, slots=True)
class Built:
    """An image in a layout of files."""

    layout: Path
    layers: tuple[Layer, ...]
    """The base's first."""
    config: dict[str, Any]


def missing_tools() -> list[str]:
    """What is to be installed from Debian before this can run."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def folder() -> Path:
    """Where bases, wheels and images are kept between runs."""
    found = cache_folder(os.environ) / "deploy"
    found.mkdir(parents=True, exist_ok=True)
    return found


def wheels() -> Path:
    """Every wheel of the image, each verified by its hash, and chosen for the very Python of the base."""
    kept = folder() / "wheels"
    python = _root("build") / "usr/bin/python3"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "--disable-pip-version-check", "download"]
    files = [f"--requirement={ROOT / 'requirements' / name}" for name in ("product.txt", "build.txt")]
    argv = [*pip, "--require-hashes", "--only-binary=:all:", f"--dest={kept}", *files]
    try:
        _run([*argv, "--no-index", f"--find-links={kept}"])  # a run that finds all of them kept asks no index
    except RuntimeError:
        _run(argv)
    return kept


def base(kind: str) -> str:
    """The name of a base image, made where it is not kept from an earlier run."""
    name = f"localhost/tocsin-{kind}-base:{SUITE}"
    if _buildah("images", "--quiet", "--filter", f"reference={name}", check=False).strip():
        return name
    container = _buildah("from", "scratch").strip()
    _buildah("add", "--quiet", container, str(_packed(kind)), "/")
    _buildah("commit", "--quiet", "--rm", "--timestamp", "0", container, name)
    return name


def build(tag: str, scratch: Path) -> Built:
    """The image, built from a copy of this tree with nothing kept from an earlier build."""
    context = _context(scratch / f"context-{tag}")
    arguments = [f"--build-arg={kind.upper()}_BASE={base(kind)}" for kind in BASES]
    how = ["--isolation=chroot", f"--timestamp={MADE_AT}", "--format=oci", "--pull-never", "--no-cache", "--quiet", *arguments]
    _buildah("build", *how, f"--file={context / 'deploy/Dockerfile'}", f"--tag=localhost/tocsin:{tag}", str(context))
    layout = scratch / f"layout-{tag}"
    _buildah("push", "--quiet", "--format=oci", f"localhost/tocsin:{tag}", f"oci:{layout}:{tag}")
    return read(layout)


def unpacked(built: Built, into: Path) -> Path:
    """The image's root file system."""
    into.mkdir(parents=True)
    for layer in built.layers:
        _run(["tar", "--numeric-owner", "--extract", "--gzip", f"--directory={into}", f"--file={_blob(built.layout, layer.digest)}"])
    return into


def read(layout: Path) -> Built:
    """The only image of this layout."""
    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads(_blob(layout, index["manifests"][0]["digest"]).read_text())
    layers = tuple(Layer(each["digest"], each["size"]) for each in manifest["layers"])
    return Built(layout, layers, json.loads(_blob(layout, manifest["config"]["digest"]).read_text())["config"])


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


def _context(made: Path) -> Path:
    made.mkdir(parents=True)
    for name in CONTEXT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, made / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        else:
            shutil.copy2(source, made / name)
    shutil.copytree(wheels(), made / "build/wheels")
    return made


def _root(kind: str) -> Path:
    """The base as a folder; it has its name only once it is whole."""
    made, arriving = folder() / f"{kind}-root", folder() / f".{kind}-root"
    if not made.exists():
        shutil.rmtree(arriving, ignore_errors=True)
        _run(["debootstrap", "--variant=minbase", f"--include={BASES[kind]}", SUITE, str(arriving)])
        arriving.rename(made)
    return made


def _packed(kind: str) -> Path:
    packed = folder() / f"{kind}-base.tar"
    left_out = [f"--exclude=./{each}/*" for each in ("dev", "proc", "sys", "var/cache/apt", "var/lib/apt/lists")]
    _run(["tar", "--numeric-owner", *left_out, f"--directory={_root(kind)}", "--create", f"--file={packed}", "."])
    return packed


def _buildah(*words: str, check: bool = True) -> str:
    store = folder()
    return _run(["buildah", f"--root={store / 'storage'}", f"--runroot={store / 'running'}", *words], check=check)


def _run(argv: Sequence[str], *, check: bool = True) -> str:
    environment = {**os.environ, "STORAGE_DRIVER": "vfs"}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv[:4])} ended with exit code {done.returncode}:\n{done.stderr[-3000:]}")
    return done.stdout
