"""Takes a trial through its steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tocsin.terminal import Progress

from tests.deploy.cluster.api import Refused
from tests.deploy.cluster.trial import Broken, Pointless, Trial


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one step."""

    way: str
    step: str
    faults: Sequence[str] | None
    """What is wrong; None where the step had nothing to do."""
    took_s: float


def run(trial: Trial, steps: Sequence[tuple[str, Callable[[Trial], Iterator[str]]]], progress: Progress) -> Sequence[Outcome]:
    """The outcome of each step; a step that cannot be done is a fault, and without the first none of the others is tried."""
    outcomes: list[Outcome] = []
    with progress.step(trial.way.name, total=len(steps)) as shown:
        for name, step in steps:
            began = time.monotonic()
            outcomes.append(Outcome(trial.way.name, name, _faults(trial, step), time.monotonic() - began))
            shown.advance(1)
            if not hasattr(trial, "installed"):
                break
    return outcomes


def _faults(trial: Trial, step: Callable[[Trial], Iterator[str]]) -> Sequence[str] | None:
    found: list[str] = []
    try:
        for fault in step(trial):
            found.append(fault)  # one by one: those before a step breaks off count
    except Pointless:
        return None
    except (Broken, Refused) as reason:
        found.append(str(reason))
    return found
