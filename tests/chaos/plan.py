"""Which faults happen when: a schedule that follows from a seed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Final


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault."""

    name: str
    targets: Sequence[str]
    """What it may strike; one is drawn each time."""
    lasts_s: tuple[float, float]
    """Shortest and longest time until its end is brought about."""
    ready_s: float = 0.0
    """About how long everything then takes to go on; the schedule leaves room for it, so that there is something to measure."""


KINDS: Final = (
    Kind("consumer-killed", ("consume-1", "consume-2", "both"), (0.0, 8.0), 8.0),
    Kind("consumer-frozen", ("consume-1", "consume-2"), (2.0, 9.0), 3.0),
    Kind("celery-killed", ("work", "beat"), (0.0, 5.0)),
    Kind("serve-killed", ("serve",), (0.0, 5.0)),
    Kind("redis-killed", ("redis",), (0.0, 5.0), 0.5),
    Kind("redis-burnt", ("redis",), (0.0, 5.0), 0.5),
    Kind("triton-killed", ("triton",), (0.0, 5.0), 2.0),
    Kind("fhir-killed", ("fhir",), (0.0, 3.0), 15.0),
    Kind("kafka-killed", ("kafka",), (0.0, 3.0), 10.0),
    Kind("kafka-frozen", ("kafka",), (1.0, 6.0), 3.0),
    Kind("wire-cut", ("fhir", "triton", "redis"), (0.0, 6.0)),
    Kind("wire-slow", ("fhir", "triton", "redis"), (3.0, 8.0)),
    Kind("fhir-429", ("seconds", "date"), (2.0, 6.0)),
    Kind("fhir-503", ("seconds", "silent"), (2.0, 6.0)),
    Kind("fhir-500-stored", ("write",), (2.0, 6.0)),
    Kind("fhir-truncated", ("json", "body"), (2.0, 6.0)),
    Kind("transaction-aborted", ("aborted", "abandoned"), (0.5, 6.0)),
    Kind("fhir-quirk", ("gzip", "if-match-required-412", "references-in-full", "references-with-versions", "sort-refused"), (3.0, 8.0)),
    Kind("redis-refuses", ("full", "read-only"), (2.0, 6.0)),
    Kind("collector-dead", ("collector",), (5.0, 9.0)),
    Kind("collector-hangs", ("collector",), (5.0, 9.0)),
    Kind("collector-busy", ("503", "slow"), (5.0, 9.0)),
)
ROUND: Final = len(KINDS)
"""A fault of every kind happens once in each round of as many faults, in an order of that round's own."""

FIRST_AT_S: Final = 5.0
"""The load alone comes first, so that there is something to disturb."""
OVERLAP_SHARE: Final = 0.3
"""Of the faults, so many begin while the one before still lasts."""
CALM_S: Final = (2.0, 6.0)
"""Else so long after it should be over."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a schedule."""

    number: int
    """From 1."""
    kind: str
    target: str
    at_s: float
    """Since the load began."""
    lasts_s: float


def plan(seed: int, faults: int) -> list[Fault]:
    """The schedule; the same for the same seed, and the beginning of every longer one."""
    return list(islice(_faults(Random(f"faults {seed}")), faults))


def _faults(random: Random) -> Iterator[Fault]:
    at_s, number = FIRST_AT_S, 0
    while True:
        for kind in random.sample(KINDS, len(KINDS)):
            number += 1
            lasts_s = random.uniform(*kind.lasts_s)
            yield Fault(number, kind.name, random.choice(kind.targets), round(at_s, 2), round(lasts_s, 2))
            at_s += _pause_s(random, lasts_s + kind.ready_s)


def _pause_s(random: Random, over_s: float) -> float:
    """Until the next one begins."""
    if random.random() < OVERLAP_SHARE:
        return random.uniform(0.3, max(0.3, over_s))
    return over_s + random.uniform(*CALM_S)
