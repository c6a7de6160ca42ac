"""Counts what becomes of events, as metrics; whatever comes in, their labels are of closed sets."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from tocsin import errors, outcome
from tocsin.consume.attempt import Attempt
from tocsin.errors import FHIR, KAFKA, MEMORY, TRITON, Refused
from tocsin.kafka.types import Record
from tocsin.telemetry.metrics import ATTEMPTS, DEAD_LETTERS, EVENT_LATENCY, EVENTS, LOSSES

Origin = Literal["live", "backfill", "replay"]

ORIGINS: Final[tuple[Origin, ...]] = ("live", "backfill", "replay")
OTHER: Final = "other"
"""Stands for whatever is not known by name."""
NEIGHBOURS: Final = (KAFKA, FHIR, TRITON)
_NAMED: Final = frozenset((*NEIGHBOURS, MEMORY))


def neighbour_label(neighbour: str) -> str:
    """The neighbour's name; OTHER for the origin of a URL, and for whatever else an event may wait for."""
    return neighbour if neighbour in _NAMED else OTHER


def origin_of(topic: str, backfill: str) -> Origin:
    """Where a record on this topic comes from, if it is no replay; `backfill` is the topic of Tocsin's own announcements."""
    return "backfill" if topic == backfill else "live"


class Tally:
    """Counts attempts and endings. Safe for threads."""

    def __init__(self, backfill: str, codes: frozenset[str]) -> None:
        """`backfill` is the topic of Tocsin's own announcements; `codes` are those of bands and of obstacles."""
        self._backfill = backfill
        self._reasons = codes | errors.reasons()

    def origin(self, record: Record) -> Origin:
        """Where the record comes from."""
        return "replay" if Attempt(record).replayed else origin_of(record.position.topic_partition.topic, self._backfill)

    def tried(self, attempt: Attempt, result: outcome.Outcome, at: datetime) -> None:
        """The attempt was over at `at`, aware."""
        match result:
            case outcome.Unavailable(neighbour):
                ATTEMPTS.add(1, {"outcome": "unavailable", "neighbour": neighbour_label(neighbour)})
            case outcome.Contended(neighbour):
                ATTEMPTS.add(1, {"outcome": "contended", "neighbour": neighbour_label(neighbour)})
            case _:
                ATTEMPTS.add(1, {"outcome": "ended", "neighbour": "none"})
                self._ended(attempt.record, result, at)

    def _ended(self, record: Record, ending: outcome.Durable, at: datetime) -> None:
        how, reason = _told(ending)
        origin = self.origin(record)
        EVENTS.add(1, {"ending": how, "reason": reason if reason in self._reasons else OTHER, "origin": origin})
        if record.timestamp_ms > 0:
            late_s = (at - record.at).total_seconds()
            EVENT_LATENCY.record(max(0.0, late_s), {"ending": how, "origin": origin})
        if record.unreadable is not None:
            LOSSES.add(1, {"kind": "unreadable-batch"})


def _told(ending: outcome.Durable) -> tuple[str, str]:
    match ending:
        case outcome.Published(band=band):
            return "published", band
        case outcome.NotAssessable(reason=reason):
            return "not-assessable", reason
        case outcome.Refused(reason):
            return "refused", reason


def count_dead_letter(error: Refused) -> None:
    """One more dead letter stands on its topic."""
    DEAD_LETTERS.add(1, {"reason": error.reason if error.reason in errors.reasons() else OTHER, "class": error.kind})
