"""Fetches the files of the embedded stack: jars.lock names and hashes them, a cache keeps them, each use verifies them.

jars.lock is made by requirements/lock-jars.sh; a line is `part group:artifact:version[:classifier] bytes sha256`.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, Protocol

from jgo.maven import MavenContext, PythonResolver

from tocsin.sandbox.errors import ArtifactDamaged, ArtifactUnavailable, Interrupted
from tocsin.sandbox.process import Launch, run
from tocsin.terminal import Progress, Step

Part = Literal["kafka", "fhir"]
TITLES: Mapping[Part, str] = {"kafka": "Apache Kafka", "fhir": "the FHIR server"}
THREADS = 8
ANSWER_WITHIN_S = 20
WHEEL_WITHIN_S = 900.0
ADVICE = "Check this machine's way to the network (a proxy goes into HTTPS_PROXY) and run it again: what has arrived is kept."


@dataclass(frozen=True, slots=True)
class Patience:
    """How long Tocsin tries to fetch files; all in seconds."""

    pauses_s: tuple[float, ...] = (1.0, 3.0, 8.0)
    """The pause before each attempt at a file but the first."""
    within_s: float = 900.0
    """The longest time for all files together."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One jar, as a line of jars.lock names it."""

    part: str
    group: str
    artifact: str
    version: str
    classifier: str
    size: int
    """In bytes."""
    sha256: str

    @property
    def coordinates(self) -> str:
        """The jar's coordinates, as jars.lock writes them."""
        return ":".join(filter(None, (self.group, self.artifact, self.version, self.classifier)))

    @property
    def file_name(self) -> str:
        """The jar's file name, unique in the cache."""
        return f"{self.coordinates.replace(':', '_')}.jar"


PATIENCE = Patience()


class Store(Protocol):
    """The port to a store of jars."""

    def fetch(self, jar: Jar, folder: Path, received: Callable[[int], None]) -> Path:
        """Fetch the jar, and return its file below `folder`; `received` is called with each number of bytes.

        Raises OSError when it cannot be had now (requests' errors are such), RuntimeError when the store has no such jar.
        """


class MavenStore:
    """The store of jars that is Maven Central, asked by jgo."""

    def fetch(self, jar: Jar, folder: Path, received: Callable[[int], None]) -> Path:
        """See Store. What the jar depends on is not fetched with it: jars.lock names each jar."""

        @contextmanager
        def receiving(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
            yield received

        context = MavenContext(PythonResolver(progress_callback=receiving), repo_cache=folder, local_repos=[], timeout=ANSWER_WITHIN_S)
        path: Path = context.project(jar.group, jar.artifact).at_version(jar.version).artifact(jar.classifier).resolve()
        return path


def cache_folder(environment: Mapping[str, str]) -> Path:
    """The folder that keeps fetched files: $XDG_CACHE_HOME/tocsin, or ~/.cache/tocsin."""
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tocsin"


def locked(part: Part) -> tuple[Jar, ...]:
    """The jars that jars.lock names for `part`."""
    lines = files(__package__).joinpath("jars.lock").read_text("utf-8").splitlines()
    return tuple(jar for jar in map(_jar, lines) if jar.part == part)


def fetch_jars(
    jars: Sequence[Jar],
    what: str,
    cache: Path,
    progress: Progress,
    *,
    interrupted: threading.Event,
    store: Store | None = None,
    patience: Patience = PATIENCE,
) -> tuple[Path, ...]:
    """The verified files of `jars`, in their order. Files that `cache` lacks, or holds damaged, are fetched first.

    Raises ArtifactUnavailable, ArtifactDamaged, and Interrupted when `interrupted` is set meanwhile.
    """
    folder = cache / "jars"
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(THREADS) as threads:
        sound = threads.map(lambda jar: _kept(folder / jar.file_name, jar.sha256, interrupted), jars)
        missing = [jar for jar, kept in zip(jars, sound, strict=True) if not kept]
        if missing:
            fetch = _Fetch(store or MavenStore(), folder, interrupted, patience)
            with progress.step(f"fetching {what}", total=sum(jar.size for jar in missing), unit="bytes") as step:
                _all(threads, [partial(fetch.one, jar, step) for jar in missing], fetch.broken_off)
    return tuple(folder / jar.file_name for jar in jars)


def fetch_wheel(
    requirement: str,
    sha256: str,
    cache: Path,
    progress: Progress,
    *,
    size: int | None = None,
    interrupted: threading.Event | None = None,
) -> Path:
    """The verified wheel of `requirement` (name==version), fetched by pip on first use.

    `size` is the wheel's number of bytes, which the progress bar counts up to; None where it is not known.
    Raises ArtifactUnavailable (pip finds no file of this hash, or no way to it), and Interrupted.
    """
    kept = cache / "wheels" / sha256
    for wheel in kept.glob("*.whl"):
        if _is(wheel, sha256):
            return wheel
        wheel.unlink()
    kept.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory(prefix="incoming-", dir=cache) as incoming,
        progress.step(f"fetching {requirement}", total=size, unit="bytes") as step,
    ):
        wheel = _by_pip(requirement, sha256, Path(incoming), _Arriving(step, Path(incoming)), interrupted or threading.Event())
        return wheel.rename(kept / wheel.name)


def _by_pip(requirement: str, sha256: str, incoming: Path, arriving: _Arriving, interrupted: threading.Event) -> Path:
    failure = run(_pip(requirement, sha256, incoming), within_s=WHEEL_WITHIN_S, interrupted=interrupted, meanwhile=arriving.look)
    wheels = [wheel for wheel in incoming.glob("*.whl") if _is(wheel, sha256)]
    if failure or not wheels:
        raise ArtifactUnavailable(f"{requirement} could not be fetched by pip: {failure or 'it left no wheel of this hash'}\n{ADVICE}")
    arriving.look()
    return wheels[0]


class _Fetch:
    """One round of fetching jars; the first failure breaks it off."""

    def __init__(self, store: Store, folder: Path, interrupted: threading.Event, patience: Patience) -> None:
        self._store = store
        self._folder = folder
        self._interrupted = interrupted
        self._patience = patience
        self._deadline = time.monotonic() + patience.within_s
        self.broken_off = threading.Event()

    def one(self, jar: Jar, step: Step) -> None:
        """Fetch, verify and keep one jar."""
        with TemporaryDirectory(prefix="incoming-", dir=self._folder) as incoming:
            path = self._within_attempts(jar, Path(incoming), step)
            if not _is(path, jar.sha256):
                raise ArtifactDamaged(
                    f"{jar.coordinates} arrived with another SHA-256 than jars.lock names ({jar.sha256}); it was thrown away. "
                    "Run it again; if it comes back the same, something between this machine and the store alters files: tell its owner."
                )
            path.replace(self._folder / jar.file_name)

    def _within_attempts(self, jar: Jar, incoming: Path, step: Step) -> Path:
        for attempt, pause_s in enumerate((0.0, *self._patience.pauses_s)):
            self._interrupted.wait(pause_s)
            self._go_on()
            counted = _Counted(step, self._go_on)
            try:
                return self._store.fetch(jar, incoming / str(attempt), counted.received)
            except (OSError, RuntimeError) as error:
                counted.take_back()
                failure = type(error).__name__
        attempts = 1 + len(self._patience.pauses_s)
        raise ArtifactUnavailable(f"{jar.coordinates} could not be fetched in {attempts} attempts ({failure}). {ADVICE}")

    def _go_on(self) -> None:
        if self._interrupted.is_set() or self.broken_off.is_set():
            raise Interrupted("fetching was broken off")
        if time.monotonic() > self._deadline:
            raise ArtifactUnavailable(f"The files did not arrive within {self._patience.within_s / 60:.0f} minutes. {ADVICE}")


class _Counted:
    """Counts the bytes of one attempt for the progress bar."""

    def __init__(self, step: Step, go_on: Callable[[], None]) -> None:
        self._step = step
        self._go_on = go_on
        self._bytes = 0

    def received(self, count: int) -> None:
        self._go_on()
        self._bytes += count
        self._step.advance(count)

    def take_back(self) -> None:
        self._step.advance(-self._bytes)


class _Arriving:
    """Measures the wheel that pip writes below a folder, since pip does not say how far it is."""

    def __init__(self, step: Step, folder: Path) -> None:
        self._step = step
        self._folder = folder
        self._bytes = 0

    def look(self) -> None:
        """Advance the step by the bytes that arrived since the last look."""
        with suppress(FileNotFoundError):  # pip removes folders while we look
            arrived = max((wheel.stat().st_size for wheel in self._folder.rglob("*.whl")), default=0)
            if arrived > self._bytes:  # in the end pip copies the whole file, which begins anew
                self._step.advance(arrived - self._bytes)
                self._bytes = arrived


def _all(threads: ThreadPoolExecutor, tasks: Sequence[Callable[[], None]], broken_off: threading.Event) -> None:
    """Run the tasks in the threads. The first failure, or one in this thread, ends the others and is raised."""
    futures = [threads.submit(task) for task in tasks]
    try:
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
    finally:
        broken_off.set()
        for future in futures:
            future.cancel()


def _jar(line: str) -> Jar:
    part, coordinates, size, sha256 = line.split()
    group, artifact, version, *classifier = coordinates.split(":")
    return Jar(part, group, artifact, version, "".join(classifier), int(size), sha256)


def _kept(path: Path, sha256: str, interrupted: threading.Event) -> bool:
    """Whether the file is there and has this SHA-256. Raises Interrupted once `interrupted` is set."""
    if interrupted.is_set():
        raise Interrupted("verifying files was broken off")
    return _is(path, sha256)


def _is(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False


def _pip(requirement: str, sha256: str, folder: Path) -> Launch:
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{requirement} --hash=sha256:{sha256}\n", "utf-8")
    options = ("--no-deps", "--require-hashes", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--progress-bar=off")
    argv = (sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), "--requirement", str(wanted))
    environment = {**os.environ, "TMPDIR": str(folder)}  # where pip writes what arrives
    return Launch(f"pip download {requirement}", argv, folder, folder / "pip.log", environment)
