"""What several processes reach together, and what kept them from more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.benchmarks.scaling.growth import Stretch
from tests.benchmarks.scaling.reading import BENCHMARK
from tests.benchmarks.stage import STUB

MEASURED: Final = "consume"
STRANGERS: Final = "others"
BUSY: Final = 0.9
"""Share of all cores from which on they are what is scarce."""
THREAD_BUSY: Final = 0.8
"""Share of one core from which on a part with one thread is what is scarce."""
SINGLE: Final = (STUB, "Redis", BENCHMARK)
"""Parts that have one thread, whatever the number of cores."""


@dataclass(frozen=True, slots=True)
class Together:
    """So many processes, saturated."""

    processes: int
    cores: int
    partitions: int
    stretch: Stretch

    @property
    def shares(self) -> Mapping[str, float]:
        """Cores that each part used; `others` has nothing to do with the benchmark."""
        a_second = self.stretch.events_a_second / 1000
        ours = {MEASURED: self.stretch.cpu_ms * a_second, **{name: ms * a_second for name, ms in self.stretch.neighbours_ms.items()}}
        return {**ours, STRANGERS: self.stretch.strangers_s / self.stretch.wall_s}

    @property
    def limit(self) -> str:
        """In words: what was scarce."""
        used, shares = sum(self.shares.values()), self.shares
        of_each = ", ".join(f"{name} {cores:.2f}" for name, cores in sorted(shares.items(), key=lambda each: -each[1]) if cores >= 0.01)
        if used >= BUSY * self.cores:
            return f"all {self.cores} cores: {of_each}"
        single = [name for name in SINGLE if shares.get(name, 0.0) >= THREAD_BUSY]
        if single:
            return f"{single[0]}, which has one thread: {of_each}"
        if self.processes > self.partitions:
            return f"{self.partitions} partitions: {of_each}"
        return f"no processor, so waiting ({used:.1f} of {self.cores} cores used): {of_each}"

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        return {"processes": self.processes, "cores_used": self.shares, "limit": self.limit, **self.stretch.as_json()}


def ratio(all_: Sequence[Together], one: Together) -> float:
    """Its throughput to the first one's."""
    return one.stretch.events_a_second / all_[0].stretch.events_a_second
