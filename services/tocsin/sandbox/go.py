"""Programs that are built once from their Go modules, and kept in a cache. go.mod and go.sum name and hash what each is built of."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file
from importlib.resources.abc import Traversable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tocsin.sandbox.errors import ArtifactUnavailable, Interrupted
from tocsin.sandbox.lock import held
from tocsin.sandbox.process import Launch, run
from tocsin.terminal import Progress

BUILD_WITHIN_S: Final = 3600.0
POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Program:
    """A program, and what it is built of."""

    name: str
    """Its name in messages; in lower case that of its file."""
    version: str
    package: str
    lock: Traversable
    """Folder of its go.mod and go.sum."""
    without_go: str
    """What to say where there is no `go`."""
    linker_flags: str = "-s -w"
    """How it is linked: without what only a debugger reads, unless stated."""

    @property
    def file(self) -> str:
        """Name of its file, without version."""
        return self.name.lower()

    def path(self, cache: Path) -> Path:
        """Where the cache keeps it."""
        return cache / self.file / f"{self.file}-{self.version}"


def binary(program: Program, cache: Path, progress: Progress, interrupted: threading.Event) -> Path:
    """The program, built where the cache lacks it: some minutes of CPU, and about 1 GB into Go's own caches.

    Raises ArtifactUnavailable, which says what to do, and Interrupted when `interrupted` is set before.
    """
    built = program.path(cache)
    if built.exists():
        return built
    go = shutil.which("go")
    if go is None:
        raise ArtifactUnavailable(program.without_go)
    built.parent.mkdir(parents=True, exist_ok=True)
    with progress.step(f"building {program.name} {program.version} (some minutes, once)"), _alone(built.parent, interrupted):
        if not built.exists():
            _build_into(built, program, go, interrupted)
    return built


@contextmanager
def _alone(folder: Path, interrupted: threading.Event) -> Iterator[None]:
    """Holds the folder against other processes, which would build the same; a process that ends lets go of it.

    Raises ArtifactUnavailable where another holds it for longer than a build may take, and Interrupted.
    """
    deadline = time.monotonic() + BUILD_WITHIN_S
    with folder.with_suffix(".lock").open("w") as lock:
        while not held(lock):
            if interrupted.wait(POLL_S):
                raise Interrupted("waiting for another process's build was broken off")
            if time.monotonic() > deadline:
                raise ArtifactUnavailable(f"another process builds {folder.name} for more than an hour: end it and run this again")
        yield


def _build_into(built: Path, program: Program, go: str, interrupted: threading.Event) -> None:
    with TemporaryDirectory(prefix=f"{program.file}-", dir=built.parent, ignore_cleanup_errors=True) as name:
        _build(program, go, Path(name), interrupted)
        (Path(name) / program.file).replace(built)


def _build(program: Program, go: str, folder: Path, interrupted: threading.Event) -> None:
    with as_file(program.lock) as lock:
        for file in ("go.mod", "go.sum"):
            shutil.copyfile(lock / file, folder / file)
    argv = (
        go,
        "build",
        "-mod=readonly",
        "-trimpath",
        f"-ldflags={program.linker_flags}",
        "-o",
        str(folder / program.file),
        program.package,
    )
    failure = run(Launch("go build", argv, folder, folder / "log.txt", None), within_s=BUILD_WITHIN_S, interrupted=interrupted)
    if failure:
        raise ArtifactUnavailable(
            f"{program.name} could not be built: {failure} Mend what its end names and run it again: what has arrived is kept."
        )
