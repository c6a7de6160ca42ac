"""What `tocsin top` shows, as frozen values.

View and its parts are what `tocsin top --json` prints, under the names of their fields: fields may be added, and none is renamed or taken
away. Numbers that nobody measured are null there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Over = Literal["window", "start"]
"""window: since `window_s` ago; start: since the processes' start, as nothing was seen within the window."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the view; a number is null where the process does not keep it or does not answer."""

    address: str
    answers: bool
    missing_because: str
    """Why it does not answer; empty where it does."""
    role: str
    """consume, work or beat; empty where unknown."""
    live: bool | None
    ready: bool | None
    reasons: tuple[str, ...]
    site: str
    model_version: str
    version: str
    running: float | None
    """Events that are being judged."""
    waiting: float | None
    """Events in hand that wait."""
    held: bool | None
    """Whether it takes nothing in until a person has acted."""
    stalled: float | None
    """Partitions whose events the bus itself holds back."""
    picture_bytes: float | None
    tick_age_s: float | None
    """Time since its scheduler last went round."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far behind the processes that answer are on one topic."""

    topic: str
    partitions: int
    events: float
    seconds: float
    """Age of the first record without an ending, of the partition where it is oldest."""


@dataclass(frozen=True, slots=True)
class Oldest:
    """The age of the oldest event of one origin that has no ending; 0: there is none."""

    origin: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Throughput:
    """How many events came to one kind of ending."""

    ending: str
    per_second: float | None
    """Null before the second answer."""
    total: float
    """Since the processes' start."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How many events came to one kind of ending for one reason."""

    ending: str
    reason: str
    origin: str
    per_second: float | None
    total: float


@dataclass(frozen=True, slots=True)
class Timing:
    """How long something took: a stage, a task with its outcome, or the way from record to ending."""

    name: str
    outcome: str
    count: float
    """How often, over what `over` says."""
    over: Over
    p50_s: float | None
    """Half took no longer, estimated from buckets; what lies above the last bucket is told as its bound."""
    p95_s: float | None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A neighbour as the processes that answer see it."""

    neighbour: str
    asked_by: int
    """Processes that ping it."""
    reached_by: int
    breaker_open_at: tuple[str, ...]
    """Addresses of the processes whose events wait for it."""


@dataclass(frozen=True, slots=True)
class Queue:
    """The tasks that wait in one of work's queues."""

    queue: str
    waiting: float


@dataclass(frozen=True, slots=True)
class Count:
    """A number of things that happened since the processes' start."""

    name: str
    result: str
    total: float


@dataclass(frozen=True, slots=True)
class View:
    """Everything at one moment, over all processes that answer."""

    at: datetime
    """In UTC."""
    window_s: float
    """The longest time over which rates were measured, in seconds; 0: no process has answered twice."""
    processes: tuple[Process, ...]
    lag: tuple[Lag, ...]
    oldest: tuple[Oldest, ...]
    throughput: tuple[Throughput, ...]
    endings: tuple[Ending, ...]
    latency: tuple[Timing, ...]
    """From Kafka's time of the record to the ending; name: the ending."""
    stages: tuple[Timing, ...]
    """The slowest first."""
    neighbours: tuple[Neighbour, ...]
    queues: tuple[Queue, ...]
    tasks: tuple[Timing, ...]
    sent: tuple[Count, ...]
    """Tasks that beat sent, or could not."""
    losses: tuple[Count, ...]
    """What was lost on the bus or may have been; name: its kind."""

    @property
    def answering(self) -> int:
        """How many processes answer."""
        return sum(each.answers for each in self.processes)
