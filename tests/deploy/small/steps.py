"""What a run did, step by step, and its table."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Step:
    """One promise, and whether it was kept."""

    part: str
    promise: str
    seconds: float
    failure: str = ""


@dataclass(slots=True)
class Steps:
    """The steps of a run so far."""

    done: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, part: str, promise: str) -> Iterator[None]:
        """One step, told when it ends; a failure is kept, told and raised."""
        began = time.monotonic()
        try:
            yield
        except BaseException as error:
            self._tell(Step(part, promise, time.monotonic() - began, f"{type(error).__name__}: {error}"))
            raise
        self._tell(Step(part, promise, time.monotonic() - began))

    @property
    def kept(self) -> bool:
        """Whether every promise was."""
        return bool(self.done) and not any(each.failure for each in self.done)

    def _tell(self, step: Step) -> None:
        self.done.append(step)
        print(f"{'FAIL' if step.failure else 'ok':<5} {step.part:<8} {step.seconds:6.1f} s  {step.promise}", flush=True)
        if step.failure:
            print(f"      {step.failure[:2000]}", flush=True)
