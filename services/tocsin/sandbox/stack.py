"""Runs the whole embedded stack for as long as a block lasts: Kafka, a FHIR server, Triton and Redis, all real."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Protocol, TypeVar

from tocsin.sandbox import fhir, kafka, redis, triton
from tocsin.sandbox.artifacts import TITLES, Part, fetch_jars, locked
from tocsin.terminal import Progress


class Running(Protocol):
    """The port to a running part of the stack."""

    def stop(self) -> None:
        """End the part in good order; harmless when it has ended."""


R = TypeVar("R", bound=Running)

PARTS = 4

Models = Callable[[Path, threading.Event], Path]
"""Makes the model repository, given the stack's folder and an event that interrupts it, and returns its folder."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The running parts of the stack."""

    kafka: kafka.Kafka
    fhir: fhir.Fhir
    triton: triton.Triton
    redis: redis.Redis
    folder: Path
    """The folder below which the parts write; it is removed with them."""


@contextmanager
def running_stack(*, cache: Path, models: Models, progress: Progress) -> Iterator[Stack]:
    """Start every part, and give the stack, ready, until the block ends; what the cache lacks is fetched first.

    However the block ends, an exception, Ctrl-C or SIGTERM included, no process and no file of the stack is left. Should this process be
    killed outright, the processes end with it and only the folder stays. Raises ArtifactUnavailable, ArtifactDamaged, PartDidNotStart.
    """
    with _signals_once() as signals, TemporaryDirectory(prefix="tocsin-", ignore_cleanup_errors=True) as name, _Crew(signals) as crew:
        folder = Path(name)
        answers = crew.start(_fhir_with(cache, folder, progress))
        broker = crew.start(_kafka_with(cache, folder, progress))
        model = crew.start(_triton_with(models, folder, progress))
        queues = crew.start(_redis_with(folder, progress))
        crew.await_all()
        yield Stack(broker.result(), answers.result(), model.result(), queues.result(), folder)


def jars_of(part: Part, cache: Path, progress: Progress, interrupted: threading.Event) -> tuple[Path, ...]:
    """The verified jars of a part, fetched where the cache lacks them. Raises as fetch_jars does."""
    return fetch_jars(locked(part), TITLES[part], cache, progress, interrupted=interrupted)


def _kafka_with(cache: Path, folder: Path, progress: Progress) -> Callable[[threading.Event], kafka.Kafka]:
    def start(interrupted: threading.Event) -> kafka.Kafka:
        jars = jars_of("kafka", cache, progress, interrupted)
        with progress.step("starting Apache Kafka"):
            return kafka.start(jars, folder / "kafka", interrupted=interrupted)

    return start


def _fhir_with(cache: Path, folder: Path, progress: Progress) -> Callable[[threading.Event], fhir.Fhir]:
    def start(interrupted: threading.Event) -> fhir.Fhir:
        jars = jars_of("fhir", cache, progress, interrupted)
        with progress.step("starting the FHIR server"):
            return fhir.start(jars, folder / "fhir", interrupted=interrupted)

    return start


def _triton_with(models: Models, folder: Path, progress: Progress) -> Callable[[threading.Event], triton.Triton]:
    def start(interrupted: threading.Event) -> triton.Triton:
        model_repository = models(folder, interrupted)
        with progress.step("starting Triton"):
            return triton.start(model_repository, folder / "triton", interrupted=interrupted)

    return start


def _redis_with(folder: Path, progress: Progress) -> Callable[[threading.Event], redis.Redis]:
    def start(interrupted: threading.Event) -> redis.Redis:
        with progress.step("starting Redis"):
            return redis.start(folder / "redis", interrupted=interrupted)

    return start


class _Signals:
    """Handles SIGINT and SIGTERM: the first one interrupts, as soon as signals are not held.

    They are held while the stack's folder is made and while the stack is taken down.
    """

    def __init__(self) -> None:
        self._came: list[int] = []
        self._held = True
        self._raised: int | None = None

    def arrived(self, number: int, _frame: FrameType | None) -> None:
        if self._held:
            self._came.append(number)
            return
        self._held = True
        self._raised = number
        self.insist()

    def insist(self) -> None:
        """Raise the interrupt again where it was lost: Python drops what is raised while an object is finalised."""
        if self._raised is not None:
            raise KeyboardInterrupt if self._raised == signal.SIGINT else SystemExit(128 + self._raised)

    def release(self) -> None:
        """Let signals interrupt from now on; one that has waited interrupts at once."""
        self._held = False
        if self._came:
            self.arrived(self._came.pop(0), None)

    def hold(self) -> None:
        """Let signals wait from now on."""
        self._held = True

    @property
    def waiting(self) -> list[int]:
        """The signals that came while signals were held."""
        return self._came


@contextmanager
def _signals_once() -> Iterator[_Signals]:
    signals = _Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals  # Python hands signals to the main thread only, so there is nothing to hold off here
        return
    before = {number: signal.signal(number, signals.arrived) for number in (signal.SIGINT, signal.SIGTERM)}
    undisturbed = False
    try:
        yield signals
        undisturbed = True
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if undisturbed and signals.waiting:
        signal.raise_signal(signals.waiting[0])


class _Crew:
    """Threads that start the parts, and live as long as these: a child dies with the thread that started it."""

    def __init__(self, signals: _Signals) -> None:
        self._signals = signals
        self._threads = ThreadPoolExecutor(PARTS, thread_name_prefix="tocsin-sandbox")
        self._interrupted = threading.Event()
        self._parts: list[Future[Running]] = []

    def __enter__(self) -> _Crew:
        self._signals.release()
        return self

    def start(self, part: Callable[[threading.Event], R]) -> Future[R]:
        """Begin to start a part, beside the others."""
        future = self._threads.submit(part, self._interrupted)
        self._parts.append(future)  # type: ignore[arg-type] # a Future only hands its result out, so that it may be seen as one of Running
        return future

    def await_all(self) -> None:
        """Return when every part is ready; raise the first failure at once."""
        done, _ = wait(self._parts, return_when=FIRST_EXCEPTION)
        self._signals.insist()
        for future in done:
            future.result()

    def __exit__(self, *_exception: object) -> None:
        self._signals.hold()
        self._interrupted.set()
        wait(self._parts)
        with ThreadPoolExecutor(PARTS) as enders:
            for part in self._parts:
                if part.exception() is None:
                    enders.submit(part.result().stop)
        self._threads.shutdown()
