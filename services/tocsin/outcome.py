"""The endings of a journey, and which neighbours served for each. Three endings are durable; an undecided event is tried again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tocsin.errors import FHIR, KAFKA, TRITON

NEEDED: Final = frozenset((FHIR, KAFKA, TRITON))
"""The neighbours that every journey needs."""
WITHOUT_MODEL: Final = frozenset((FHIR, KAFKA))


@dataclass(frozen=True, slots=True)
class Published:
    """The report is in the FHIR server and its flag event is acknowledged by Kafka."""

    report: str  # DiagnosticReport/<id>
    band: str
    served: frozenset[str] = field(default=NEEDED, compare=False)


@dataclass(frozen=True, slots=True)
class NotAssessable:
    """A report that says the picture could not be judged, and why, is published like any other."""

    report: str  # DiagnosticReport/<id>
    reason: str
    served: frozenset[str] = field(default=WITHOUT_MODEL, compare=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """The event was refused, and Kafka has acknowledged its dead letter."""

    reason: str
    served: frozenset[str] = field(default=frozenset((KAFKA,)), compare=False)


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A neighbour is away or busy; nothing was lost and the offset stays uncommitted."""

    neighbour: str
    detail: str
    retry_after_s: float | None = None
    served: frozenset[str] = frozenset()
    """Neighbours that did their part for the event before this one did not."""


@dataclass(frozen=True, slots=True)
class Contended:
    """The event lost a race while every neighbour was well; nothing was lost and the offset stays uncommitted."""

    neighbour: str
    """The neighbour where the event lost the race, or whatever else the event waits for."""
    detail: str


Durable = Published | NotAssessable | Refused
Undecided = Unavailable | Contended
"""Undecided endings are values, not the exceptions of the same names: a kept exception keeps its frames, and with them the picture."""
Outcome = Durable | Undecided
