"""A session as it is kept: JSON, with a version of its own; what another version wrote counts as no session."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import orjson
from pydantic import SecretStr

from tocsin.serve.types import Role, Session

VERSION: Final = 1


def written(session: Session) -> bytes:
    """The session as it is kept, with its token: to be sealed."""
    return orjson.dumps(
        {
            "version": VERSION,
            "csrf": session.csrf,
            "issuer": session.issuer,
            "clinician": session.clinician,
            "roles": sorted(session.roles),
            "token": session.token.get_secret_value(),
            "until": session.until,
            "patient": session.patient,
            "report": session.report,
            "banner": session.banner,
            "language": session.language,
        }
    )


def read(content: bytes, key: str) -> Session | None:
    """The session of this key that was kept; None where another version of Tocsin wrote it."""
    kept: dict[str, Any] = orjson.loads(content)
    if kept.pop("version", None) != VERSION:
        return None
    try:
        roles, token, until = (
            frozenset(map(Role, kept.pop("roles"))),
            SecretStr(kept.pop("token")),
            datetime.fromisoformat(kept.pop("until")),
        )
        return Session(key=key, roles=roles, token=token, until=until, **kept)
    except (KeyError, TypeError, ValueError):
        return None
