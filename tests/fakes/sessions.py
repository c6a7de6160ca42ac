"""Sessions as a test wants them."""

from __future__ import annotations

from dataclasses import dataclass, field
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


@dataclass
class DictShelf:
    """The Shelf port in memory; nothing runs out by itself."""

    content: dict[str, bytes] = field(default_factory=dict)
    kept_s: dict[str, int] = field(default_factory=dict)
    asked: int = 0

    def put(self, secret: str, content: bytes, keep_s: int) -> None:
        """See Shelf.put."""
        self.content[secret], self.kept_s[secret] = content, keep_s

    def get(self, secret: str) -> bytes | None:
        """See Shelf.get."""
        self.asked += 1
        return self.content.get(secret)

    def keep(self, secret: str, keep_s: int) -> None:
        """See Shelf.keep."""
        self.kept_s[secret] = keep_s

    def take(self, secret: str) -> bytes | None:
        """See Shelf.take."""
        return self.content.pop(secret, None)
