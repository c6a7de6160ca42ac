"""CDS Hooks as a Flask application of its own: real rules and real tokens, with a bus and a memory that a test looks into."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from flask import Flask
from flask.testing import FlaskClient
from tocsin.fhir.http import Http
from tocsin.report.words import Wording
from tocsin.review.cards import Kind, Presentation
from tocsin.serve.cds.callers import Callers, Issuer
from tocsin.serve.cds.keys import KeySet, Patience
from tocsin.serve.cds.once import CardsHere, OnceHere
from tocsin.serve.cds.records import Connections
from tocsin.serve.cds.routes import blueprint
from tocsin.serve.cds.service import Service
from tocsin.settings import CdsIssuer, CdsSettings

from tests.fakes.feedback import FakeFeedbacks
from tests.support.cds_caller import DISCOVERY, ISS, PUBLIC, SERVICE, Ehr, ec_key, jwk, jwks
from tests.support.cds_rules import feedback_problems, outcome_problems, request_problems, response_problems, services_problems
from tests.support.stored import ISSUER

Json = dict[str, Any]

KEYS = jwks(jwk(ec_key(), "k1"))
JKU = "https://ehr.example.org/jwks.json"


@dataclass
class Desk:
    """The service, and the EHR that calls it."""

    client: FlaskClient
    ehr: Ehr
    feedbacks: FakeFeedbacks
    known: CardsHere = field(default_factory=CardsHere)

    def ask(self, said: Json) -> tuple[int, Json]:
        """Status and answer of a hook; the messages of both sides are held against the specification."""
        assert request_problems(said) == []
        response = self.client.post("/cds-services/tocsin-flags", data=orjson.dumps(said), headers=self.ehr.bearer())
        return response.status_code, _checked(response.status_code, orjson.loads(response.data), response_problems)

    def discover(self) -> Json:
        """What discovery says."""
        response = self.client.get("/cds-services", headers=self.ehr.bearer(DISCOVERY))
        assert response.status_code == 200
        return _checked(200, orjson.loads(response.data), services_problems)

    def tell(self, *feedback: Json, sound: bool = True) -> tuple[int, Json]:
        """Status and answer of feedback."""
        said = {"feedback": list(feedback)}
        assert (feedback_problems(said) == []) == sound
        headers = self.ehr.bearer(f"{SERVICE}/feedback")
        response = self.client.post("/cds-services/tocsin-flags/feedback", data=orjson.dumps(said), headers=headers)
        return response.status_code, _checked(response.status_code, orjson.loads(response.data), lambda _said: [])


def _checked(status: int, said: Json, rules: Any) -> Json:
    assert (rules(said) if status == 200 else outcome_problems(said)) == []
    return said


def presentation(cds: CdsSettings, launch_url: str = f"{PUBLIC}/launch") -> Presentation:
    """How the settings want the cards."""
    return Presentation(Wording(ISSUER.card, cds.language), frozenset(map(Kind, cds.shown)), cds.cards_max, launch_url)


def desk(fhir_base_url: str | None = None, also_known_as: tuple[str, ...] = (), timeout_s: float = 5.0, **changes: Any) -> Desk:
    """The service for one EHR; `changes` are settings."""
    cds, feedbacks, known = CdsSettings(**changes), FakeFeedbacks(), CardsHere()
    agreed = CdsIssuer(jku=(JKU,), fhir_base_url=fhir_base_url, also_known_as=also_known_as)
    issuer = Issuer(ISS, agreed, {JKU: KeySet(lambda: KEYS, Patience(3600, 86_400, 10))})
    http = Http(connect_timeout_s=timeout_s, request_timeout_s=timeout_s, group="CDS")
    connections = Connections(http, http, cds.body_bytes_max)
    service = Service(cds, presentation(cds), ISSUER, connections, feedbacks, known, lambda: datetime.now(UTC))
    app = Flask(__name__)
    app.register_blueprint(blueprint(service, Callers({ISS: issuer}, OnceHere(1000)), PUBLIC))
    return Desk(app.test_client(), Ehr(time.time()), feedbacks, known)
