"""Two versions of Tocsin: the working tree's, and an earlier one in an environment of its own."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

from tocsin.sandbox.artifacts import cache_folder
from tocsin.terminal import Progress

ROOT: Final = Path(__file__).parents[3]
EARLIER: Final = "HEAD~10"
"""The revision to update from, unless another is named: an ancestor that is recent and not the last."""
WITHIN_S: Final = 600.0
QUIET: Final = ("--quiet", "--disable-pip-version-check")


class VersionMissing(Exception):
    """The earlier version could not be had, so that nothing can be said."""


@dataclass(frozen=True, slots=True)
class Version:
    """An installed Tocsin."""

    name: str
    python: Path
    """The interpreter of the environment that it is installed in."""


def working_tree() -> Version:
    """What is installed where this program runs."""
    return Version("working tree", Path(sys.executable))


def earlier(what: str, progress: Progress) -> Version:
    """The version of a revision, or of a wheel's file, in an environment that is kept in the cache. Raises VersionMissing."""
    if what.endswith(".whl"):
        wheel = Path(what)
        if not wheel.is_file():
            raise VersionMissing(f"there is no wheel {what}")
        mark = hashlib.sha256(wheel.read_bytes()).hexdigest()[:12]
        return _installed(mark, wheel.name, progress, lambda _folder: wheel)
    revision = _ran("git", "rev-parse", "--verify", "--short=12", f"{what}^{{commit}}").decode().strip()
    return _installed(revision, f"{what} ({revision})", progress, lambda folder: _wheel_of(revision, folder))


def _installed(mark: str, name: str, progress: Progress, wheel_in: Callable[[Path], Path]) -> Version:
    folder = cache_folder(os.environ) / "versions" / mark
    made = Version(name, folder / "environment" / "bin" / "python")
    if not (folder / "complete").exists():
        with progress.step(f"installing {name} in an environment of its own"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            _install(made.python, wheel_in(folder))
            (folder / "complete").touch()
    return made


def _install(python: Path, wheel: Path) -> None:
    """What product.txt pins, and then the wheel with whatever it needs beyond that."""
    _ran(sys.executable, "-m", "venv", str(python.parents[1]))
    _ran(str(python), "-m", "pip", "install", *QUIET, "--require-hashes", "-r", str(ROOT / "requirements" / "product.txt"))
    _ran(str(python), "-m", "pip", "install", *QUIET, str(wheel))


def _wheel_of(revision: str, folder: Path) -> Path:
    with tarfile.open(fileobj=BytesIO(_ran("git", "archive", revision))) as tree:
        tree.extractall(folder / "tree", filter="data")
    _ran(sys.executable, "-m", "pip", "wheel", *QUIET, "--no-deps", "--no-build-isolation", "-w", str(folder), str(folder / "tree"))
    [wheel] = folder.glob("*.whl")
    return wheel


def _ran(*argv: str) -> bytes:
    """What the command printed. Raises VersionMissing with its last words."""
    try:
        return subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, timeout=WITHIN_S).stdout
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        raise VersionMissing(f"{' '.join(argv[:4])} failed: {said[-1] if said else error.returncode}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise VersionMissing(f"{' '.join(argv[:4])} failed: {error}") from None
