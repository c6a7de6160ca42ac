"""Is a consumer live, and is it ready? Decided by what helps.

    what is seen                                         live  ready  why
    the loop has not moved for turn_max_s           no    -      only a restart mends it; the watchdog sees to that
    a journey has had no answer for wedged_after_s     no    -      the same
    a commit is overdue although the bus answers         no    -      the same: membership is broken in a way that polling does not heal
    a neighbour is away, and events wait for it          yes   yes    it goes on by itself when the neighbour is back
    a neighbour is away, and no event has met that yet   yes   no     what is wrong outside should show before an event meets it
    commits get no answer, and pings of the bus neither  yes   no     the bus is away: another process would wait as this one does
    held until a person has acted                        yes   no     a restart would only dead-letter more; not being ready stops a rollout
                                                                      of what may be the cause
    a producer's transaction holds events back           yes   no     a person has to find its producer
    no poll has been answered since the start            yes   no     it takes no part yet

An outage without end is the consumer's own affair: it stops when its budget is spent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tocsin.consume.liveness.deadlines import Deadlines
from tocsin.consume.liveness.progress import Snapshot
from tocsin.consume.liveness.watchdog import stuck
from tocsin.kafka.client import NEIGHBOUR as KAFKA
from tocsin.telemetry.health_server import Pages, State, live_and_ready
from tocsin.telemetry.pings import Reach, age

Reaches = Mapping[str, Reach]
"""Neighbour -> what its ping says."""

Moment = Callable[[], tuple[Snapshot, Reaches]]


def not_live(snapshot: Snapshot, reaches: Reaches, deadlines: Deadlines) -> Iterator[str]:
    """What a restart would mend, a sentence each."""
    found = stuck(snapshot, deadlines, bus_answers_for_s(reaches))
    if found is not None:
        yield str(found) if found.position is None else f"{found.position}: {found}"


def bus_answers_for_s(reaches: Reaches) -> float:
    """Seconds; 0 where it does not answer."""
    bus = reaches[KAFKA]
    return bus.for_s if bus.reached else 0.0


def not_ready(snapshot: Snapshot, reaches: Reaches) -> Iterator[str]:
    """What keeps this consumer from taking part, a sentence each."""
    if not snapshot.joined:
        yield "the bus has answered no poll yet"
    if snapshot.held_by is not None:
        yield f"held until a person has acted: {snapshot.held_by}"
    yield from snapshot.stalled
    for name, reach in sorted(reaches.items()):
        if not reach.reached and name not in snapshot.paused_for:
            yield f"{name}: {reach.detail}"


def pages(moment: Moment, deadlines: Deadlines) -> Pages:
    """What a consumer answers."""

    def look() -> State:
        snapshot, reaches = moment()
        return State(list(not_live(snapshot, reaches, deadlines)), list(not_ready(snapshot, reaches)), _facts(snapshot, reaches))

    return live_and_ready(look)


def _facts(snapshot: Snapshot, reaches: Reaches) -> dict[str, object]:
    return {
        "turned_ago_s": age(snapshot.turned_ago_s),
        "polled_ago_s": age(snapshot.polled_ago_s) if snapshot.joined else None,
        "committed_ago_s": age(snapshot.committed_ago_s),
        "oldest_running_s": age(snapshot.oldest_running_s),
        "oldest": None if snapshot.oldest is None else str(snapshot.oldest),
        "quiet_s": age(snapshot.quiet_s),
        "undecided": snapshot.undecided,
        "paused_for": snapshot.paused_for,
        "held_by": snapshot.held_by,
        "neighbours": {name: reach.told(waited_for=name in snapshot.paused_for) for name, reach in sorted(reaches.items())},
    }
