"""How long a healthy consumer may take at most: the sum of the time limits of whatever it waits for, one after the other.

A limit below that sum would take a slow neighbour for a defect of this process, and end it for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tocsin.event.kafka import CLOSE_WAIT_S, REBALANCE_WAIT_S
from tocsin.settings import Settings

OWN_S: Final = 60.0
"""For Tocsin's own computing on a machine that is short of processors, and for the kernel's name look-ups."""

SENDS_IN_A_ROW: Final = 2
"""Flags: of the report, and of the one that it takes the place of."""

WAITS_OF_A_SEND: Final = 3
"""For a producer id, for the topic's metadata, and for the acknowledgement."""

COMMITS_OF_A_TURN: Final = 4
"""Of what was taken in, what is begun, what has ended, and when it is time."""

READS_OF_A_TOPIC: Final = 4
"""Its partitions, its ends, its beginnings, and the last records to come."""


@dataclass(frozen=True, slots=True)
class Limits:
    """In seconds; beyond them a restart helps."""

    turn_max_s: float
    """From one turn of the loop to the next."""
    wedged_after_s: float
    """One journey on its thread without an answer of a server."""
    commit_overdue_s: float
    """Without a commit although the bus answers and there is something to commit."""


def limits_of(settings: Settings) -> Limits:
    """What the settings say, or, where they say nothing, the longest that everything they bound may take."""
    consume = settings.consume
    return Limits(
        turn_max_s=consume.turn_max_s or longest_turn_s(settings),
        wedged_after_s=consume.wedged_after_s or longest_silence_s(settings),
        commit_overdue_s=consume.commit_overdue_s,
    )


def longest_turn_s(settings: Settings) -> float:
    """From the start to the first turn, or from a turn to the next, or from the last turn to the end at SIGTERM: never longer than all."""
    kafka, consume = settings.kafka, settings.consume
    joining = kafka.connect_timeout_s
    polling = kafka.poll_wait_ms / 1000 + REBALANCE_WAIT_S + kafka.commit_timeout_s  # the last: to read where the group stands
    waiting_after_a_failure = consume.retry_max_s
    committing = COMMITS_OF_A_TURN * kafka.commit_timeout_s
    leaving = consume.drain_timeout_s + kafka.commit_timeout_s + CLOSE_WAIT_S
    return joining + polling + waiting_after_a_failure + committing + leaving + OWN_S


def longest_silence_s(settings: Settings) -> float:
    """Of one journey, from one answer of the FHIR server to the next or to its end: never longer than all that may lie between them."""
    kafka, fhir = settings.kafka, settings.fhir
    judging = settings.image.in_flight_wait_s + settings.triton.timeout_s
    writing = 2 * fhir.request_timeout_s  # after as long a wait for another journey that makes the model known to the record
    telling = SENDS_IN_A_ROW * WAITS_OF_A_SEND * kafka.send_timeout_s
    looking = 2 * kafka.connect_timeout_s + READS_OF_A_TOPIC * kafka.read_timeout_s  # whether its dead letter stands already
    return judging + writing + telling + looking + OWN_S


def too_low(settings: Settings) -> Iterator[str]:
    """A sentence for each limit that a merely slow neighbour could make a healthy process break."""
    for name, said_s, needed_s in (
        ("TURN_MAX_S", settings.consume.turn_max_s, longest_turn_s(settings)),
        ("WEDGED_AFTER_S", settings.consume.wedged_after_s, longest_silence_s(settings)),
    ):
        if said_s is not None and said_s < needed_s:
            yield f"TOCSIN_CONSUME__{name} is {said_s:g} s, and the other time limits add up to {needed_s:g} s"
