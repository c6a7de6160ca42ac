"""The product's processes, and an operator who replaces them one at a time, as a StatefulSet does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.request import urlopen

import orjson
from tocsin.network import HOST, free_ports
from tocsin.sandbox.process import Child, Launch

from tests.deploy.upgrade.versions import Version

CONSUMERS: Final = ("consume-2", "consume-1", "consume-0")
"""Their names, which are their group.instance.id as well, in the order in which a StatefulSet replaces them."""
PROCESSES: Final = (*CONSUMERS, "work", "beat")
PARTITIONS: Final = 24
"""Of the two topics that consumers read."""
READY_WITHIN_S: Final = 300.0
END_WITHIN_S: Final = 60.0
"""Twice what a pod is given, so that a process that needs longer is seen and not killed."""
LOOK_S: Final = 0.05


class ProcessWrong(Exception):
    """A process did not become ready, so that nothing can be rolled out."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What an operator rolls out."""

    name: str
    version: Version
    edition: int
    """TOCSIN_REPORT__EDITION."""
    variables: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Replaced:
    """One process in the place of another; times are time.monotonic()."""

    process: str
    began: float
    """The old one was asked to end."""
    gone: float
    ready: float
    """The new one answered 200 at /ready."""
    exit_code: int

    @property
    def away_s(self) -> float:
        """How long no process of this name was ready."""
        return self.ready - self.began


@dataclass(frozen=True, slots=True)
class Rolled:
    """A deployment was rolled out; times are time.monotonic()."""

    deployment: Deployment
    began: float
    ended: float
    replaced: tuple[Replaced, ...]
    rebalances: int
    """Assignments that a consumer heard of beyond the one at its own start."""


class Fleet:
    """The processes; the thread that makes and changes them has to live as long as they."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = dict(zip(PROCESSES, free_ports(len(PROCESSES)), strict=True))
        self._running: dict[str, Child] = {}
        self._starts = 0

    def begin(self, deployment: Deployment) -> None:
        """Start every process; return once each is ready and the group has settled. Raises ProcessWrong."""
        for name in PROCESSES:
            self._start(name, deployment)
        for name in PROCESSES:
            self._await(name, f"{name} at its start", lambda name=name: self._ready(name))  # type: ignore[misc] # a lambda's default has no type
        self._await("consume-0", "the partitions shared out", lambda: self._shared_out() == PARTITIONS)

    def roll(self, deployment: Deployment) -> Rolled:
        """Replace one process after the other, each once the last is ready. Raises ProcessWrong."""
        began, heard = time.monotonic(), self._assignments()
        replaced = tuple(self._replace(name, deployment) for name in PROCESSES)
        self._await("consume-0", "the partitions shared out", lambda: self._shared_out() == PARTITIONS)
        return Rolled(deployment, began, time.monotonic(), replaced, self._assignments() - heard - len(CONSUMERS))

    def end(self) -> None:
        """Every process ends in good order."""
        with ThreadPoolExecutor(len(PROCESSES)) as enders:
            for child in self._running.values():
                enders.submit(child.stop, grace_s=END_WITHIN_S)

    def _replace(self, name: str, deployment: Deployment) -> Replaced:
        old, began = self._running[name], time.monotonic()
        old.stop(grace_s=END_WITHIN_S)
        gone = time.monotonic()
        self._start(name, deployment)
        self._await(name, f"{name} of {deployment.name}", lambda: self._ready(name))
        return Replaced(name, began, gone, time.monotonic(), old.exit_code)

    def _start(self, name: str, deployment: Deployment) -> None:
        self._starts += 1
        command = name.partition("-")[0]
        argv = (str(deployment.version.python), "-m", "tocsin", command)
        own = {"TOCSIN_METRICS__PORT": str(self._ports[name]), "OTEL_SERVICE_NAME": name}
        if name in CONSUMERS:
            own["TOCSIN_KAFKA__GROUP_INSTANCE_ID"] = name
        log = self._folder / f"{self._starts:02}-{name}.log"
        self._running[name] = Child(Launch(f"tocsin {command}", argv, self._folder, log, {**deployment.variables, **own}))

    def _await(self, name: str, what: str, holds: Callable[[], bool]) -> None:
        deadline, pause = time.monotonic() + READY_WITHIN_S, threading.Event()
        while not holds():
            child = self._running[name]
            if not child.alive or time.monotonic() > deadline:
                how = "is not there in time" if child.alive else f"ended with exit code {child.exit_code}"
                raise ProcessWrong(f"{what}: {how}\n{child.tail()}")
            pause.wait(LOOK_S)

    def _ready(self, name: str) -> bool:
        with suppress(OSError, HTTPException), urlopen(f"http://{HOST}:{self._ports[name]}/ready", timeout=2) as answer:
            return bool(answer.status == 200)
        return False

    def _shared_out(self) -> int:
        """Partitions that the running consumers have by their own last word."""
        last = [_shares(self._running[name].log)[-1:] for name in CONSUMERS]
        return sum(map(sum, last))

    def _assignments(self) -> int:
        return sum(len(_shares(log)) for log in self._folder.glob("*-consume-*.log"))


def _shares(log: Path) -> list[int]:
    """How many partitions each assignment left the consumer with."""
    lines = [line for line in log.read_bytes().splitlines() if b'"partitions assigned"' in line]
    return [orjson.loads(line)["partitions"] for line in lines if line.endswith(b"}")]
