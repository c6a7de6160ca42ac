"""Whose picture it is stands on the page unless the EHR shows that itself, which it can of a patient alone whose chart it has open."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
from tocsin.fhir.address import address
from tocsin.serve.app import make_app
from tocsin.serve.sessions.browser import BrowserSessions
from tocsin.serve.smart import launch
from tocsin.serve.smart.discovery import Endpoints
from tocsin.serve.smart.exchange import grant
from tocsin.serve.smart.identity import Identity
from tocsin.serve.types import Role, Session
from tocsin.settings import IssuerSettings, ServeSettings

from tests.fakes.sessions import DictShelf

ISSUER = "https://ehr.example.org/fhir"
SETTINGS = ServeSettings(public_url="https://tocsin.example.org", issuers={ISSUER: IssuerSettings(client_id="tocsin")})


class Begun(BrowserSessions):
    """Sessions that remember which was begun."""

    session: Session | None = None

    def begin(self, session: Session, response: Any) -> None:
        """See BrowserSessions."""
        self.session = session


class Found:
    """The issuer's endpoints, and an id_token that is in order."""

    def of(self, _issuer: str) -> Endpoints:
        """See Discovery."""
        authorize, token, keys = (address(f"https://ehr.example.org/{each}") for each in ("auth", "token", "keys"))
        return Endpoints(authorize, token, keys, ISSUER, says_issuer=False)

    def claims(self, *_of: object) -> dict[str, Any]:
        """See Verifier."""
        return {}


def launched(context: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Session:
    """The session after a launch whose token response has this context."""
    shelf, found = DictShelf(), cast(Any, Found())
    sessions = Begun(shelf, SETTINGS, lambda: datetime.now(UTC))
    scopes = " ".join(SETTINGS.issuers[ISSUER].scopes)
    said = {"access_token": "t", "token_type": "Bearer", "id_token": "a.b.c", "scope": scopes, **context}
    monkeypatch.setattr(launch, "redeem", lambda *_of: grant(said))
    monkeypatch.setattr(launch, "identity", lambda *_of: Identity("Practitioner/c1", frozenset({Role.READER}), None))
    launching = launch.Launching(SETTINGS, sessions, shelf, found, found, found, lambda: datetime.now(UTC))
    browser = make_app([launch.blueprint(launching)], sessions, SETTINGS).test_client()
    asked = browser.get(f"/launch?iss={ISSUER}&launch=x", base_url=SETTINGS.public_url)
    state = parse_qs(urlsplit(asked.headers["Location"]).query)["state"][0]
    answer = browser.get(f"/callback?state={state}&code=c", base_url=SETTINGS.public_url)
    assert (answer.status_code, sessions.session is None) == (303, False)
    return cast(Session, sessions.session)


@pytest.mark.parametrize(
    ("context", "banner"),
    [
        ({"need_patient_banner": False}, True),
        ({"need_patient_banner": False, "patient": "p1"}, False),
        ({"need_patient_banner": True, "patient": "p1"}, True),
        ({"patient": "p1"}, True),
        ({}, True),
    ],
    ids=str,
)
def test_the_ehr_shows_who_it_is_of_the_chart_that_it_has_open_alone(
    context: dict[str, Any], banner: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert launched(context, monkeypatch).banner is banner
