"""Deadlines of liveness: a healthy consumer gives a sign after each wait, so they are its longest single wait and some slack.

A deadline below that would take a slow neighbour for a defect of this process, and end it for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tocsin.kafka.client import CLOSE_WAIT_S, REBALANCE_WAIT_S
from tocsin.settings import Settings

OWN_S: Final = 60.0
"""For Tocsin's own computing on a machine that is short of processors, and for the kernel's name look-ups."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a healthy consumer takes at most, in seconds; beyond that a restart helps."""

    turn_max_s: float
    """From one sign of the loop to the next."""
    wedged_after_s: float
    """One journey on its thread without an answer of a server, or Kafka's acknowledgement."""
    commit_overdue_s: float
    """Without a commit although the bus answers and there is something to commit."""


def deadlines_of(settings: Settings) -> Deadlines:
    """The deadlines that the settings name, or else the longest wait that the settings allow, and OWN_S."""
    consume = settings.consume
    return Deadlines(
        turn_max_s=consume.turn_max_s or longest_turn_s(settings),
        wedged_after_s=consume.wedged_after_s or longest_silence_s(settings),
        commit_overdue_s=consume.commit_overdue_s,
    )


def longest_turn_s(settings: Settings) -> float:
    """The longest healthy time between two signs of the loop, in seconds: it gives one after each wait."""
    kafka, consume = settings.kafka, settings.consume
    polling = kafka.poll_wait_ms / 1000 + REBALANCE_WAIT_S + kafka.commit_timeout_s  # the last: to read where the group stands
    telling_of_a_gap = kafka.connect_timeout_s + 2 * kafka.send_timeout_s  # inside a poll, by a producer of its own
    leaving = kafka.commit_timeout_s + CLOSE_WAIT_S
    return max(polling, telling_of_a_gap, leaving, consume.retry_max_s, consume.drain_timeout_s) + OWN_S


def longest_silence_s(settings: Settings) -> float:
    """The longest healthy time between two answers to one journey, in seconds: each of its waits ends with one."""
    kafka, fhir = settings.kafka, settings.fhir
    registering = 2 * fhir.request_timeout_s  # its own request, after as long a wait for another journey that registers the model
    asking = max(registering, settings.triton.timeout_s, settings.image.in_flight_wait_s)
    return max(asking, kafka.send_timeout_s, kafka.read_timeout_s, kafka.connect_timeout_s) + OWN_S


def too_low(settings: Settings) -> Iterator[str]:
    """A sentence for each deadline in the settings that a healthy process with a slow neighbour would miss."""
    for name, said_s, needed_s in (
        ("TURN_MAX_S", settings.consume.turn_max_s, longest_turn_s(settings)),
        ("WEDGED_AFTER_S", settings.consume.wedged_after_s, longest_silence_s(settings)),
    ):
        if said_s is not None and said_s < needed_s:
            yield f"TOCSIN_CONSUME__{name} is {said_s:g} s, and a healthy process may wait {needed_s:g} s"
    said_s, needed_s = settings.kafka.poll_silence_max_s, longest_turn_s(settings) - OWN_S
    if said_s < needed_s:
        yield f"TOCSIN_KAFKA__POLL_SILENCE_MAX_S is {said_s:g} s, and a healthy process may wait {needed_s:g} s: it would leave its group"
