"""The four endings of a journey. Three are durable; a deferred event keeps its place and is tried again."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Published:
    """The report is in the FHIR server and its flag event is acknowledged by Kafka."""

    report: str  # DiagnosticReport/<id>
    band: str
    asked: bool = field(default=True, compare=False)  # whether the model was asked; else the report stood already


@dataclass(frozen=True, slots=True)
class NotAssessable:
    """A report that says the picture could not be judged, and why, is published like any other."""

    report: str  # DiagnosticReport/<id>
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The dead letter is acknowledged by Kafka."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A neighbour is away or busy; nothing was lost and the offset stays uncommitted."""

    neighbour: str
    detail: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Contended:
    """The event lost a race while every neighbour was well; nothing was lost and the offset stays uncommitted."""

    neighbour: str
    """Where it lost, or what it waits for."""
    detail: str


Durable = Published | NotAssessable | Refused
Deferred = Unavailable | Contended
Outcome = Durable | Deferred
