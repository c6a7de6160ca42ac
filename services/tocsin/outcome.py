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
class Deferred:
    """A neighbour is down; nothing was lost and the offset stays uncommitted."""

    neighbour: str
    detail: str
    retry_after_s: float | None = None


Durable = Published | NotAssessable | Refused
Outcome = Durable | Deferred
