"""Sessions as a test wants them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr
from tocsin.serve.types import Role, Session

CSRF = "the-form-of-this-session"


def a_session(**more: Any) -> Session:
    """A reader's session in the chart of a patient."""
    usual: dict[str, Any] = {
        "key": "0" * 64,
        "csrf": CSRF,
        "issuer": "https://ehr.example.org/fhir",
        "clinician": "Practitioner/c1",
        "roles": frozenset({Role.READER}),
        "token": SecretStr("canary-token"),
        "until": datetime.now(UTC) + timedelta(hours=1),
        "patient": "Patient/p1",
    }
    return Session(**usual | more)


@dataclass
class FixedSessions:
    """The Sessions port: every request is of this session, or of none."""

    session: Session | None = None

    def current(self) -> Session | None:
        """See Sessions.current."""
        return self.session
