"""Whether `tocsin serve` is live and ready, decided by what helps.

what is seen                                   live  ready  why
the loop has not gone round for long           no    -      only a restart mends it
Redis was not reached once since the start     yes   no     its address may be wrong, and a rollout is to stop there
Redis is away, or refuses writes, later on     yes   yes    another process would reach it no better; pages say so, CDS Hooks goes on
it was told to end                             yes   no     balancers are to send it nothing more
the worklist was not read to its end yet       yes   no     another process has it; the bus may be away
an EHR or its FHIR server is away              yes   yes    another process would reach it no better; the pages say so
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.serve.sessions.shelf import NEIGHBOUR
from tocsin.telemetry.health_server import Pages, State, live_and_ready
from tocsin.telemetry.pings import Reach, age

SILENCE_S_MAX: Final = 60.0
"""A loop that goes round every second and has not for this long does not come back."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known of the process at one moment."""

    turned_ago_s: float
    """Since the server's loop last went round."""
    under_way: int
    """Requests that are being answered."""
    ending: bool
    """Whether it was told to end."""
    redis: Reach
    list_lacks: Sequence[str] = ()
    """Why the worklist is not whole yet, a sentence each."""


def not_live(watched: Watched) -> Iterator[str]:
    """The reasons why the process is not live, a sentence each."""
    if watched.turned_ago_s > SILENCE_S_MAX:
        yield f"the loop has not gone round for {watched.turned_ago_s:.0f} s, longer than {SILENCE_S_MAX:g} s"


def not_ready(watched: Watched) -> Iterator[str]:
    """The reasons why the process is not ready, a sentence each."""
    if watched.ending:
        yield "it was told to end, and answers what still comes"
    if not watched.redis.ever:
        yield f"{NEIGHBOUR}: {watched.redis.detail}"
    yield from watched.list_lacks


def pages(now: Callable[[], Watched]) -> Pages:
    """The health pages that `tocsin serve` answers with."""

    def look() -> State:
        watched = now()
        return State(list(not_live(watched)), list(not_ready(watched)), _facts(watched))

    return live_and_ready(look)


def _facts(watched: Watched) -> dict[str, object]:
    return {
        "turned_ago_s": age(watched.turned_ago_s),
        "under_way": watched.under_way,
        "ending": watched.ending,
        "neighbours": {NEIGHBOUR: watched.redis.told()},
    }
