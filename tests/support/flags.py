"""Flags, verdicts and what became of them, as the bus has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tocsin.fhir.canonical import VERDICT_REASONS
from tocsin.report.flag import Flag
from tocsin.review.feedback import Feedback, Reason
from tocsin.review.types import Act, Standing, State, Surface, Verdict

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def flag(number: int = 1, band: str | None = "high", *, at: datetime = NOW, **changes: Any) -> Flag:
    """The flag of report `number`, of a patient and picture of its own; without a band its picture could not be judged."""
    content: dict[str, Any] = {
        "version": 1,
        "id": f"00000000-0000-5000-8000-{number:012d}",
        "source": "urn:tocsin:site:north",
        "report": f"DiagnosticReport/r{number}",
        "status": "preliminary",
        "media": f"Media/m{number}",
        "subject": f"Patient/p{number}",
        "outcome": "assessed",
        "band": band,
        "flagged": band not in (None, "below-threshold"),
        "probability": 0.5,
        "model": {"name": "sklesion", "version": "1"},
        "content_sha256": "a4" * 32,
        "event": f"evt-{number}",
        "event_source": "urn:hospital:gateway",
        "announced_at": at,
        "issued": at,
    }
    if band is None:
        content |= {"outcome": "not-assessable", "band": None, "probability": None, "reason": "too-dark"}
    return Flag.model_validate(content | changes)


CODES = {Act.OVERRIDE: "seen-benign", Act.CORRECT: "nv", Act.NOT_ASSESSABLE: "blurred", Act.WITHDRAW: "wrong-patient"}


def verdict_id(of: int) -> str:
    """The id of the verdict of this number."""
    return f"00000000-0000-4000-8000-{of:012d}"


def verdict(number: int = 1, act: Act = Act.ACCEPT, *, at: datetime = NOW, id: int = 1, **changes: Any) -> Verdict:
    """A clinician's act on report `number`; an undo takes back the verdict before it."""
    content: dict[str, Any] = {
        "id": verdict_id(id),
        "source": "urn:tocsin:site:north",
        "report": f"DiagnosticReport/r{number}",
        "report_version": "1",
        "media": f"Media/m{number}",
        "subject": f"Patient/p{number}",
        "act": act,
        "clinician": "Practitioner/c1",
        "issuer": "https://ehr.example.org/fhir",
        "surface": Surface.PAGE,
        "decided_at": at,
        "code": CODES.get(act),
        "undoes": verdict_id(id - 1) if act is Act.UNDO else None,
    }
    return Verdict.model_validate(content | changes)


def standing(number: int = 1, state: State = State.RECORDED, *, at: datetime = NOW, verdict: int = 1, **changes: Any) -> Standing:
    """What became of that verdict."""
    content = {"verdict": verdict_id(verdict), "report": f"DiagnosticReport/r{number}", "state": state, "at": at}
    return Standing.model_validate(content | changes)


def feedback(
    number: int | None = 1, code: str | None = "clinically-benign", *, at: datetime = NOW, id: int = 1, **changes: Any
) -> Feedback:
    """An EHR's word that a card about report `number` was put away; without a number it is not known which report it was about."""
    content: dict[str, Any] = {
        "version": 1,
        "id": f"00000000-0000-5000-9000-{id:012d}",
        "source": "urn:tocsin:site:north",
        "issuer": "https://ehr.example.org",
        "card": f"00000000-0000-5000-a000-{number or 0:012d}",
        "report": None if number is None else f"DiagnosticReport/r{number}",
        "report_version": None if number is None else "1",
        "outcome": "overridden",
        "reason": None if code is None else Reason(system=VERDICT_REASONS, code=code),
        "commented": False,
        "answered_at": at,
        "received_at": at,
    }
    return Feedback.model_validate(content | changes)
